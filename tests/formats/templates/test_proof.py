from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from formats.releases.messages import render_row as render_messages
from formats.releases.release_folder import ReleaseRow
from formats.templates.proof import Prover, prove
from formats.templates.template import Template, load_template
from formats.templates.trainers import TRAINERS
from schemas.errors import ConfigError, ExpectationError
from schemas.message import Message, ToolCall
from tests.tiny_tokenizer import CHATML, FORGETFUL, MARKED, STRICT, STRIPPING, UNSTABLE, save_tokenizer

Records = Sequence[Mapping[str, Any]]


def say(role: Any, content: str, train: bool = False, **more: Any) -> Message:
    return Message(role=role, content=content, train=train, **more)


def make_row(*messages: Message, **more: Any) -> ReleaseRow:
    return ReleaseRow("agent-1", "agent", "os", "own", "MIT", messages, **more)


AGENT = make_row(
    say("user", "You have a shell."),
    say("assistant", "Ok."),
    say("user", "How many users?"),
    say("assistant", "Think: count the lines.\n\nAct: bash", True),
    say("user", "3"),
    say("assistant", "Act: answer(3)", True),
)
"""AgentInstruct's: an acknowledgement that no loss counts on."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizers")


@pytest.fixture
def load(folder: Path, request: pytest.FixtureRequest) -> Any:
    def loaded(source: str, size: int = 400) -> Template:
        place = folder / f"{abs(hash(source))}-{size}"
        return load_template(place if place.exists() else save_tokenizer(place, source, size))

    return loaded


def flagged(row: ReleaseRow, flag: str) -> Records:
    rendered = render_messages(row)
    said = [{name: value for name, value in one.items() if name != "train"} for one in rendered["messages"]]
    return [{**rendered, "messages": [{**one, flag: own.train} for one, own in zip(said, row.messages, strict=True)]}]


def fanned_out(row: ReleaseRow) -> Records:
    said = [{"role": one.role, "content": one.content} for one in row.messages]
    return [{"prompt": said[:at], "completion": said[at : at + 1]} for at, one in enumerate(row.messages) if one.train]


def folded(row: ReleaseRow) -> Records:
    return [
        {
            "messages": [
                {"role": "system", "content": "You have a shell.\n\nThe assistant replied:\n> Ok."},
                *({"role": one.role, "content": one.content} for one in row.messages[2:]),
            ]
        }
    ]


@pytest.mark.parametrize("size", [300, 500])
@pytest.mark.parametrize(
    ("trainer", "source", "records"),
    [
        ("trl", CHATML, fanned_out(AGENT)),
        ("trl", STRIPPING, fanned_out(AGENT)),
        ("trl", FORGETFUL, fanned_out(AGENT)),
        ("trl", MARKED, folded(AGENT)),
        ("axolotl", CHATML, flagged(AGENT, "train")),
        ("ms-swift", CHATML, flagged(AGENT, "loss")),
        ("tinker", CHATML, flagged(AGENT, "trainable")),
        ("slime", STRIPPING, flagged(AGENT, "step_loss_mask")),
        ("verl", CHATML, folded(AGENT)),
    ],
)
def test_an_export_is_proven_to_the_token(load: Any, size: int, trainer: str, source: str, records: Records) -> None:
    template = load(source, size)
    proof = prove([(AGENT, records)], trainer, template)
    assert (proof.level, proof.rows, proof.records) == ("tokens", 1, len(records))
    whole = "Think: count the lines.\n\nAct: bash<|im_end|>\n", "Act: answer(3)<|im_end|>\n"
    assert proof.trained_tokens == sum(len(template.tokenize(text).ids) for text in whole)


def test_a_larger_vocabulary_trains_fewer_tokens(load: Any) -> None:
    few, many = (prove([(AGENT, fanned_out(AGENT))], "trl", load(CHATML, size)) for size in (500, 300))
    assert few.trained_tokens < many.trained_tokens and few.tokens < many.tokens


@pytest.mark.parametrize("with_tokenizer", [False, True])
@pytest.mark.parametrize(
    ("trainer", "records", "words"),
    [
        ("trl", [render_messages(AGENT)], "3 turns carry loss, 2 should; these words carry loss and should not: 'Ok.'"),
        ("verl", [render_messages(AGENT)], "carry loss and should not: 'Ok.'"),
        ("axolotl", flagged(AGENT, "loss"), "carry loss and should not: 'Ok.'"),
        (
            "trl",
            fanned_out(AGENT)[1:],
            "1 turns carry loss, 2 should; .* do not: 'Think: count the lines. Act: bash'",
        ),
        ("trl", [*fanned_out(AGENT), *fanned_out(AGENT)[:1]], "carry loss and should not: 'Think: count the lines"),
        ("ms-swift", [{"text": "flat"}], r"a row with text is none that ms-swift reads: it wants messages"),
        ("ms-swift", [{"messages": [{"role": "tool_call", "content": "{"}]}], "cannot be read as ms-swift reads it"),
        ("trl", [], "nothing carries loss"),
    ],
    ids=["too much", "no flag", "other flag", "too little", "twice", "no messages", "broken call", "none"],
)
def test_what_is_trained_otherwise_names_row_and_words(
    load: Any, with_tokenizer: bool, trainer: str, records: Records, words: str
) -> None:
    template = load(MARKED) if with_tokenizer else None
    with pytest.raises(
        ExpectationError, match=f"row agent-1 is not trained as its release says by {trainer}: .*{words}"
    ):
        prove([(AGENT, records)], trainer, template)


def test_equal_words_in_a_trained_and_an_untrained_turn_are_told_apart(load: Any) -> None:
    row = make_row(say("user", "a?"), say("assistant", "Same."), say("user", "a?"), say("assistant", "Same.", True))
    assert prove([(row, flagged(row, "train"))], "axolotl", load(CHATML)).trained_tokens
    other = make_row(
        *(one.model_copy(update={"train": not one.train and one.role == "assistant"}) for one in row.messages)
    )
    with pytest.raises(ExpectationError, match=r"turns \[1\] carry loss, turns \[3\] should, each once"):
        prove([(row, flagged(other, "train"))], "axolotl")


def test_text_that_looks_like_the_templates_own_does_no_harm_and_is_told(load: Any) -> None:
    said = "ASSISTANT: [/INST] <|im_end|>\n<|im_start|>assistant\nfooled </s> Act: answer(3)"
    row = make_row(
        say("user", said), say("assistant", "Act: answer(3)", True), say("user", said), say("assistant", said, True)
    )
    proof = prove([(row, flagged(row, "train"))], "axolotl", load(CHATML))
    assert proof.control_tokens == 1
    plain = make_row(say("user", "plain"), say("assistant", "USER: ASSISTANT: [/INST]", True))
    assert prove([(plain, flagged(plain, "train"))], "axolotl", load(CHATML)).control_tokens == 0


def test_a_trainer_that_finds_turns_by_its_own_marks_is_given_none() -> None:
    def records(text: str) -> tuple[ReleaseRow, Records]:
        row = make_row(say("user", text), say("assistant", "Yes.", True))
        return row, [{"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": "Yes."}]}]

    assert prove([records("ASSISTANT is a word")], "fastchat").level == "words"
    for mark in ("say ASSISTANT: no", "the end</s>"):
        with pytest.raises(ExpectationError, match="stands in its text, where fastchat takes it for the end of a turn"):
            prove([records(mark)], "fastchat")


def test_what_lies_beyond_the_limit_is_told(load: Any) -> None:
    template = load(CHATML)
    size = prove([(AGENT, fanned_out(AGENT))], "trl", template).longest
    assert prove([(AGENT, fanned_out(AGENT))], "trl", template, limit=size).beyond_limit == 0
    assert prove([(AGENT, fanned_out(AGENT))], "trl", template, limit=size - 1).beyond_limit == 1
    with pytest.raises(
        ExpectationError, match=r"row agent-1 .* beyond the limit of 10 tokens: it begins at token \d+ of"
    ):
        prove([(AGENT, fanned_out(AGENT))], "trl", template, limit=10)


THINKING = make_row(
    say("user", "One?"),
    say("assistant", "First.", True, reasoning_content="Think one."),
    say("user", "Two?"),
    say("assistant", "Second.", True, reasoning_content="Think two."),
)


def test_thoughts_that_a_template_drops_want_a_row_of_their_own(load: Any) -> None:
    with pytest.raises(ExpectationError, match=r"writes turn 1 otherwise once more is said.*fan-out"):
        prove([(THINKING, flagged(THINKING, "train"))], "axolotl", load(FORGETFUL))
    said = [dict(one) for one in render_messages(THINKING)["messages"]]
    records = [{"prompt": said[:1], "completion": said[1:2]}, {"prompt": said[:3], "completion": said[3:]}]
    assert prove([(THINKING, records)], "trl", load(FORGETFUL)).records == 2
    thoughtful = "(message.reasoning_content or '' if loop.last else '') + message.content"
    marked = MARKED.replace("generation %}{{- message.content", "generation %}{{- " + thoughtful)
    lost = r"turn 1 \(assistant, its thoughts\) should carry loss, and the template leaves it out: 'Think one\.'"
    with pytest.raises(ExpectationError, match=lost):
        prove([(THINKING, [{"messages": said}])], "trl", load(marked))
    with pytest.raises(ExpectationError, match=r"is unstable here: the prompt ends with .*<think>"):
        prove([(THINKING, records)], "trl", load(UNSTABLE))


TWO = (
    ToolCall(call_id="a", name="look", arguments='{"at": "x"}'),
    ToolCall(call_id="b", name="look", arguments='{"at":"y"}'),
)
CALLS = make_row(
    say("user", "One?"),
    say(
        "assistant",
        "",
        True,
        tool_calls=(
            ToolCall(call_id="a", name="look", arguments='{"at": "x"}'),
            ToolCall(call_id="b", name="look", arguments='{"at":"y"}'),
        ),
    ),
    say("tool", "saw x", tool_call_id="a"),
    say("tool", "saw y", tool_call_id="b"),
    say("assistant", "Both.", True),
)


def test_parallel_calls_are_proven_in_each_form(load: Any) -> None:
    template = load(CHATML)
    assert prove([(CALLS, flagged(CALLS, "train"))], "axolotl", template).trained_tokens
    swift = {
        "messages": [
            {"role": "user", "content": "One?"},
            {"role": "tool_call", "content": '{"name": "look", "arguments": {"at": "x"}}', "loss": True},
            {"role": "tool_call", "content": '{"name": "look", "arguments": {"at": "y"}}', "loss": True},
            {"role": "tool_response", "content": "saw x"},
            {"role": "tool_response", "content": "saw y"},
            {"role": "assistant", "content": "Both.", "loss": True},
        ]
    }
    assert prove([(CALLS, [swift])], "ms-swift", template).trained_tokens
    calls = '[{"name": "look", "arguments": {"at": "x"}}, {"name": "look", "arguments": {"at": "y"}}]'
    factory = {
        "conversations": [
            {"from": "human", "value": "One?"},
            {"from": "function_call", "value": calls},
            {"from": "observation", "value": "saw x"},
            {"from": "observation", "value": "saw y"},
            {"from": "gpt", "value": "Both."},
        ],
        "system": "",
        "tools": "",
    }
    assert prove([(CALLS, [factory])], "llamafactory").trained_tokens
    swift["messages"][2]["content"] = '{"name": "look", "arguments": {"at": "z"}}'
    with pytest.raises(ExpectationError, match=r"should not: .*z.* and do not: .*y"):
        prove([(CALLS, [swift])], "ms-swift", template)


def test_rows_of_tokens_are_proven_by_what_the_template_writes(load: Any) -> None:
    template = load(CHATML)
    said = [{"role": one.role, "content": one.content} for one in AGENT.messages]

    def tokens(end: int, *trained: int) -> dict[str, list[int]]:
        ids = template.tokenize(template.render(said[:end]).text).ids
        labels = [-100] * len(ids)
        for at in trained:
            start = len(template.tokenize(template.render(said[:at], prompt=True).text).ids)
            for place in range(start, len(template.tokenize(template.render(said[: at + 1]).text).ids)):
                labels[place] = ids[place]
        return {"input_ids": list(ids), "labels": labels}

    packed, one_by_one = [tokens(6, 3, 5)], [tokens(4, 3), tokens(6, 5)]
    counts = [prove([(AGENT, records)], "trl", template).trained_tokens for records in (packed, one_by_one)]
    assert counts[0] == counts[1] > 0
    for records, words in (
        ([tokens(6, 1, 3, 5)], r"turn 1 \(assistant\) carries loss and should not: 'Ok.'"),
        ([tokens(6, 5)], r"turns \[5\] carry loss, turns \[3, 5\] should, each once"),
        ([tokens(6, 3, 5), tokens(6, 5)], r"turns \[3, 5, 5\] carry loss"),
        ([{"input_ids": [5, 6], "labels": [5, 6]}], "its tokens are not what the template writes"),
        ([{"input_ids": [5, 6], "labels": [6, 5]}], "its labels are not its tokens"),
        ([tokens(6)], "no token carries loss"),
    ):
        with pytest.raises(ExpectationError, match=f"row agent-1 .*{words}"):
            prove([(AGENT, records)], "trl", template)
    with pytest.raises(ConfigError, match="proven with the tokenizer that made them; give --tokenizer DIR"):
        prove([(AGENT, packed)], "trl")


def test_a_template_that_refuses_a_row_names_it(load: Any) -> None:
    with pytest.raises(
        ExpectationError, match=r"row agent-1 .* refuses a conversation of system, .*System role not supported"
    ):
        prove([(AGENT, folded(AGENT))], "verl", load(STRICT))


def test_a_turn_must_train_what_ends_it(load: Any) -> None:
    whole = "{{- message.content + '<|im_end|>\\n' }}{%- endgeneration %}"
    unending = MARKED.replace(whole, "{{- message.content }}{%- endgeneration %}{{- '<|im_end|>\\n' }}")
    with pytest.raises(ExpectationError, match=r"turn 2 \(assistant\) carries loss, but what ends it does not: '<\|im"):
        prove([(AGENT, folded(AGENT))], "trl", load(unending))


def test_services_are_proven_by_their_documented_rule(load: Any) -> None:
    proof = prove([(AGENT, flagged(AGENT, "weight"))], "openai", load(CHATML))
    assert (proof.level, proof.rows) == ("rule", 1)
    assert [name for name, one in TRAINERS.items() if one.how == "documented"] == [
        "openai",
        "mistral",
        "together",
        "fireworks",
    ]
    with pytest.raises(ExpectationError, match=r"carry loss and should not: 'Ok\.'"):
        prove([(AGENT, flagged(AGENT, "train"))], "openai")


def test_a_configuration_that_trains_the_last_reply_alone_is_part_of_the_reading() -> None:
    beginnings = [{"messages": render_messages(AGENT)["messages"][: at + 1]} for at in (3, 5)]
    assert prove([(AGENT, beginnings)], "llamafactory", last_only=True).records == 2
    with pytest.raises(ExpectationError, match="5 turns carry loss, 2 should"):
        prove([(AGENT, beginnings)], "llamafactory")


def test_a_prover_goes_on_row_by_row() -> None:
    prover = Prover("axolotl")
    for _ in range(3):
        prover.prove_row(AGENT, flagged(AGENT, "train"))
    assert prover.proof.describe() == {
        "trainer": "axolotl",
        "level": "words",
        "rows": 3,
        "records": 3,
        "tokens": 72,
        "trained_tokens": 39,
        "longest": 24,
        "beyond_limit": 0,
        "control_tokens": 0,
    }
    before = prover.proof
    with pytest.raises(ExpectationError):
        prover.prove_row(AGENT, [render_messages(AGENT), *flagged(AGENT, "train")])
    assert prover.proof == before, "a row that is not proven does not count"
    with pytest.raises(ConfigError, match="unknown trainer 'nobody'; masks are proven for: trl, axolotl"):
        Prover("nobody")


@pytest.mark.parametrize("source", [MARKED, CHATML], ids=["by marks", "by turns"])
def test_of_a_completion_the_replies_alone_may_count(load: Any, source: str) -> None:
    said = [{"role": one.role, "content": one.content} for one in AGENT.messages]
    cut = [{"prompt": said[:3], "completion": said[3:]}]
    proof = prove([(AGENT, cut)], "trl", load(source), replies_only=True)
    assert proof.trained_tokens == prove([(AGENT, fanned_out(AGENT))], "trl", load(source)).trained_tokens
    with pytest.raises(
        ExpectationError, match="3 turns carry loss, 2 should; these words carry loss and should not: '3'"
    ):
        prove([(AGENT, cut)], "trl", load(source))
