"""Rounds show the task and what is seen now, whatever dialect words them, and each is a conversation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import prompts
from environments.base import Dialect
from environments.dialects.rounds import Rounds
from environments.dialects.tool_calls import ToolCalls
from environments.os.dialect import OsDialect
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.task_spec import TaskSpec

TEXT, TOOLS = OsDialect(prompts.load("solve_os")), ToolCalls(prompts.load("solve_os_tools"))
DIALECTS = pytest.mark.parametrize("dialect", [TEXT, TOOLS], ids=["text", "tools"])


@pytest.fixture
def turns(turn: Callable[..., Turn]) -> tuple[Turn, ...]:
    return (
        turn(0, "Count.", "bash", "ls", thought="I look.", reply="I look hard."),
        turn(1, "first", "bash", "pwd", thought="I look again."),
        turn(2, "second", "answer", "1", thought="One."),
    )


@DIALECTS
def test_the_first_request_is_the_other_dialects(dialect: Dialect, spec: TaskSpec) -> None:
    assert Rounds(dialect).render(spec, (), "Count.") == dialect.render(spec, (), "Count.")


@DIALECTS
def test_a_request_shows_the_task_and_now_and_nothing_between(
    dialect: Dialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    messages = Rounds(dialect).render(spec, turns, "third")
    assert messages == dialect.render(spec, (), "Count.\n\nthird")
    said = "\n".join(message.content for message in messages)
    assert not any(gone in said for gone in ("first", "second", "I look hard", "I look again"))


@DIALECTS
def test_how_task_and_now_are_shown_is_the_worlds_to_say(
    dialect: Dialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    rounds = Rounds(dialect, lambda task, seen: f"{seen} <- {task}")
    assert rounds.render(spec, turns, "third")[-1].content.endswith("third <- Count.")


@DIALECTS
def test_each_round_is_a_conversation_that_ends_with_the_assistant(
    dialect: Dialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    rounds = Rounds(dialect)
    conversations = rounds.conversations(spec, turns)
    assert len(conversations) == 3
    for number, messages in enumerate(conversations):
        assert messages[:-1] == rounds.render(spec, turns[:number], turns[number].observation)
        assert messages[-1] == dialect.write(turns[number]) and messages[-1].role == "assistant"
        assert [message.train for message in messages] == [False] * (len(messages) - 1) + [True]


@DIALECTS
def test_what_is_visible_is_the_round_without_what_stands_before_the_task(
    dialect: Dialect, spec: TaskSpec, turns: tuple[Turn, ...]
) -> None:
    (shown,) = Rounds(dialect).visible(spec, turns[:1], "first")
    assert shown.role == "user" and shown.content.endswith("Count.\n\nfirst")


@DIALECTS
def test_replies_and_turns_are_the_other_dialects(
    dialect: Dialect, completion: Callable[..., Completion], turns: tuple[Turn, ...]
) -> None:
    rounds = Rounds(dialect)
    message = rounds.write(turns[0])
    said = completion(message.content, *message.tool_calls)
    assert message == dialect.write(turns[0])
    assert rounds.read(said) == dialect.read(said) and rounds.read(said).actions
    assert (rounds.name, rounds.tools(), rounds.prompt) == ("rounds", dialect.tools(), dialect.prompt)
    assert rounds.reads_back(turns[0])
