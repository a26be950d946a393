"""What a database task's reference tells before it runs as an agent's would: chance, clock and ties decide nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from environments.db.engine import Clock, Result, SqlDatabase, SqlEngine
from environments.db.state import canonical_row
from environments.db.statement import insertion_of
from environments.db.ties import other_choices
from schemas.errors import EnvironmentFault
from schemas.task_spec import Probe, Setup, TaskSpec

_LATER_SECONDS = 1234 * 86_400 + 5 * 3600 + 6 * 60 + 7
"""Another year, month, day, hour, minute and second."""
_STRING = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLOCK = r"date|time|datetime|julianday|unixepoch|strftime"
_THROWS = (
    r"random|randomblob|rand|uuid|uuid_short|gen_random_uuid|now|sysdate|clock_timestamp|statement_timestamp"
    r"|transaction_timestamp|timeofday"
)
_VOLATILE = re.compile(
    rf"\b(?:{_THROWS})\s*\(|\b(?:current_(?:timestamp|date|time)|localtime(?:stamp)?)\b|\b(?:{_CLOCK})\s*\(\s*\)",
    re.IGNORECASE,
)
_NOW = re.compile(rf"\b(?:{_CLOCK})\s*\([^)]*'now'", re.IGNORECASE)
_UNSET = re.compile(r"\b(?:sysdate|uuid|uuid_short)\s*\(", re.IGNORECASE)
"""What MariaDB's settings of the clock and of chance do not reach."""


async def reference_is_stable(engine: SqlEngine, spec: TaskSpec) -> Probe:
    """Run the reference under two clocks, and let chance fall both ways; where neither can be set, it is read."""
    now = int(time.time())
    codes = [script.code for script in spec.reference]
    first = await _outcome(engine, spec, codes, Clock(now, False))
    second = await _outcome(engine, spec, codes, Clock(now + _LATER_SECONDS, True))
    if first != second:
        return _told("reference_is_stable", "at another time, or as chance falls, it comes out otherwise")
    found = _unset_part(codes) if first is not None else _volatile_reference(spec)
    return _told("reference_is_stable", f"the reference depends on {found!r}" if found else "")


async def no_tie_decides(engine: SqlEngine, spec: TaskSpec) -> Probe:
    """Let the reference's LIMITs take the first and then the last of tied rows: it must come out the same."""
    dialect, codes = spec.setup.dialect, [script.code for script in spec.reference]
    if not any(other_choices(code, dialect, 1) for code in codes):
        return _told("no_tie_decides", "")
    plain = await _outcome(engine, spec, codes)
    width = plain.width if plain is not None else 1
    pairs = [other_choices(code, dialect, width) or (code, code) for code in codes]
    first, last = [await _outcome(engine, spec, variant) for variant in zip(*pairs, strict=True)]
    is_told = first is not None and last is not None and not first.failed and not last.failed
    cuts = is_told and first != last
    return _told("no_tie_decides", "a LIMIT cuts through rows that its order does not tell apart" if cuts else "")


def _told(name: str, problem: str) -> Probe:
    return Probe(name=name, passed=not problem, detail=problem)


@dataclass(frozen=True)
class _Outcome:
    """What came of statements: the rows of a question, in no order, or the state that a change left."""

    said: object
    width: int = field(default=0, compare=False)
    """Columns of the last result."""
    failed: bool = False


async def _outcome(
    engine: SqlEngine, spec: TaskSpec, codes: Sequence[str], clock: Clock | None = None
) -> _Outcome | None:
    """Run statements on a fresh database; None where its clock cannot be set."""
    try:
        database = await (engine.open(spec.setup) if clock is None else engine.open_at(spec.setup, clock))
    except EnvironmentFault as fault:
        return _Outcome(str(fault), failed=True)
    if database is None:
        return None
    try:
        return await _run(database, spec, codes, engine.limits.reference_seconds)
    finally:
        await database.close()


async def _run(database: SqlDatabase, spec: TaskSpec, codes: Sequence[str], seconds: float) -> _Outcome:
    result = Result()
    for code in codes:
        result = await database.execute(code, seconds=seconds)
        if result.error is not None:
            return _Outcome(result.error, failed=True)
    if spec.check.kind in ("rows", "result"):
        return _Outcome(sorted(map(canonical_row, result.rows)), len(result.columns))
    state = await database.state()
    return _Outcome((state.data_digest, state.schema_digest), len(result.columns))


def _unset_part(codes: Sequence[str]) -> str | None:
    found = _UNSET.search(_STRING.sub("''", "\n".join(codes)))
    return found.group() if found else None


def _volatile_reference(spec: TaskSpec) -> str | None:
    """Return what in a reference, or in a default of a column that it leaves out, reads chance or clock."""
    codes = [script.code for script in spec.reference]
    left_out = [kind for code in codes for kind in _left_out(code, spec.setup)]
    return next(filter(None, map(volatile_part, [*codes, *left_out])), None)


def _left_out(code: str, setup: Setup) -> list[str]:
    """Return the types, with their defaults, of the columns that an INSERT gives no value."""
    filled = insertion_of(code, setup.dialect)
    if filled is None or not filled.columns:
        return []
    tables = [table for table in setup.tables if table.name.lower() == filled.table]
    return [column.type for table in tables for column in table.columns if column.name.lower() not in filled.columns]


def volatile_part(sql: str) -> str | None:
    """Return what makes a statement's result depend on chance or the clock, None where nothing does."""
    found = _NOW.search(sql) or _VOLATILE.search(_STRING.sub("''", sql))
    return found.group() if found else None
