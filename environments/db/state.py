"""States of databases: an order-free digest of every table and of the schema, equal on every engine.

Rows are canonical (typed, numbers normalised), hashed, and the hashes sorted, so order does not count and duplicates
do (reference: sandbox experiments, section 5). AgentBench's own hash stands beside it, for its golden values only.
Standard library only: the jailed worker imports this module too.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted_text
from typing import Any

_ROWS_AT_ONCE = 1000
_MAX_MARKS = 256
"""Combining marks in a row that are still put in order: sorting them takes their number squared. Unicode's own
Stream-Safe Text Format stops at 30 (UAX #15, section 13)."""
SqlValue = str | int | float | bytes | Decimal | date | datetime | time | None


@dataclass(frozen=True)
class State:
    """What a database holds: digests of its data, definitions of its schema."""

    tables: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Table -> number of rows and digest of them."""
    objects: Mapping[str, str] = field(default_factory=dict)
    """`table t`, `index i`, `view v`, `trigger g` -> canonical definition."""

    @property
    def data_digest(self) -> str:
        return _sha256(self.tables)

    @property
    def schema_digest(self) -> str:
        return _sha256(self.objects)


def digest_rows(columns: Sequence[str], rows: Iterable[Sequence[SqlValue]]) -> tuple[int, str]:
    """Return the number of rows and their digest; neither the order of rows nor that of columns counts."""
    order = sorted(range(len(columns)), key=lambda position: columns[position])
    hashes: list[bytes] = []
    left = iter(rows)
    while some := list(islice(left, _ROWS_AT_ONCE)):
        hashes += [sha256(row).digest() for row in canonical_rows(some, order)]
    hashes.sort()
    head = json.dumps([columns[i] for i in order], ensure_ascii=False).encode("utf-8", "surrogatepass")
    return len(hashes), sha256(head + b"\n" + b"".join(hashes)).hexdigest()


def canonical_rows(rows: Sequence[Sequence[Any]], order: Sequence[int]) -> list[bytes]:
    """Write rows as JSON, values in `order`, so that equal values give equal bytes on every engine."""
    if not order:
        return [b"[]"] * len(rows)
    # Column by column: a call for each row, or each value, would cost as much as all the rest of a state.
    columns = list(zip(*rows, strict=True))
    return [f"[{cells}]".encode() for cells in map(", ".join, zip(*(_cells(columns[i]) for i in order), strict=True))]


def canonical_row(row: Sequence[Any]) -> bytes:
    """Write one row, in its own order."""
    return canonical_rows([row], range(len(row)))[0]


def _cells(values: Iterable[Any]) -> list[str]:
    return [
        f'"n{value}"'
        if (kind := type(value)) is int
        else quoted_text("t" + value)
        if kind is str and value.isascii()
        else f'"n{value + 0.0:.15g}"'  # + 0.0: no minus before a zero
        if kind is float
        else "null"
        if value is None
        else quoted_text(_canonical(value))
        for value in values
    ]


def _canonical(value: str | int | float | bytes | Decimal | date | datetime | time) -> str:
    if isinstance(value, str):
        return "t" + nfc(value)
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, (int, float, Decimal)):
        return "n" + _number(value)
    # SQLite has no dates but texts: `2020-01-31 10:00:00`, as the others print theirs.
    return "t" + (value.isoformat(" ") if isinstance(value, datetime) else value.isoformat())


def nfc(text: str) -> str:
    """Compose a text; one with more combining marks in a row than any language has stays as it is."""
    return unicodedata.normalize("NFC", text) if is_composable(text) else text


def is_composable(text: str) -> bool:
    """Whether its combining marks can be put in order in time that grows with its length."""
    return text.isascii() or len(text) <= _MAX_MARKS or _most_marks(text) <= _MAX_MARKS


def _most_marks(text: str) -> int:
    """Count the longest run of combining marks, looking at every `_MAX_MARKS`-th character first."""
    if not any(map(unicodedata.combining, text[::_MAX_MARKS])):
        return 0  # a longer run would hold one of these
    most = now = 0
    for character in text:
        now = now + 1 if unicodedata.combining(character) else 0
        most = max(most, now)
    return most


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value.is_finite() else str(value)
    # 15 significant digits: what every engine prints of a double without inventing any.
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"


def state_differences(expected: State, found: State) -> list[str]:
    """Say where two states differ, table by table, in name order; empty = equal."""
    said = []
    for name in sorted({*expected.tables, *found.tables}):
        want, have = expected.tables.get(name), found.tables.get(name)
        if want != have:
            said.append(_table_difference(name, want, have))
    changed = sorted(
        name for name in {*expected.objects, *found.objects} if expected.objects.get(name) != found.objects.get(name)
    )
    return said + [f"the schema differs at {name}" for name in changed]


def _table_difference(name: str, want: tuple[int, str] | None, have: tuple[int, str] | None) -> str:
    if have is None:
        return f"table {name} is missing"
    if want is None:
        return f"table {name} should not be there"
    if want[0] != have[0]:
        return f"table {name} has {have[0]} rows, expected {want[0]}"
    return f"table {name} holds other values"


def row_differences(
    expected: Iterable[Sequence[SqlValue]], found: Iterable[Sequence[SqlValue]], most: int = 3
) -> list[str]:
    """Show rows that only one side has, at most `most` of each side."""
    want, have = Counter(map(canonical_row, expected)), Counter(map(canonical_row, found))
    missing, extra = sorted((want - have).elements()), sorted((have - want).elements())
    return [f"- {row.decode()}" for row in missing[:most]] + [f"+ {row.decode()}" for row in extra[:most]]


def agentbench_hash(rows: Iterable[Sequence[SqlValue]]) -> str | None:
    """Return AgentBench's hash of one table, None where it is empty (MySQL's GROUP_CONCAT of nothing).

    Each row: the first 5 hex digits of MD5 over its values joined by commas, NULLs skipped (CONCAT_WS); these sorted,
    joined by commas, hashed again (THUDM/AgentBench@578c5e9f dbbench; the 1,024 bytes at which MySQL's default cuts
    GROUP_CONCAT are not reproduced: no table of the benchmark reaches them). `rows` hold the columns in the order
    of the benchmark's table_info; 20 bits a row make it a golden value, not a proof.
    """
    hashes = sorted(_md5(",".join(str(v) for v in row if v is not None))[:5] for row in rows)
    return _md5(",".join(hashes)) if hashes else None


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(value: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=list).encode()).hexdigest()
