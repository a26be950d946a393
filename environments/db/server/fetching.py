"""Rows of a server's result as Trajmill keeps them: plain values, no more of them than the limits allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from environments.db.engine import SqlLimits
from environments.db.state import SqlValue

_CUT_VALUE = 2000
_DAY = timedelta(days=1)
_PLAIN = (str, int, float, bytes, Decimal, date, datetime, time)
_USUAL = frozenset((*_PLAIN, type(None)))


def fetch(rows: Iterable[Sequence[Any]], limits: SqlLimits) -> tuple[tuple[tuple[SqlValue, ...], ...], bool]:
    """Return the rows within the limits, and whether there were more; a first row that is too large is cut."""
    kept: list[tuple[SqlValue, ...]] = []
    left = limits.result_bytes
    for row in rows:
        values = tuple(map(plain, row))
        left -= sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in values)
        if left < 0 or len(kept) >= limits.rows:
            return tuple(kept) or (tuple(map(_cut, values)),), True
        kept.append(values)
    return tuple(kept), False


def plain(value: Any) -> SqlValue:
    """Return a driver's value as one of the types that states are made of; what has none becomes its text."""
    if type(value) in _USUAL:
        return value  # type: ignore[no-any-return]
    if isinstance(value, timedelta) and timedelta() <= value < _DAY:
        return (datetime.min + value).time()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    return value if value is None or isinstance(value, _PLAIN) else str(value)


def _cut(value: SqlValue) -> SqlValue:
    return value[:_CUT_VALUE] if isinstance(value, (str, bytes)) else value
