"""Secrets and personal data in rows of the tables: placeholders when they are curated, and once more for older rows."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from formats.releases.release_folder import ReleaseRow
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.trajectory import Trajectory
from tasks.privacy.placeholders import LOOKED_BY, Unhideable, find_private, hide_messages
from warehouse.warehouse import Versions, Warehouse

_AT_ONCE = 500
WITHHELD = "[WITHHELD]"
"""What stands for a message of an older row in which no placeholder fits."""
_TABLES = {"trajectories": "trajectory_id", "conversations": "conversation_id"}


def hide_rows(rows: Sequence[Trajectory], personal: str) -> list[Trajectory] | Refusal:
    """Return an episode's rows with placeholders, or why none of them is kept."""
    hidden = []
    for row in rows:
        try:
            told = hide_messages(row.messages)
        except Unhideable as error:
            return Refusal("personal_data", str(error))
        if told.kinds and personal == "reject":
            return Refusal("personal_data", f"it holds {', '.join(told.kinds)}")
        update = {"messages": told.messages, "hidden": told.kinds, "looked_at": LOOKED_BY}
        hidden.append(row.model_copy(update=update))
    return hidden


def hide_older(row: ReleaseRow, looked_at: str | None) -> tuple[ReleaseRow, bool]:
    """Return a row of a release that nothing looked at when it came in, with placeholders, and whether it needed any.

    A message in which no placeholder fits is withheld: the row stands in a mixture that was chosen already.
    """
    if looked_at is not None:
        return row, False
    messages, was_hidden = hide_or_withhold(row.messages)
    return row._replace(messages=messages), was_hidden


def hide_or_withhold(messages: Sequence[Message]) -> tuple[tuple[Message, ...], bool]:
    """Return messages with placeholders, those in which none fits withheld, and whether any was needed."""
    try:
        told = hide_messages(messages)
    except Unhideable:
        return tuple(_withhold(message) for message in messages), True
    return told.messages, bool(told.kinds)


def _withhold(message: Message) -> Message:
    texts = (message.content, message.reasoning_content or "", *(call.arguments for call in message.tool_calls))
    if not any(find_private(unquote(text)) for text in texts):
        return message
    return message.model_copy(update={"content": WITHHELD, "reasoning_content": None, "tool_calls": ()})


def find_private_rows(warehouse: Warehouse, table: str, versions: Versions) -> set[str]:
    """Return the rows of a table that hold secrets or personal data, or placeholders for them: those to leave out."""
    key = _TABLES[table]
    sql = f"SELECT {key} FROM {table} WHERE len(coalesce(hidden, []::VARCHAR[])) > 0"
    found = {row[0] for row in warehouse.query(sql, versions=versions)}
    older = [row[0] for row in warehouse.query(f"SELECT {key} FROM {table} WHERE looked_at IS NULL", versions=versions)]
    for start in range(0, len(older), _AT_ONCE):
        some = older[start : start + _AT_ONCE]
        for row in warehouse.read(table, f"list_contains(?::VARCHAR[], {key})", (some,), versions=versions):
            if any(find_private(message.content) for message in row.messages):
                found.add(getattr(row, key))
    return found
