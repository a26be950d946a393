"""Sessions of coding agents: a file of events is one row, calls and results linked, what is lost told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.registry import importers
from schemas.foreign_row import ForeignRow
from schemas.rejection import Rejection

CLAUDE: list[dict[str, Any]] = [
    {"type": "summary", "summary": "Counting"},
    {"type": "user", "sessionId": "s1", "message": {"role": "user", "content": "How many files?"}},
    {
        "type": "assistant",
        "sessionId": "s1",
        "message": {
            "role": "assistant",
            "model": "m",
            "usage": {"input_tokens": 3},
            "content": [
                {"type": "thinking", "thinking": "Count them."},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
    },
    {
        "type": "user",
        "sessionId": "s1",
        "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a b"}]},
    },
    {"type": "assistant", "isSidechain": True, "message": {"role": "assistant", "content": "Sub-agent."}},
    {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "Two."}]}},
]
CODEX: list[dict[str, Any]] = [
    {"type": "session_meta", "payload": {"id": "s1", "cwd": "/tmp"}},
    {"type": "turn_context", "payload": {"model": "m"}},
    {"type": "event_msg", "payload": {"type": "user_message", "message": "How many files?"}},
    {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How many files?"}]},
    },
    {
        "type": "response_item",
        "payload": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Count them."}]},
    },
    {
        "type": "response_item",
        "payload": {"type": "function_call", "name": "Bash", "arguments": '{"command":"ls"}', "call_id": "t1"},
    },
    {"type": "response_item", "payload": {"type": "function_call_output", "call_id": "t1", "output": "a b"}},
    {"type": "response_item", "payload": {"type": "web_search_call", "status": "done"}},
    {
        "type": "response_item",
        "payload": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Two."}]},
    },
]
PI: list[dict[str, Any]] = [
    {"type": "session", "harness": "pi", "id": "s1"},
    {"type": "message", "message": {"role": "user", "content": "How many files?"}},
    {
        "type": "message",
        "message": {
            "role": "assistant",
            "model": "m",
            "content": [
                {"type": "thinking", "thinking": "Count them."},
                {"type": "toolCall", "id": "t1", "name": "Bash", "arguments": {"command": "ls"}},
            ],
        },
    },
    {
        "type": "message",
        "message": {"role": "toolResult", "toolCallId": "t1", "content": [{"type": "text", "text": "a b"}]},
    },
    {"type": "message", "message": {"role": "assistant", "content": "Two."}},
]
VIEWER: list[dict[str, Any]] = [
    {"type": "session", "harness": "pi", "id": "s1", "model": "m"},
    {"type": "message", "message": {"role": "user", "content": "How many files?"}},
    {
        "type": "message",
        "message": {
            "role": "assistant",
            "content": "",
            "toolCalls": [{"id": "t1", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}}],
        },
    },
    {"type": "message", "message": {"role": "tool", "toolCallId": "t1", "content": "a b"}},
    {"type": "message", "message": {"role": "assistant", "content": "Two."}},
]


def read(path: Path, text: str) -> list[ForeignRow | Rejection]:
    path.write_text(text)
    return list(importers(installed=False)["traces"].rows([path], {"license": "MIT"}))


def lines(events: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.mark.parametrize(
    ("harness", "events", "lost"),
    [
        ("claude_code", CLAUDE, {"events of type summary", "events of sub-agents"}),
        ("codex", CODEX, {"response_item web_search_call"}),
        ("pi", PI, set()),
        ("pi", VIEWER, set()),
    ],
    ids=["claude code", "codex", "pi", "the hub's viewer"],
)
def test_a_file_is_one_session(tmp_path: Path, harness: str, events: list[dict[str, Any]], lost: set[str]) -> None:
    (made,) = read(tmp_path / "session.jsonl", lines(events))
    assert isinstance(made, ForeignRow), made
    spoken = [(m.role, m.content) for m in made.messages if m.content]
    assert [one for one in spoken if one != ("assistant", "I look.")] == [
        ("user", "How many files?"),
        ("tool", "a b"),
        ("assistant", "Two."),
    ]
    calls = [(c.call_id, c.name, c.arguments) for m in made.messages for c in m.tool_calls]
    assert calls == [("t1", "Bash", '{"command":"ls"}')]
    assert [m.tool_call_id for m in made.messages if m.role == "tool"] == ["t1"]
    assert (made.agent, made.source_id, made.license) == (harness, "s1", "MIT")
    assert lost <= {loss.what for loss in made.losses}
    assert [json.loads(line) for line in made.raw.splitlines()] == events


def test_a_line_that_cannot_be_read_costs_itself(tmp_path: Path) -> None:
    text = lines(CLAUDE[:4]) + "{broken\n" + lines(CLAUDE[5:])
    bad, made = read(tmp_path / "session.jsonl", text)
    assert isinstance(bad, Rejection) and (bad.reason, bad.source) == ("not_json", "session.jsonl:5")
    assert isinstance(made, ForeignRow) and made.messages[-1].content == "Two."


def test_a_session_without_a_turn_is_told(tmp_path: Path) -> None:
    (bad,) = read(tmp_path / "session.jsonl", lines(CODEX[:2]))
    assert isinstance(bad, Rejection) and bad.reason == "no_turns"


def test_a_row_of_traces_without_messages_is_read_from_its_events(tmp_path: Path) -> None:
    row = {"harness": "claude_code", "session_id": "s9", "messages": None, "trace": CLAUDE[1:4] + CLAUDE[5:]}
    (made,) = read(tmp_path / "rows.jsonl", json.dumps(row))
    assert isinstance(made, ForeignRow) and (made.source_id, made.agent, len(made.messages)) == ("s9", "claude_code", 4)


def said(role: str, content: object, **more: object) -> dict[str, Any]:
    """One line of Claude Code."""
    named = {"message": {"role": role, "content": content, **({"id": more.pop("id")} if "id" in more else {})}}
    return {"type": role, "sessionId": "s1", **named, **more}


THOUGHT = {"type": "thinking", "thinking": "Count them.", "signature": "x"}
WORDS = {"type": "text", "text": "I look."}
CALLED = [{"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {}} for n in range(2)]
GIVEN = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": "a b"} for n in range(2)]


def session(path: Path, *events: dict[str, Any]) -> ForeignRow:
    (made,) = read(path / "session.jsonl", lines([*events]))
    assert isinstance(made, ForeignRow), made
    return made


def test_lines_of_one_message_are_one_message(tmp_path: Path) -> None:
    parts = (THOUGHT, WORDS, WORDS, CALLED[0])
    made = session(
        tmp_path,
        said("user", "How many files?"),
        *(said("assistant", [part], id="m1") for part in parts),
        said("user", [GIVEN[0]]),
        said("assistant", [CALLED[1]], id="m1"),
        said("user", [GIVEN[1]]),
        said("assistant", "Two.", id="m2"),
    )
    assert [(m.role, m.content) for m in made.messages] == [
        ("user", "How many files?"),
        ("assistant", "I look."),
        ("tool", "a b"),
        ("tool", "a b"),
        ("assistant", "Two."),
    ]
    reply = made.messages[1]
    assert (reply.reasoning_content, [call.call_id for call in reply.tool_calls]) == ("Count them.", ["t0", "t1"])
    assert made.n_trained == 2


def test_items_of_one_turn_of_codex_are_one_message(tmp_path: Path) -> None:
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]}
    made = session(tmp_path, *CODEX[:5], {"type": "response_item", "payload": text}, *CODEX[5:])
    assert [m.role for m in made.messages] == ["user", "assistant", "tool", "assistant"]
    reply = made.messages[1]
    assert (reply.content, reply.reasoning_content, len(reply.tool_calls)) == ("I look.", "Count them.", 1)
    assert made.n_trained == 2


OWN: dict[str, dict[str, Any]] = {
    "isMeta": said("user", "Base directory for this skill", isMeta=True),
    "a summary": said("user", "So far:", isCompactSummary=True),
    "a command": said("user", "<command-name>/cost</command-name>\n<command-args></command-args>"),
    "its output": said("user", "<local-command-stdout>3 $</local-command-stdout>"),
    "an interruption": said("user", [{"type": "text", "text": "[Request interrupted by user]"}]),
    "an error": said("assistant", "API Error", isApiErrorMessage=True),
    "no model": {"type": "assistant", "message": {"role": "assistant", "model": "<synthetic>", "content": "None."}},
    "codex": {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": "<environment_context>x</environment_context>"},
    },
}


@pytest.mark.parametrize("own", OWN)
def test_a_harness_s_own_words_are_no_turn_and_counted(tmp_path: Path, own: str) -> None:
    made = session(tmp_path, said("user", "Why?"), said("assistant", "So."), OWN[own], said("user", "And?"))
    assert [m.content for m in made.messages] == ["Why?", "So.", "And?"]
    assert sum(loss.count for loss in made.losses if loss.what.startswith("the harness's own words")) == 1


def test_a_reminder_beside_a_person_s_words_is_left_out_and_words_around_a_tag_stay(tmp_path: Path) -> None:
    reminder = {"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"}
    mine = "<command-name>x</command-name> is what?"
    made = session(tmp_path, said("user", [{"type": "text", "text": mine}, reminder]), said("assistant", "So."))
    assert made.messages[0].content == mine


def test_a_reply_to_a_harness_alone_is_not_trained_on(tmp_path: Path) -> None:
    asked = [said("user", "Why?"), said("assistant", [CALLED[0]]), said("user", [GIVEN[0]])]
    alone = [OWN["isMeta"], said("assistant", [CALLED[1]]), said("user", [GIVEN[1]]), said("assistant", "Done.")]
    made = session(
        tmp_path,
        *asked,
        OWN["isMeta"],
        said("assistant", "So."),
        *alone,
        said("user", "And?"),
        said("assistant", "No."),
    )
    trained = [m.train for m in made.messages if m.role == "assistant"]
    assert trained == [True, True, False, False, True]
    assert any("not trained on" in loss.what for loss in made.losses)


def test_keys_of_events_are_counted_by_path(tmp_path: Path) -> None:
    event = said("assistant", [THOUGHT, WORDS], cwd="/", toolUseResult={"file": {"a": {"b": 1}}, "ok": True})
    event["message"]["usage"] = {"input_tokens": 3, "cache": {"a": 1, "b": 2}}
    made = session(tmp_path, said("user", "Why?", version="2"), event)
    assert {(loss.what, loss.count) for loss in made.losses} == {
        ("events[].cwd", 1),
        ("events[].message.usage.cache", 1),
        ("events[].message.usage.input_tokens", 1),
        ("events[].toolUseResult.file", 1),
        ("events[].toolUseResult.ok", 1),
        ("events[].version", 1),
        ("thinking.signature", 1),
    }
