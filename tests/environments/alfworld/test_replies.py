"""Replies as models write them: the action and the thought of each, and what is no action."""

from __future__ import annotations

import pytest

import prompts
from environments.alfworld.dialect import AlfworldDialect
from environments.base import Action
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message, ToolCall
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

DIALECT = AlfworldDialect(prompts.load("solve_alfworld"))
GO = "go to desk 1"
READ = {
    "THOUGHT: I look there.\nACTION: go to desk 1": ("I look there.", GO),
    "THOUGHT: I look there.\n ACTION: go to desk 1\n": ("I look there.", GO),
    "ACTION: go to desk 1": (None, GO),
    "Thought: I look there.\nAction: Go to desk 1.": ("I look there.", GO),
    "**THOUGHT:** I look there.\n**ACTION:** `go to desk 1`": ("I look there.", GO),
    "### Thought\nI look there.\n### Action\n```\ngo to desk 1\n```": ("I look there.", GO),
    "THOUGHT: I look there. ACTION: go to desk 1": ("I look there.", GO),
    "THOUGHT: I look there.\r\nACTION: go to desk 1\r\n": ("I look there.", GO),
    "THOUGHT: a\nTHOUGHT: b\nACTION: go to desk 1": ("a\nb", GO),
    "THOUGHT: a\nACTION: go to desk 1\nOBSERVATION: On the desk 1\nACTION: take mug 1 from desk 1": ("a", GO),
    "THOUGHT: a\nACTION: go to desk 1\n\nLet me know if anything else is needed.": ("a", GO),
    'ACTION: "go to desk 1"': (None, GO),
    "ACTION: take_action(go to desk 1)": (None, GO),
    'ACTION: take_action("go to desk 1")': (None, GO),
    "I look there.\n\ngo to desk 1": ("I look there.", GO),
    "go to desk 1": (None, GO),
    "> go to desk 1": (None, GO),
    '{"thought": "I look there.", "action": "go to desk 1"}': ("I look there.", GO),
    '{"action": {"command": "go to desk 1"}}': (None, GO),
    '<tool_call>\n{"name": "take_action", "arguments": {"action": "go to desk 1"}}\n</tool_call>': (None, GO),
    "<think>\nhm\n</think>\n\nTHOUGHT: I look there.\nACTION: go to desk 1": ("hm\n\n\nI look there.", GO),
    "ACTION:\n\n   GO   TO desk 1": (None, GO),
    "ACTION: put mug 1 in/on desk 1": (None, "put mug 1 in/on desk 1"),
    "THOUGHT: done.\nACTION: finish": ("done.", "finish"),
}
NOT_READ = (
    "",
    "I cannot do that.",
    "THOUGHT: I wonder what to do.",
    "ACTION:",
    "ACTION: \nOBSERVATION: nothing",
    "{}",
    "[1, 2]",
    '{"action": 7}',
    "ACTION: " + "go to desk 1 " * 1000,
    "\x00",
    "{" * 5000,
    "🜁" * 3000,
)


@pytest.mark.parametrize("reply", READ)
def test_a_reply_is_read(reply: str) -> None:
    reading = DIALECT.read_text(reply)
    assert (reading.thought, [one.text for one in reading.actions]) == (READ[reply][0], [READ[reply][1]])


@pytest.mark.parametrize("reply", NOT_READ)
def test_what_holds_no_action_is_told(reply: str) -> None:
    reading = DIALECT.read_text(reply)
    assert not reading.actions and reading.problem


def completion(reply: str, **more: object) -> Completion:
    asked = CompletionRequest(
        purpose="collect_episodes", teacher="t", model="m", messages=(Message(role="user", content="?"),)
    )
    return receipt(asked, reply).model_copy(update=more)


def test_a_command_that_was_cut_is_not_run() -> None:
    whole = "THOUGHT: a\nACTION: go to cab"
    assert DIALECT.read(completion(whole)).actions == (Action("act", "go to cab"),)
    assert DIALECT.read(completion(whole, finish_reason="length")).actions == ()
    later = completion(f"{whole}inet 1\nOBSERVATION: The cab", finish_reason="length")
    assert DIALECT.read(later).actions == (Action("act", "go to cabinet 1"),)


def test_a_native_call_counts_where_the_text_has_no_action() -> None:
    call = ToolCall(call_id="1", name="take_action", arguments='{"action": "look"}')
    for arguments, read in (
        ('{"action": "look"}', ["look"]),
        ('{"action": [1]}', []),
        ('"look"', ["look"]),
        ("{", ["{"]),
    ):
        told = completion("Hm.", tool_calls=(call.model_copy(update={"arguments": arguments}),))
        assert [one.text for one in DIALECT.read(told).actions] == read


def test_rows_leave_the_example_out_and_requests_show_that_of_the_kind(task: object) -> None:
    spec: TaskSpec = task()  # type: ignore[operator]
    asked = DIALECT.render(spec, (), "You see a desk 1.")
    assert asked[2].content.startswith("Here is one example.") and "put a pen in drawer." in asked[2].content
    assert asked[-1].content == "Here is your task. You see a desk 1."
    heat = DIALECT.render(spec.model_copy(update={"family": "pick_heat_then_place"}), (), "x")
    assert "ACTION: heat " in "\n".join(message.content for message in heat)
    assert [message.role for message in asked] == ["user", "assistant"] * (len(asked) // 2) + ["user"]
