"""Agent-FLAN's rows (internlm/Agent-FLAN on the hub): `{"id", "conversation": [{"role", "content", "loss"}]}`.

Roles are system, user and assistant; `loss` stands on replies alone, null elsewhere, since a key that some turns lack
breaks loaders (its own splits do). There are no calls: as in ReAct text, they are words.
"""

from __future__ import annotations

from typing import Any

from formats.catalogue import Exporter
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
    turns = [
        {"role": said.role, "content": said.content, "loss": said.train if said.role == "assistant" else None}
        for said in row.messages
    ]
    return {"id": row.id, "conversation": turns}


EXPORTER = Exporter(
    name="agent-flan",
    summary="JSON lines in Agent-FLAN's form: conversation with role, content, and the loss flag on each reply",
    write=lambda release, folder, given: write_jsonl(release, folder, render_row),
    reasons=REASONS,
)
