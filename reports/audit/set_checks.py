"""Checks across rows: ids, copies, beginnings that many tasks share, provenance. Kept of a row are digests alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice

from reports.audit.defects import AuditedRow, DefectFound
from schemas.message import Message
from schemas.record import digest

LONGEST = 16
"""Turns of a beginning that are looked at."""
SHARED_BY, SHARED_SHARE = 3, 0.01
"""Tasks, and share of the rows, that begin alike for the beginning to be one that is repeated."""


class SetChecks:
    """Is shown every row, and then says which of them are not alone."""

    def __init__(self) -> None:
        self._rows = 0
        self._unnamed = 0
        self._ids: dict[str, str] = {}
        self._contents: dict[str, str] = {}
        self._tasks_of: dict[str, set[str]] = defaultdict(set)
        """Digest of a beginning -> tasks that begin so, as many as matter."""
        self._beginnings: list[tuple[str, tuple[tuple[str, int], ...]]] = []

    def look_at(self, row: AuditedRow) -> Iterator[DefectFound]:
        """Look at a row; yield what can be said of it at once."""
        self._rows += 1
        self._unnamed += not row.model and row.license in (None, "unknown")
        content = digest([_said(message) for message in row.messages], row.unread_parts)
        if row.row_id is not None and (first := self._ids.setdefault(row.row_id, row.place)) != row.place:
            yield DefectFound("repeated_id", row.place, f"the id {row.row_id!r} is that of {first}")
        if (first := self._contents.setdefault(content, row.place)) != row.place:
            yield DefectFound("duplicate", row.place, f"the same turns as {first}")
            return
        beginnings = tuple(_beginnings(row.messages))
        for beginning, _ in beginnings:
            self._tasks_of[beginning].add(row.task or content)
        if beginnings:
            self._beginnings.append((row.place, beginnings))

    def findings(self) -> Iterator[DefectFound]:
        """Yield what can be said once all rows are read."""
        least = max(SHARED_BY, SHARED_SHARE * self._rows)
        shared = Counter({one: len(tasks) for one, tasks in self._tasks_of.items() if len(tasks) >= least})
        for place, beginnings in self._beginnings:
            longest = max(((turns, shared[one]) for one, turns in beginnings if one in shared), default=None)
            if longest:
                detail = f"its first {longest[0]} turns begin {longest[1]} tasks, and are trained on in each"
                yield DefectFound("repeated_prefix", place, detail)
        if self._rows and self._unnamed == self._rows:
            detail = f"none of {self._rows} rows says which model acted, or under which licence it is"
            yield DefectFound("no_provenance", "the set", detail)


def _said(message: Message) -> tuple[object, ...]:
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    return message.role, message.content.strip(), calls, message.reasoning_content


def _beginnings(messages: tuple[Message, ...]) -> Iterator[tuple[str, int]]:
    """Yield a digest of each beginning that ends with a trained turn and is not the whole, with its turns."""
    sofar = ""
    for turns, message in enumerate(islice(messages[:-1], LONGEST), 1):
        sofar = digest(sofar, _said(message))
        if message.role == "assistant" and message.train:
            yield sofar, turns
