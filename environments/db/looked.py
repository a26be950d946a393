"""Whether an agent saw anything of the data that it answered about: its statements are run where there is no row.

To name a table is not to look: `LIMIT 0`, `WHERE 0`, EXPLAIN and a count of nothing show the same of a database
without a row. Where the right answer is the same there too (no pet is that old), to have asked is enough.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from environments.db.engine import Result, SqlDatabase, SqlEngine
from environments.db.labels import label_cell
from environments.db.state import SqlValue
from schemas.task_spec import TaskSpec

Row = Sequence[SqlValue]
_PLAN = re.compile(
    r"(?:[\s(]|--[^\n]*\n|#[^\n]*\n|/\*.*?\*/)*(?:explain|describe|desc|analyze|show)\b", re.IGNORECASE | re.DOTALL
)
"""Estimates are another without a row, and still no look at one."""


@dataclass(frozen=True)
class Asked:
    """One statement of an agent's that ran, and what it showed."""

    sql: str
    showed: str
    """Digest of columns and rows."""
    is_about_data: bool
    """It read or wrote a table, be it the agent's own, and shows no plan or catalogue."""


def asked(sql: str, result: Result) -> Asked:
    """Remember a statement."""
    return Asked(sql, _digest(result), bool(result.tables) and not _PLAN.match(sql))


async def has_looked(engine: SqlEngine, spec: TaskSpec, statements: Sequence[Asked], rows: Sequence[Row]) -> bool:
    """Whether one of the statements showed something of the data, or the right answer's `rows` hold nothing of it.

    Raises:
        EnvironmentFault, SandboxError: the engine broke.
    """
    empty = await engine.open_empty(spec.setup)
    try:
        for one in statements:
            now = await empty.execute(one.sql)
            if one.is_about_data and _digest(now) != one.showed and await _is_steady(empty, one.sql, now):
                return True
    finally:
        await empty.close()
    return await _is_same_without_data(engine, spec, rows)


async def _is_steady(empty: SqlDatabase, sql: str, now: Result) -> bool:
    """Whether a statement shows the same again: else it is chance that it showed something else."""
    return _digest(await empty.execute(sql)) == _digest(now)


async def _is_same_without_data(engine: SqlEngine, spec: TaskSpec, rows: Sequence[Row]) -> bool:
    if not spec.reference:
        return all(label_cell(value).key == "0" for row in rows for value in row)
    empty, result = await engine.open_empty(spec.setup), Result()
    try:
        for script in spec.reference:
            result = await empty.execute(script.code, seconds=engine.limits.reference_seconds)
    finally:
        await empty.close()
    return result.error is None and _rows(result.rows) == _rows(rows)


def _digest(result: Result) -> str:
    shown = (result.columns, _rows(result.rows), result.error, result.truncated)
    return hashlib.sha256(repr(shown).encode("utf-8", "surrogatepass")).hexdigest()


def _rows(rows: Sequence[Row]) -> list[str]:
    """Return rows as texts in an order of their own: without an index or statistics they come in another."""
    return sorted(map(repr, rows))
