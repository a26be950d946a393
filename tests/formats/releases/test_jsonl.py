"""The exports that write JSON lines: what stands in a line, and what is left out for which reason."""

from __future__ import annotations

import json
from pathlib import Path

from formats.catalogue import find_exporters
from formats.releases import messages, sharegpt
from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow, read_release
from schemas.message import Message, ToolCall

PLAIN = (
    Message(role="user", content="Example"),
    Message(role="assistant", content="Ok."),
    Message(role="user", content="Wie groß?"),
    Message(role="assistant", content="2 m", train=True),
)
CALLS = (
    Message(role="assistant", content="", train=True, tool_calls=(ToolCall(call_id="1", name="ls", arguments="{}"),)),
    Message(role="tool", content="a", tool_call_id="1"),
)
THINKS = (Message(role="assistant", content="2 m", train=True, reasoning_content="A palm."),)


def row(*said: Message) -> ReleaseRow:
    return ReleaseRow("a", "agent", "os", "own", "MIT", said)


def test_messages_keep_content_and_flag_whatever_they_are_and_the_rest_where_it_is_said() -> None:
    made = messages.render_row(row(*CALLS))
    assert {key: made[key] for key in ("id", "source", "environment", "origin", "license")} == {
        "id": "a",
        "source": "agent",
        "environment": "os",
        "origin": "own",
        "license": "MIT",
    }
    calls, gave = made["messages"]
    call = {"id": "1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
    assert calls == {"role": "assistant", "content": "", "train": True, "tool_calls": [call]}
    assert gave == {"role": "tool", "content": "a", "train": False, "tool_call_id": "1"}


def test_a_line_of_messages_names_its_tools_where_it_has_any() -> None:
    assert "tools" not in messages.render_row(row(*PLAIN))
    assert messages.render_row(row(*CALLS)._replace(tools="[]"))["tools"] == "[]"


def test_sharegpt_says_the_loss_of_every_reply() -> None:
    assert sharegpt.render_row(row(*PLAIN)) == {
        "id": "a",
        "conversations": [
            {"from": "human", "value": "Example", "loss": None},
            {"from": "gpt", "value": "Ok.", "loss": False},
            {"from": "human", "value": "Wie groß?", "loss": None},
            {"from": "gpt", "value": "2 m", "loss": True},
        ],
    }


def test_sharegpt_leaves_out_what_it_has_no_place_for_and_says_why() -> None:
    assert [sharegpt.render_row(row(*said)) for said in (CALLS, THINKS)] == ["tool_calls", "reasoning"]
    assert sharegpt.REASONS.keys() == {"tool_calls", "reasoning"}


def test_a_release_is_written_line_by_line_in_its_order(tmp_path: Path) -> None:
    rows = [row(*PLAIN)._replace(id=id_) for id_ in "cab"]
    write_shard(tmp_path / "data/messages/train.parquet", "messages", rows)
    (tmp_path / "manifest.json").write_text("{}")
    for name in ("messages", "sharegpt"):
        write, folder = find_exporters()[name].write, tmp_path / name
        folder.mkdir()
        assert write is not None
        assert write(read_release(tmp_path), folder, {})[:2] == (3, {})
        lines = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line["id"] for line in lines] == ["c", "a", "b"]
