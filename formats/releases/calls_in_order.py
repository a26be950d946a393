"""Conversations with each call's results beside it, for formats that hold an action and what it gave together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from formats.catalogue import Exported
from formats.releases.jsonl import Line, write_lines
from formats.releases.release_folder import ReleaseFolder, ReleaseRow
from schemas.message import Message

NO_ROW_AS_CALLS = "is an agent row that is not there as native calls (the release's card says why)"


class Exchange(NamedTuple):
    """One message, and what its calls gave."""

    message: Message
    ids: tuple[str, ...] = ()
    """Of its calls, in their order, each once in the conversation: models repeat theirs."""
    results: tuple[tuple[str, str], ...] = ()
    """Id and text."""
    strays: bool = False
    """Whether a result follows that answers none of its calls."""


def read_as_calls(messages: Sequence[Message]) -> Iterator[Exchange]:
    """Yield every message but results, these beside the message that called; a result without a name takes its turn."""
    numbered = 0
    told: Exchange | None = None
    waiting: list[tuple[str, str]] = []
    for message in messages:
        if message.role == "tool":
            at = next((n for n, (own, _) in enumerate(waiting) if message.tool_call_id in (None, own)), None)
            if told is None or at is None:
                told = (told or Exchange(message))._replace(strays=True)
                continue
            told = told._replace(results=(*told.results, (waiting.pop(at)[1], message.content)))
            continue
        if told is not None:
            yield told
        ids = tuple(f"call_{numbered + n}" for n in range(1, len(message.tool_calls) + 1))
        numbered += len(ids)
        waiting = [(call.call_id, id_) for call, id_ in zip(message.tool_calls, ids, strict=True)]
        told = Exchange(message, ids)
    if told is not None:
        yield told


def write_documents(release: ReleaseFolder, folder: Path, render: Callable[[ReleaseRow], Line]) -> Exported:
    """Write `<split>.jsonl`, a document a line; agent rows as native calls, the others as they are.

    Rows that are not there as calls are left out as `no_calls`; a release of before has those that were made of calls.
    """

    def lines_of(split: str) -> Iterator[Line]:
        as_calls = {row.id for row in release.rows(split, "tool_calls")}
        yield from map(render, release.rows(split, "tool_calls"))
        for row in release.rows(split):
            if not as_calls and (row.environment is None or row.has_calls):
                yield render(row)
            elif row.id not in as_calls:
                yield "no_calls"

    return write_lines(release, folder, lines_of)
