"""Foreign sets: files of other people's trajectories, read row by row; what has no place here is told.

A format says what one value means (`RowTold`) and takes out of it what it knows; every other key that holds anything is
a loss, by its path. So a reader cannot forget a field in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from formats.json_values import UNREADABLE_VALUE, Unread, Value, read_values
from formats.releases.spoken import arguments_of
from schemas.foreign_row import ForeignRow, LeftOver
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Rejection

UNREADABLE_SET: Mapping[str, str] = {
    **UNREADABLE_VALUE,
    "not_an_object": "is a number, a list, null",
    "no_turns": "has no list of turns, or an empty one: a task without an attempt, say",
    "malformed_turn": "has a turn that is no object, or whose content is no text",
    "unread_part": "has something an agent said or did in a form that is not read, such as a picture among its words",
    "unknown_role": "has a turn of a role or class that the format does not have",
    "unknown_version": "is of a version of the format that is not read",
    "nothing_done": "holds no word and no call of an agent",
}
"""Reasons for which a row of a foreign set is turned away."""
NO_ROWS = ("export.json",)
"""Files of a folder of ours that say something about the rows, and hold none."""
BROKEN = "calls[].arguments (no JSON object; kept as they stand)"
"""The loss of a call whose arguments were cut off, say: what was called with them nobody can tell."""
MOST_LOSSES = 100
"""Different losses of a row that are told one by one; keys are somebody else's words, and may be as many as words."""
_OTHERS = "other keys"


class NoTrajectory(Exception):
    """A value is no trajectory of its format."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """One of `UNREADABLE_SET`."""


class RowTold(NamedTuple):
    """What a row says."""

    messages: tuple[Message, ...]
    tools: str | None = None
    """JSON text."""
    row_id: str | None = None
    environment: str | None = None
    model: str | None = None
    agent: str | None = None
    license: str | None = None
    success: bool | None = None
    reward: float | None = None


class LeftOvers:
    """Counts what of a row could not be represented."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._parts: list[str] = []

    def add(self, what: str, count: int = 1, part: Any = None) -> None:
        """Count something that has no place; rows that differ in a `part` of what was said are two."""
        if part is not None:
            self._parts.append(digest(part))
        known = what in self._counts or len(self._counts) < MOST_LOSSES
        self._counts[what if known else _OTHERS] += count

    def rest(self, value: Mapping[str, Any], known: Collection[str], place: str = "") -> None:
        """Count every key of an object that is not `known` and holds something."""
        for key, held in value.items():
            if key not in known and held not in (None, "", [], {}):
                self.add(f"{place}{key}")

    @property
    def parts(self) -> str | None:
        """A digest of the parts of what was said that were lost; None = there are none."""
        return digest(*self._parts) if self._parts else None

    def told(self) -> tuple[LeftOver, ...]:
        """Return them, sorted."""
        return tuple(LeftOver(what=what, count=count) for what, count in sorted(self._counts.items()))


Read = Callable[[Any, LeftOvers], RowTold]


class SetOf(NamedTuple):
    """What all rows of an import have in common."""

    format: str
    name: str
    """Of the set."""
    license: str


def read_set(paths: Iterable[Path], common: SetOf, read: Read) -> Iterator[ForeignRow | Rejection]:
    """Yield every row of some files of JSON values, `read` one by one.

    Raises:
        InputError: a file cannot be read at all.
    """
    for path in paths:
        if path.name not in NO_ROWS:
            for row in read_values(path):
                yield make_row(path.name, row, common, read)


def make_row(file: str, row: Value | Unread, common: SetOf, read: Read) -> ForeignRow | Rejection:
    """Read one value as a row of the set, or say why it is none."""
    if isinstance(row, Unread):
        return row.reject(file, "import")
    losses = LeftOvers()
    try:
        if not isinstance(row.value, dict):
            raise NoTrajectory("not_an_object", f"a {type(row.value).__name__}")
        told = read(row.value, losses)
        if not any(_is_done(message) for message in told.messages):
            raise NoTrajectory("nothing_done", f"{len(told.messages)} messages, none of which an agent said")
        calls = [call for message in told.messages for call in message.tool_calls]
        if broken := sum(arguments_of(call) is None for call in calls):
            losses.add(BROKEN, broken)
    except NoTrajectory as error:
        source = f"{file}:{row.line}"
        return Rejection.make(stage="import", reason=error.reason, detail=str(error), source=source, raw=row.raw)
    return ForeignRow.make(
        raw=row.raw,
        messages=told.messages,
        set=common.name,
        format=common.format,
        environment=told.environment,
        tools=told.tools,
        model=told.model,
        agent=told.agent,
        claimed_success=told.success,
        claimed_reward=told.reward,
        license=told.license or common.license,
        losses=losses.told(),
        unread_parts=losses.parts,
        source_id=told.row_id,
        source_file=file,
        source_line=row.line,
    )


def _is_done(message: Message) -> bool:
    said = message.content.strip() or message.tool_calls or message.reasoning_content
    return message.role == "assistant" and bool(said)
