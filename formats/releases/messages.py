"""`messages` as JSON lines: every row of a release as it stands, each message with its `train` flag."""

from __future__ import annotations

from typing import Any

from formats.catalogue import Exporter
from formats.chats.tool_calls import write_call
from formats.releases.jsonl import write_jsonl
from formats.releases.release_folder import ABOUT, ReleaseRow
from schemas.message import Message


def render_row(row: ReleaseRow) -> dict[str, Any]:
    """Render a row with everything that it holds."""
    made = {**row._asdict(), "messages": [_render(message) for message in row.messages]}
    del made["split"]  # the file says it
    return {key: value for key, value in made.items() if value is not None or key not in ABOUT}


def _render(message: Message) -> dict[str, Any]:
    """Leave out what is empty, but never the content or the flag."""
    calls = [write_call(call) for call in message.tool_calls]
    held = message.model_dump(mode="json") | {"tool_calls": calls}
    return {key: value for key, value in held.items() if value or key in ("content", "train")}


EXPORTER = Exporter(
    name="messages",
    summary="JSON lines with messages (role, content, train; calls and reasoning) and where each row comes from",
    write=lambda release, folder, given: write_jsonl(release, folder, render_row),
)
