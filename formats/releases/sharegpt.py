"""ShareGPT as JSON lines, in the form of AgentInstruct: `{"id", "conversations": [{"from", "value", "loss"}]}`."""

from __future__ import annotations

from typing import Any

from formats.catalogue import Exporter
from formats.chats.agentinstruct import write_messages
from formats.releases.jsonl import write_jsonl
from formats.releases.release_folder import ReleaseRow

REASONS = {
    "tool_calls": "calls tools, or holds what they gave: the form has no place for either",
    "reasoning": "keeps thoughts apart from the reply: the form has no place for them",
}


def render_row(row: ReleaseRow) -> dict[str, Any] | str:
    """Render a row, or say why it cannot be."""
    if any(message.role == "tool" or message.tool_calls for message in row.messages):
        return "tool_calls"
    if any(message.reasoning_content for message in row.messages):
        return "reasoning"
    return {"id": row.id, "conversations": write_messages(row.messages)}


EXPORTER = Exporter(
    name="sharegpt",
    summary="JSON lines in AgentInstruct's form: from, value, and the loss flag on each reply",
    write=lambda release, folder, given: write_jsonl(release, folder, render_row),
    reasons=REASONS,
)
