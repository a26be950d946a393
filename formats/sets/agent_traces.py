"""Traces of coding agents: rows of `datasets`' agent traces (`harness`, `session_id`, `messages`, `tools`, `metadata`),
and the files that Claude Code, Codex and Pi write, of which each is one session.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from formats.catalogue import LICENSE, Given, Importer
from formats.chats.masks import NAMES
from formats.json_values import Unread, Value, read_values
from formats.sets.chat_rows import ABOUT, told_of
from formats.sets.declare import NAME, common_of
from formats.sets.reading import NO_ROWS, UNREADABLE_SET, LeftOvers, RowTold, SetOf, make_row
from formats.sets.sessions import is_event, read_session
from formats.sets.turns import object_of, text_or_none
from schemas.bounded_reading import MAX_VALUE_BYTES
from schemas.foreign_row import ForeignRow
from schemas.rejection import Rejection

READING = 2
"""2 = lines of one message are one, a harness's own words are none, keys of events are counted."""
_COUNTED = ("prompt", "num_user_messages", "num_tool_calls", "trace")
"""Columns that say again what the messages say."""
_ROW = ("messages", "system", "tools", "harness", "session_id", "metadata", *_COUNTED, *NAMES, *ABOUT)


def read_trace(value: Mapping[str, Any], losses: LeftOvers) -> RowTold:
    """Read a row of agent traces; where it has no messages but the events themselves, these.

    Raises:
        NoTrajectory: it is none.
    """
    metadata = object_of(value.get("metadata"))
    losses.rest(value, _ROW)
    losses.rest(metadata, ("model", "session_id", "trace_type"), "metadata.")
    events = value.get("trace")
    if not value.get("messages") and isinstance(events, list):
        told = read_session([event for event in events if isinstance(event, dict)], losses)
    else:
        told = told_of(value, losses)
    return told._replace(
        row_id=text_or_none(value.get("session_id")) or told.row_id,
        agent=text_or_none(value.get("harness")) or told.agent,
        model=text_or_none(metadata.get("model")) or told.model,
    )


def read_files(paths: Iterable[Path], given: Given) -> Iterator[ForeignRow | Rejection]:
    """Yield every row of some files, and every file that is a session as one row.

    Raises:
        InputError: a file cannot be read at all.
    """
    common = common_of("traces", given)
    for path in paths:
        if path.name in NO_ROWS:
            continue
        values = read_values(path)
        first = next(values, None)
        if isinstance(first, Value) and is_event(first.value):
            yield from _session(path.name, itertools.chain([first], values), common)
        elif first is not None:
            for row in itertools.chain([first], values):
                yield make_row(path.name, row, common, read_trace)


def _session(file: str, values: Iterable[Value | Unread], common: SetOf) -> Iterator[ForeignRow | Rejection]:
    """Yield the lines that cannot be read, and then the session that the others are."""
    events: list[Value] = []
    size = 0
    for value in values:
        size += len(value.raw)
        if size > MAX_VALUE_BYTES:
            told = f"a session of more than {MAX_VALUE_BYTES:,} bytes, the most that is read"
            yield Unread(1, events[0].raw, "out_of_bounds", told).reject(file, "import")
            return
        if isinstance(value, Unread):
            yield value.reject(file, "import")
        elif isinstance(value.value, dict):
            events.append(value)
    raw = b"\n".join(event.raw for event in events)
    whole = Value(events[0].line, raw, {"events": [event.value for event in events]})
    yield make_row(file, whole, common, lambda value, losses: read_session(value["events"], losses))


IMPORTER = Importer(
    name="traces",
    kind="sets",
    summary="agent traces of `datasets`, and sessions of Claude Code, Codex and Pi, a file each",
    page="foreign-sets.md",
    options=(NAME, LICENSE),
    read=read_files,
    reasons=UNREADABLE_SET,
    contract=READING,
)
