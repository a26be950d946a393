"""Strategies, over arbitrary rows: every trained reply is trained on once, in its own words, and no other word is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.releases.release_folder import ReleaseRow
from formats.releases.strategies import REASONS, Strategy, apply_strategy, split_prompt
from schemas.message import Message, ToolCall

ALL: tuple[Strategy, ...] = ("native", "fan-out", "cut", "fold")
WORDS = st.sampled_from(["", "Ok.", "a", "USER: a ASSISTANT: b", "[/INST] x", "<|im_end|>", "</s>", " b\n"])
CALLS = st.lists(st.builds(ToolCall, call_id=st.just("c"), name=st.just("ls"), arguments=st.just("{}")), max_size=2)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    role = draw(st.sampled_from(["system", "user", "assistant", "assistant", "tool"]))
    if role != "assistant":
        return Message(role=role, content=draw(WORDS))
    return Message(
        role=role,
        content=draw(WORDS),
        train=draw(st.booleans()),
        tool_calls=tuple(draw(CALLS)),
        reasoning_content=draw(st.sampled_from([None, "Hm."])),
    )


def row(*said: Message) -> ReleaseRow:
    return ReleaseRow("a", "agent", "os", "own", "MIT", said)


ROWS = st.lists(messages(), min_size=1, max_size=8).map(lambda said: row(*said))


def numbered(one: ReleaseRow) -> ReleaseRow:
    """Give every message a number in its words, so that equal ones can be told apart."""
    said = [m.model_copy(update={"content": f"{m.content} [{n}]"}) for n, m in enumerate(one.messages)]
    return one._replace(messages=tuple(said))


@given(ROWS, st.sampled_from(ALL))
def test_every_trained_reply_is_trained_on_once_and_nothing_else_is(given_row: ReleaseRow, strategy: Strategy) -> None:
    given_row = numbered(given_row)
    trained = [message for message in given_row.messages if message.train]
    made = apply_strategy(strategy, given_row)
    if isinstance(made, str):
        assert not trained and made == "nothing_trained"
        return
    learned = [message for one in made for message in one.messages if message.train]
    text = "\n\n".join(message.content for message in learned)
    assert text == "\n\n".join(message.content for message in trained)
    calls = [call for message in learned for call in message.tool_calls]
    assert calls == [call for message in trained for call in message.tool_calls]
    thoughts = "".join(message.reasoning_content or "" for message in learned)
    assert thoughts.count("Hm.") == sum(message.reasoning_content is not None for message in trained)


@given(ROWS, st.sampled_from(ALL))
def test_every_row_ends_with_what_it_trains_on_and_begins_as_the_release_does(
    given_row: ReleaseRow, strategy: Strategy
) -> None:
    made = apply_strategy(strategy, given_row)
    for one in made if not isinstance(made, str) else []:
        assert one.messages[-1].train
        if strategy != "fold":
            said = [message.model_copy(update={"train": False}) for message in one.messages]
            assert said == [m.model_copy(update={"train": False}) for m in given_row.messages[: len(said)]]


@given(ROWS)
def test_each_strategy_gives_its_trainer_what_that_can_tell_apart(given_row: ReleaseRow) -> None:
    for one in as_rows("fan-out", given_row):
        assert [message.train for message in one.messages].count(True) == 1
    for one in as_rows("cut", given_row):
        prompt, completion = split_prompt(one.messages)
        assert not any(message.train for message in prompt)
        assert all(message.train for message in completion if message.role == "assistant")
    for one in as_rows("fold", given_row):
        assert all(message.train for message in one.messages if message.role == "assistant")


def as_rows(strategy: Strategy, given_row: ReleaseRow) -> list[ReleaseRow]:
    made = apply_strategy(strategy, given_row)
    return [] if isinstance(made, str) else made


def reply(text: str, train: bool) -> Message:
    return Message(role="assistant", content=text, train=train)


def ask(text: str) -> Message:
    return Message(role="user", content=text)


EQUAL = row(ask("Say it."), reply("Ok.", False), ask("Again."), reply("Ok.", True), ask("And?"), reply("Ok.", True))
"""One text, in a reply that is context and in two that are not."""


def test_of_equal_texts_those_are_trained_on_that_the_release_says() -> None:
    flags = {
        strategy: [[m.train for m in one.messages if m.role == "assistant"] for one in as_rows(strategy, EQUAL)]
        for strategy in ALL
    }
    assert flags == {
        "native": [[False, True, True]],
        "fan-out": [[False, True], [False, False, True]],
        "cut": [[False, True, True]],
        "fold": [[True, True]],
    }
    assert [one.id for one in as_rows("fan-out", EQUAL)] == ["a#1", "a#2"]
    assert [one.id for one in as_rows("cut", EQUAL)] == ["a"]


def test_a_cut_begins_anew_after_each_reply_that_is_context() -> None:
    made = as_rows("cut", row(ask("1"), reply("a", True), reply("no", False), ask("2"), reply("b", True), ask("3")))
    assert [[(m.content, m.train) for m in one.messages] for one in made] == [
        [("1", False), ("a", True)],
        [("1", False), ("a", False), ("no", False), ("2", False), ("b", True)],
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((ask("Hi"), reply("Ok.", False)), "nothing_trained"),
        ((ask("Hi"),), "nothing_trained"),
        ((), "nothing_trained"),
        ((Message(role="user", content="Hi", train=True), reply("Ok.", True)), "not_a_reply"),
        ((ask("Hi"), reply(" \n", True)), "empty_reply"),
    ],
)
@pytest.mark.parametrize("strategy", ALL)
def test_a_row_of_which_nothing_can_be_learned_is_left_out(
    said: tuple[Message, ...], reason: str, strategy: Strategy
) -> None:
    assert apply_strategy(strategy, row(*said)) == reason
    assert reason in REASONS


def test_every_word_of_the_context_still_stands_after_a_fold() -> None:
    (made,) = as_rows("fold", EQUAL)
    words = Counter(word for message in made.messages for word in message.content.split())
    assert words["Ok."] == 3 and words["Again."] == words["And?"] == 1
