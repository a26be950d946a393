"""Column profiles: what a prompt says of a table's rows in a few lines, in place of the rows.

Bounded in tables, columns, rows that are read and characters, whatever the database holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from environments.db.engine import SqlDatabase
from environments.db.state import SqlValue

MOST_TABLES, MOST_COLUMNS = 10, 14
MOST_ROWS = 2000
"""Rows that are read of a table: what is said of more is said of these."""
_TOP = 4
"""Values that a column of few is described by."""
_FEW = 8
"""Different values up to which a column is one of categories."""
_MOST_CHARS = 32
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")


@dataclass(frozen=True)
class ColumnProfile:
    """One column."""

    name: str
    kind: str
    """Of its values: integer, real, text, blob, mixed, empty."""
    distinct: int
    missing: int
    values: str
    """Smallest and largest, or the most frequent, in words."""

    def __str__(self) -> str:
        missing = f", {self.missing} missing" if self.missing else ""
        return f"{self.name}: {self.kind}, {self.distinct} different{missing}{', ' if self.values else ''}{self.values}"


@dataclass(frozen=True)
class TableProfile:
    """One table."""

    name: str
    rows: str
    """How many there are, in words."""
    columns: tuple[ColumnProfile, ...]
    names: tuple[str, ...]
    """Of all its columns."""
    samples: tuple[tuple[SqlValue, ...], ...]
    """Rows that samples are drawn from: evenly over what was read."""


async def profile_tables(database: SqlDatabase) -> tuple[TableProfile, ...]:
    """Describe the first tables of a database.

    Raises:
        SandboxError: the engine broke.
    """
    profiles = []
    for name in database.tables[:MOST_TABLES]:
        found = await database.table(name, limit=MOST_ROWS + 1)
        if found.error is None:
            profiles.append(profile_table(name, found.columns, found.rows))
    return tuple(profiles)


def profile_table(name: str, columns: Sequence[str], rows: Sequence[tuple[SqlValue, ...]]) -> TableProfile:
    """Describe rows of a table; of more than `MOST_ROWS` the first."""
    read, more = rows[:MOST_ROWS], len(rows) > MOST_ROWS
    said = f"more than {MOST_ROWS} rows (of the first of them)" if more else f"{len(read)} row{'s' * (len(read) != 1)}"
    shown = zip(columns[:MOST_COLUMNS], zip(*read, strict=True) if read else ((),) * len(columns), strict=False)
    profiles = tuple(_profile(column, values) for column, values in shown)
    step = max(1, len(read) // 12)
    return TableProfile(name, said, profiles, tuple(columns), tuple(read[::step][:12]))


def _profile(name: str, values: Sequence[SqlValue]) -> ColumnProfile:
    there = [value for value in values if value is not None]
    counts: Counter[SqlValue] = Counter(there)
    kinds = sorted({_kind(value) for value in there})
    kind = kinds[0] if len(kinds) == 1 else "real" if kinds == ["integer", "real"] else "mixed" if kinds else "empty"
    return ColumnProfile(name, kind, len(counts), len(values) - len(there), _describe(kind, there, counts))


def _describe(kind: str, there: Sequence[SqlValue], counts: Counter[SqlValue]) -> str:
    if not there or kind in ("blob", "mixed"):
        return ""
    if len(counts) <= _FEW and len(counts) < len(there):
        top = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:_TOP]
        more = " ..." if len(counts) > _TOP else ""
        return "; ".join(f"{shown(value, _MOST_CHARS)} ({count})" for value, count in top) + more
    if kind in ("integer", "real") or all(_DATE.match(str(value)) for value in there):
        ordered = sorted(there, key=lambda value: str(value) if isinstance(value, str) else value)  # type: ignore[arg-type,return-value]
        return f"{shown(ordered[0], _MOST_CHARS)} to {shown(ordered[-1], _MOST_CHARS)}"
    ordered_text = sorted({str(value) for value in there})
    return "such as " + "; ".join(shown(value, _MOST_CHARS) for value in (ordered_text[0], ordered_text[-1]))


def _kind(value: SqlValue) -> str:
    kinds: dict[type, str] = {bool: "integer", int: "integer", float: "real", str: "text"}
    return kinds.get(type(value), "blob")


def shown(value: SqlValue, most: int = 60) -> str:
    """Word a value on one line, long ones cut."""
    text = "NULL" if value is None else " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 3] + "..."
