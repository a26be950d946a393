"""Native tool calls: what is written is read again, what cannot be read says why, and every call has its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action
from environments.dialects.labels import thought_of
from environments.dialects.tool_calls import ToolCalls
from schemas.completion import Completion
from schemas.episode import Call, Turn
from schemas.message import Message, ToolCall
from schemas.task_spec import TaskSpec

SHELL = ToolCalls(prompts.load("solve_os_tools"))
DATABASE = ToolCalls(prompts.load("solve_db_tools"), lambda spec: {"dialect": "SQLite"})
KINDS = {"bash": SHELL, "answer": SHELL, "sql": DATABASE}
ODD = ("", '"', "\\", "\n", "\0", "\x7f", "{}", '{"sql": 1}', "\u2028", "\U0001f600", "```", "Act: finish", "null")
TEXT = st.text() | st.sampled_from(ODD)
THOUGHT = st.none() | TEXT.map(str.strip).filter(lambda text: text and thought_of(text, range(99)) == text)
SAID = TEXT.filter(str.strip)
"""What is run says something: an empty command is none."""


def called(name: str, arguments: str, call_id: str = "c") -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=arguments)


def sent(message: Message) -> Message:
    """Send a message through JSON, as an endpoint would."""
    return Message.model_validate(orjson.loads(orjson.dumps(message.model_dump())))


@given(kind=st.sampled_from(sorted(KINDS)), text=SAID, thought=THOUGHT)
def test_reading_is_the_inverse_of_writing(
    turn: Callable[..., Turn], completion: Callable[..., Completion], kind: str, text: str, thought: str | None
) -> None:
    dialect = KINDS[kind]
    message = sent(dialect.write(turn(0, "?", kind, text, thought=thought)))
    reading = dialect.read(completion(message.content, *message.tool_calls))
    assert [(action.kind, action.text) for action in reading.actions] == [(kind, text)]
    assert (reading.thought, reading.problem, reading.calls) == (thought, "", message.tool_calls)


def test_an_action_without_text_is_a_call_without_arguments(
    turn: Callable[..., Turn], completion: Callable[..., Completion]
) -> None:
    message = SHELL.write(turn(3, "?", "finish", ""))
    assert message.tool_calls == (called("finish", "{}", "call_3"),)
    assert SHELL.read(completion("", *message.tool_calls)).actions == (Action("finish", "", {}),)
    assert SHELL.read(completion("", called("finish", ""))).actions == (Action("finish", "", {}),)


@given(texts=st.lists(SAID, min_size=2, max_size=4))
def test_several_calls_of_a_turn_are_read_in_their_order_and_written_as_they_were(
    turn: Callable[..., Turn], call: Callable[..., Call], completion: Callable[..., Completion], texts: list[str]
) -> None:
    calls = [called("bash", orjson.dumps({"command": text}).decode(), f"c{i}") for i, text in enumerate(texts)]
    reading = SHELL.read(completion("I look.", *calls))
    assert reading.actions == tuple(Action("bash", text, {"command": text}) for text in texts)
    done = [call(one.call_id, one.name, one.arguments, "bash", text) for one, text in zip(calls, texts, strict=True)]
    message = SHELL.write(turn(0, "?", "bash", texts[0], thought="I look.", calls=tuple(done)))
    assert (message.content, message.tool_calls, message.train) == ("I look.", tuple(calls), True)


@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        ((), "no tool was called"),
        ((called("bash", '{"command": "ls'),), "the arguments of bash are no JSON"),
        ((called("bash", '["ls"]'),), "the arguments of bash are no object"),
        ((called("bash", '{"command": " "}'),), "the command of bash is empty"),
        ((called("finish", '"ls"'),), "the arguments of finish are no object"),
        ((called("bash", "null"),), "the arguments of bash are no object"),
        ((called("bash", "{}"),), "the call of bash lacks command"),
        ((called("bash", ""),), "the call of bash lacks command"),
        ((called("answer", '{"command": "ls"}'),), "the call of answer lacks answer"),
        ((called("python", '{"command": "ls"}'),), "there is no tool 'python'; there are bash, answer, finish"),
        ((called("bash", '{"command": "ls"}'), called("bash", "{")), "the arguments of bash are no JSON"),
    ],
)
def test_what_cannot_be_read_is_no_action_and_says_why(
    completion: Callable[..., Completion], calls: tuple[ToolCall, ...], problem: str
) -> None:
    reading = SHELL.read(completion(" I look. ", *calls))
    assert (reading.thought, reading.actions, reading.calls) == ("I look.", (), calls)
    assert reading.problem.startswith(problem)
    assert reading.candidate == (f"{calls[-1].name}({calls[-1].arguments})" if calls else "I look.")


LS = '{"command":"ls -l"}'


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("bash", '{"command": "ls -l",}'),
        ("bash", "{'command': 'ls -l'}"),
        ("bash", '"{\\"command\\": \\"ls -l\\"}"'),
        ("bash", '"ls -l"'),
        ("bash", "ls -l"),
        ("bash", '{"cmd": "ls -l"}'),
        ("bash", '{"command": ["ls", "-l"]}'),
        ("bash", '{"command": ["bash", "-lc", "ls -l"]}'),
        ("bash", '{"script": "ls -l"}'),
        ("functions.bash", '{"command": "ls -l"}'),
        ("Bash", '{"command": "ls -l"}'),
        ("bash<|channel|>json", '{"command": "ls -l"}'),
    ],
)
def test_what_can_mean_one_thing_alone_is_mended_and_trained_on_as_that(
    completion: Callable[..., Completion], name: str, arguments: str
) -> None:
    reading = SHELL.read(completion("", called(name, arguments)))
    assert reading.actions == (Action("bash", "ls -l", {"command": "ls -l"}),)
    assert reading.calls == (called("bash", LS),)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ('{"command": "cat <<E\na\nE"}', "cat <<E\na\nE"),
        (r'{"command": "grep -P \d+\.log x"}', r"grep -P \d+\.log x"),
        (r"""{'command': 'echo "it\'s"'}""", """echo "it's\""""),
    ],
)
def test_a_command_with_newlines_or_backslashes_is_mended_to_the_letter(
    completion: Callable[..., Completion], arguments: str, command: str
) -> None:
    assert [one.text for one in SHELL.read(completion("", called("bash", arguments))).actions] == [command]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"command": "echo "hi""}',
        '{"command": "ls"',
        '{"cmd": "ls", "script": "pwd"}',
        '{"answer": "ls"}',
        '{"command": "ls"} {"command": "pwd"}',
    ],
)
def test_what_can_mean_two_things_is_not_run(completion: Callable[..., Completion], arguments: str) -> None:
    reading = SHELL.read(completion("", called("bash", arguments)))
    assert reading.actions == () and reading.problem


@pytest.mark.parametrize(
    "reply",
    [
        'I look.\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls -l"}}\n</tool_call>',
        'I look.\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls -l"}}',
        "I look.\n<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>ls -l</arg_value>\n</tool_call>",
        "I look.\n<tool_call>\n<function=bash>\n<parameter=command>\nls -l\n</parameter>\n</function>\n</tool_call>",
        'I look.<function=bash>{"command": "ls -l"}</function>',
        'I look.[TOOL_CALLS][{"name": "bash", "arguments": {"command": "ls -l"}}]',
        'I look.[TOOL_CALLS]bash[ARGS]{"command": "ls -l"}',
        'I look.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>bash<｜tool▁sep｜>{"command": "ls -l"}<｜tool▁call▁end｜>',
        'I look.<|tool_calls_section_begin|><|tool_call_begin|>functions.bash:0<|tool_call_argument_begin|>{"command": '
        '"ls -l"}<|tool_call_end|><|tool_calls_section_end|>',
        'I look.<|python_tag|>{"name": "bash", "parameters": {"command": "ls -l"}}',
        'I look.<|python_tag|>bash.call(command="ls -l")',
        'I look.<|tool_call|>[{"name": "bash", "arguments": {"command": "ls -l"}}]',
        'I look.<|START_ACTION|>[{"tool_name": "bash", "parameters": {"command": "ls -l"}}]<|END_ACTION|>',
        'I look.\nAction: ```json\n[{"tool_name": "bash", "parameters": {"command": "ls -l"}}]\n```',
        'I look.\n```json\n{"name": "bash", "arguments": {"command": "ls -l"}}\n```',
        "I look.\n```tool_code\nprint(default_api.bash(command='ls -l'))\n```",
        'I look.<|channel|>commentary to=functions.bash <|constrain|>json<|message|>{"command": "ls -l"}<|call|>',
        'I look.<function_calls>\n<invoke name="bash">\n<parameter name="command">ls -l</parameter>\n</invoke>',
    ],
)
def test_a_call_left_in_the_text_is_read_in_each_family_s_mark_up(
    completion: Callable[..., Completion], reply: str
) -> None:
    reading = SHELL.read(completion(reply))
    assert [action.text for action in reading.actions] == ["ls -l"]
    assert (reading.thought, reading.calls) == ("I look.", (called("bash", LS, "call_0"),))


@pytest.mark.parametrize(
    "reply",
    ['{"name": "other", "arguments": {}}', "<tool_call>{broken}</tool_call>", '{"name": "bash", "arguments": 3}'],
)
def test_what_only_looks_like_a_call_is_none(completion: Callable[..., Completion], reply: str) -> None:
    reading = SHELL.read(completion(reply))
    assert reading.actions == () and reading.problem


def test_calls_behind_a_cut_do_not_count_and_a_cut_first_one_says_so(completion: Callable[..., Completion]) -> None:
    whole, cut = called("bash", LS), called("bash", '{"command": "ca')
    first = completion("", whole, cut).model_copy(update={"finish_reason": "length"})
    assert SHELL.read(first).calls == (whole,)
    alone = completion("", cut).model_copy(update={"finish_reason": "length"})
    assert "cut at the maximum" in SHELL.read(alone).problem and SHELL.read(alone).actions == ()


def test_a_call_that_stood_in_the_text_is_said_once_in_the_next_request(
    spec: TaskSpec, turn: Callable[..., Turn], call: Callable[..., Call]
) -> None:
    reply = 'I look.<function=bash>{"command":"ls -l"}</function>'
    made = (call("c", "bash", LS, "bash", "ls -l"),)
    done = turn(0, "Count.", "bash", "ls -l", thought="I look.", reply=reply, calls=made)
    assert SHELL.render(spec, (done,), "x")[2].content == "I look."


@given(st.text(), st.lists(st.tuples(st.sampled_from(["bash", "answer", "finish", "x"]), st.text()), max_size=3))
def test_no_reply_breaks_the_reader(
    completion: Callable[..., Completion], reply: str, calls: list[tuple[str, str]]
) -> None:
    reading = SHELL.read(completion(reply, *(called(name, arguments) for name, arguments in calls)))
    assert (not reading.actions) == bool(reading.problem)


@pytest.fixture
def turns(turn: Callable[..., Turn], call: Callable[..., Call]) -> tuple[Turn, ...]:
    """Two calls at once, then one."""
    looks = (
        call("a", "bash", '{"command": "ls"}', "bash", "ls", "x"),
        call("b", "bash", '{"command": "true"}', "bash", "true", ""),
    )
    ends = (call("c", "answer", '{"answer": "1"}', "answer", "1"),)
    return (
        turn(0, "Count {{ it }}.\n---8<---\n", "bash", "ls", thought="I look.", reply=" I look.\n", calls=looks),
        turn(1, "x", "answer", "1", thought="One.", reply="One.", reasoning="It is x.", calls=ends),
    )


@pytest.fixture
def reference(turn: Callable[..., Turn]) -> tuple[Turn, ...]:
    """Turns that no model called for."""
    return (turn(0, "Count.", "bash", "ls"), turn(1, "x", "answer", "1"))


def assert_every_call_is_answered(messages: Sequence[Message]) -> None:
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
            assert message.content
        else:
            assert not waiting
        waiting += [call.call_id for call in message.tool_calls]
    assert not waiting


def test_a_request_opens_with_the_instructions_and_the_task_whole(spec: TaskSpec, turns: tuple[Turn, ...]) -> None:
    system, task = SHELL.render(spec, (), turns[0].observation)
    assert (system.role, task.role) == ("system", "user")
    assert task.content == turns[0].observation
    assert SHELL.render(spec, turns[:1], "x")[:2] == (system, task)


def test_in_a_request_every_call_is_followed_by_what_it_gave(spec: TaskSpec, turns: tuple[Turn, ...]) -> None:
    messages = SHELL.render(spec, turns[:1], "x")
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert [message.content for message in messages[2:]] == [" I look.\n", "x", "(no output)"]
    assert_every_call_is_answered(messages)
    assert not any(message.train or message.reasoning_content for message in messages)


def test_a_call_that_was_not_carried_out_says_that_it_gave_nothing(
    spec: TaskSpec, turn: Callable[..., Turn], call: Callable[..., Call]
) -> None:
    both = (
        call("a", "answer", '{"answer": "1"}', "answer", "1"),
        call("b", "bash", '{"command": "ls"}', "bash", "ls"),
    )
    messages = SHELL.render(spec, (turn(0, "Count.", "answer", "1", calls=both),), "")
    assert [message.content for message in messages if message.role == "tool"] == ["(no output)"] * 2
    assert_every_call_is_answered(messages)


def test_turns_without_calls_are_worded_as_the_calls_that_they_are(spec: TaskSpec, reference: tuple[Turn, ...]) -> None:
    ((*_, system_task, first, given, last),) = SHELL.conversations(spec, reference)
    assert system_task.content == "Count."
    assert first.tool_calls == (called("bash", '{"command":"ls"}', "call_0"),)
    assert (given.role, given.content, given.tool_call_id) == ("tool", "x", "call_0")
    assert last.tool_calls == (called("answer", '{"answer":"1"}', "call_1"),)


@pytest.mark.parametrize("kind", ["turns", "reference"])
def test_a_conversation_ends_with_the_assistant_and_only_that_one_is_trained_on(
    kind: str, spec: TaskSpec, request: pytest.FixtureRequest
) -> None:
    (messages,) = SHELL.conversations(spec, request.getfixturevalue(kind))
    assert messages[-1].role == "assistant"
    assert_every_call_is_answered(messages[:-1])
    assert {(message.role, message.train) for message in messages} == {
        ("system", False),
        ("user", False),
        ("assistant", True),
        ("tool", False),
    }


def test_for_training_reasoning_stands_apart_and_the_thought_is_the_canonical_one(
    spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    ((_, _, first, *_, last),) = SHELL.conversations(spec, turns)
    assert (first.content, first.reasoning_content) == ("I look.", None)
    assert (last.content, last.reasoning_content) == ("One.", "It is x.")


@pytest.mark.parametrize("kind", ["turns", "reference"])
@pytest.mark.parametrize("number", [0, 1])
def test_what_is_visible_has_no_instructions_and_every_result(
    kind: str, number: int, spec: TaskSpec, request: pytest.FixtureRequest
) -> None:
    played = request.getfixturevalue(kind)
    messages = SHELL.visible(spec, played[:number], played[number].observation)
    assert messages[0].role == "user"
    assert "system" not in {message.role for message in messages}
    assert messages[-1].role == ("tool" if number else "user")
    assert_every_call_is_answered(messages)


def test_the_tools_that_are_declared_are_the_prompts() -> None:
    tools = {tool.name: orjson.loads(tool.parameters) for tool in SHELL.tools()}
    assert list(tools) == ["bash", "answer", "finish"]
    assert tools["bash"]["required"] == ["command"]
    assert [tool.name for tool in DATABASE.tools()] == ["execute_sql", "answer"]


def test_a_turn_reads_back_whatever_was_thought(turn: Callable[..., Turn]) -> None:
    assert SHELL.reads_back(turn(0, "?", "bash", "ls", thought="Act: finish"))


@pytest.mark.parametrize(
    ("written", "text"),
    [('"7"', "7"), ("7", "7"), ('["a", 1]', '["a",1]'), ('{"a": null}', '{"a":null}'), ("null", ""), ("true", "true")],
)
def test_a_text_of_another_type_is_said_as_json(written: str, text: str, completion: Callable[..., Completion]) -> None:
    reading = DATABASE.read(completion("", called("answer", f'{{"answer": {written}}}')))
    assert [(action.kind, action.text) for action in reading.actions] == [("answer", text)]


def test_an_argument_of_another_type_than_its_schema_s_is_no_action(completion: Callable[..., Completion]) -> None:
    front = {"tools": [{"name": "put", "description": "d", "parameters": {"properties": {"n": {"type": "integer"}}}}]}
    dialect = ToolCalls(prompts.Prompt("p", "v1", "s\n---8<---\n{{ problem }}", "0" * 64, front))
    assert dialect.read(completion("", called("put", '{"n": 3}'))).actions == (Action("put", '{"n":3}', {"n": 3}),)
    for odd in ("[]", "true", '"3"', "null", "1.5"):
        reading = dialect.read(completion("", called("put", f'{{"n": {odd}}}')))
        assert reading.actions == () and "n of put is to be of type integer" in reading.problem
