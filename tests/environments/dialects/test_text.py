"""Text dialects: requests repeat what was said as it came, training words it canonically, a thought stays a thought."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import prompts
from environments.base import Action
from environments.db.dialect import DbDialect
from environments.dialects.text import TextDialect
from environments.os.dialect import OsDialect
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.task_spec import TaskSpec

SHELL, DATABASE = OsDialect(prompts.load("solve_os")), DbDialect(prompts.load("solve_db"))
DIALECTS = pytest.mark.parametrize("dialect", [SHELL, DATABASE], ids=["os", "db"])
LINE = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="`*:#>"), min_size=1)
LINES = st.lists(LINE, min_size=1, max_size=3).map("\n".join)
SAID = st.one_of(
    st.tuples(st.just(SHELL), LINES.map(lambda text: Action("bash", text))),
    st.tuples(st.just(SHELL), LINE.map(lambda text: Action("answer", text))),
    st.tuples(st.just(SHELL), st.just(Action("finish"))),
    st.tuples(st.just(DATABASE), LINES.map(lambda text: Action("sql", text))),
    st.tuples(st.just(DATABASE), LINES.map(lambda text: Action("answer", text))),
)


@pytest.fixture
def turns(turn: Callable[..., Turn]) -> tuple[Turn, ...]:
    """Turns of which the first was said in the model's own way, the second by no model."""
    return (
        turn(0, "Count.", "answer", "0", thought="None?", reply="None?\n\nThink: None?\nAct: ANSWER(0)"),
        turn(1, "no", "answer", "1", thought="One."),
    )


@example(said=(DATABASE, Action("answer", "__")), thought=None)
@example(said=(DATABASE, Action("answer", "=1")), thought=None)
@example(said=(DATABASE, Action("answer", "__init__")), thought="It is a dunder.")
@example(said=(SHELL, Action("answer", "value=5")), thought=None)
@given(said=SAID, thought=st.none() | LINES)
def test_reading_is_the_inverse_of_writing(
    turn: Callable[..., Turn],
    completion: Callable[..., Completion],
    said: tuple[TextDialect, Action],
    thought: str | None,
) -> None:
    dialect, action = said
    done = turn(0, "?", action.kind, action.text, thought=thought)
    message = dialect.write(done)
    reading = dialect.read(completion(message.content))
    assert (reading.thought, reading.actions, reading.problem) == (thought, (action,), "")
    assert dialect.reads_back(done)
    assert (message.role, message.train, message.tool_calls) == ("assistant", True, ())


@DIALECTS
def test_a_request_says_again_what_was_said_as_it_came(
    dialect: TextDialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    context = dialect.context(spec)
    messages = dialect.render(spec, turns, "yes")
    assert messages[: len(context)] == context
    task, first, seen, second, now = messages[len(context) :]
    assert (task.role, first.role, seen.role, second.role, now.role) == ("user", "assistant") * 2 + ("user",)
    assert task.content == dialect.observe("Count.", 0)
    assert first.content == turns[0].reply
    assert seen.content == dialect.observe("no", 1)
    assert second.content == dialect.write_text("One.", Action("answer", "1"))
    assert now.content == dialect.observe("yes", 2)


@DIALECTS
def test_a_conversation_is_canonical_and_ends_with_the_assistant(
    dialect: TextDialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    (messages,) = dialect.conversations(spec, turns)
    trained = [message for message in messages if message.train]
    assert [message.content for message in trained] == [
        dialect.write_text(turn.thought, Action("answer", turn.action)) for turn in turns
    ]
    assert messages[-1] is trained[-1] and {message.role for message in trained} == {"assistant"}
    assert messages[: len(dialect.context(spec))] == dialect.context(spec)


@DIALECTS
def test_what_is_visible_has_no_instructions_and_no_example(
    dialect: TextDialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    messages = dialect.visible(spec, turns, "yes")
    assert messages[0].content == dialect.observe("Count.", 0)
    assert [message.role for message in messages] == ["user", "assistant"] * 2 + ["user"]
    assert messages[1].content == dialect.write_text("None?", Action("answer", "0"))
    assert dialect.visible(spec, (), "Count.") == (messages[0],)


@pytest.mark.parametrize(
    ("dialect", "thought"),
    [(SHELL, "I could.\nAct: finish"), (DATABASE, "I could.\nAction: Answer\nFinal Answer: 1")],
    ids=["os", "db"],
)
def test_a_thought_that_holds_the_protocols_marks_does_not_read_back(
    dialect: TextDialect, thought: str, turn: Callable[..., Turn]
) -> None:
    kind = "bash" if dialect is SHELL else "sql"
    assert dialect.reads_back(turn(0, "?", kind, "ls", thought="I look."))
    assert not dialect.reads_back(turn(0, "?", kind, "ls", thought=thought)), "the first act counts"


def test_a_code_block_in_a_thought_is_no_command(turn: Callable[..., Turn]) -> None:
    assert SHELL.reads_back(turn(0, "?", "bash", "ls", thought="I try\n```bash\nrm x\n```"))


@DIALECTS
def test_reasoning_stands_apart_in_training_and_never_in_a_request(
    dialect: TextDialect, spec: TaskSpec, turn: Callable[..., Turn]
) -> None:
    done = turn(0, "Count.", "answer", "1", thought="One.", reply="x", reasoning="It is one.")
    assert dialect.conversations(spec, (done,))[0][-1].reasoning_content == "It is one."
    assert all(message.reasoning_content is None for message in dialect.render(spec, (done,), "no"))


@DIALECTS
def test_no_tools_are_declared(dialect: TextDialect) -> None:
    assert dialect.tools() == () and dialect.name == "react"


@DIALECTS
@pytest.mark.parametrize(
    "flood",
    ["`" * 9000, "```bash\n" * 900, "*" * 9000, "Act: bash\n" + "Word word, " * 900, "Act: answer(" + "(" * 9000],
)
def test_a_flood_of_marks_is_read_to_its_end(dialect: TextDialect, flood: str) -> None:
    reading = dialect.read_text(flood)
    assert (not reading.actions) == bool(reading.problem)
