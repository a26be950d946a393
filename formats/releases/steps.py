"""Steps: of every trained turn of a passed episode a row, what stood before it and the turn itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from formats.catalogue import Exported, Exporter, Given
from formats.releases.fold import fold_context
from formats.releases.jsonl import write_lines
from formats.releases.release_folder import ReleaseFolder, ReleaseRow
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spoken, tools_of

REASONS = {
    "general_chat": "is general chat: it has no steps",
    "unproven": "is of a foreign set: nothing has judged it, so no episode of it passed",
    BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object",
}


def write_steps(release: ReleaseFolder, folder: Path, given: Given) -> Exported:
    """Write `<split>.jsonl`, a line a turn; what is left out is counted by row."""
    return write_lines(release, folder, lambda split: (made for row in release.rows(split) for made in cut_steps(row)))


def cut_steps(row: ReleaseRow) -> Iterator[dict[str, Any] | str]:
    """Yield a row's steps, or why it has none."""
    if row.is_chat or row.is_unproven:
        yield "general_chat" if row.is_chat else "unproven"
        return
    if has_broken_calls(row.messages):
        yield BROKEN_ARGUMENTS
        return
    messages = fold_context(row.messages)
    trained = [at for at, message in enumerate(messages) if message.train]
    for number, at in enumerate(trained):
        yield {
            "prompt": spoken(messages[:at]),
            "completion": spoken(messages[at : at + 1]),
            **tools_of(row.tools),
            "id": f"{row.id}/{number}",
            "row": row.id,
            "step": number,
            "steps": len(trained),
            "task_id": row.task_id,
            "environment": row.environment,
            "model": row.model,
            "reward": row.reward,
        }


EXPORTER = Exporter(
    name="steps",
    summary="a row a step of the passed episodes: prompt up to a turn, and that turn as completion",
    write=write_steps,
    reasons=REASONS,
)
