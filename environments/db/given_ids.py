"""Ids that the engine gives to inserted rows: two states are the same where they differ in these numbers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from environments.db.engine import SqlDatabase, SqlEngine
from environments.db.state import SqlValue, State, canonical_row
from environments.db.statement import insertion_of
from schemas.task_spec import TaskSpec

_NUMBERED = {
    "sqlite": (
        "SELECT name FROM pragma_table_xinfo({table}) WHERE pk = 1 AND upper(type) = 'INTEGER'"
        " AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo({table}) WHERE pk = 2)"
    ),
    "mysql": (
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = {table} AND extra LIKE '%auto_increment%'"
    ),
    "postgres": (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = {table}"
        " AND (is_identity = 'YES' OR column_default LIKE 'nextval(%')"
    ),
}
"""By dialect: the column whose numbers the engine gives."""
Rows = Counter[bytes]


async def differ_in_given_ids_alone(
    engine: SqlEngine, spec: TaskSpec, reference: SqlDatabase, database: SqlDatabase, states: tuple[State, State]
) -> bool:
    """Whether the reference left the ids of its new rows to the engine, and they alone differ; nothing refers to them.

    `states` are those of `reference` and of `database`.

    Raises:
        EnvironmentFault, SandboxError: the engine broke.
    """
    wanted, found = states
    different = [name for name in wanted.tables if wanted.tables[name] != found.tables.get(name)]
    if len(different) != 1 or wanted.objects != found.objects or wanted.tables.keys() != found.tables.keys():
        return False
    table = different[0]
    place = await _given(spec, reference, table)
    if place is None:
        return False
    untouched = await engine.open(spec.setup)
    try:
        before = await untouched.state()
        others = {name: told for name, told in before.tables.items() if name != table}
        if others != {name: told for name, told in wanted.tables.items() if name != table}:
            return False  # what changed elsewhere may refer to the new rows
        sides = [await each.table(table) for each in (untouched, reference, database)]
    finally:
        await untouched.close()
    if any(side.truncated or side.error is not None for side in sides):
        return False
    old, ours, theirs = [list(side.rows) for side in sides]
    refers = table.lower() in wanted.objects.get(f"table {table}", "").lower()
    return _is_renumbered(old, ours, theirs, place, refers)


async def _given(spec: TaskSpec, reference: SqlDatabase, table: str) -> int | None:
    """Return the place of the column that the reference leaves to the engine; None = there is none."""
    if len(spec.reference) != 1 or spec.setup.dialect not in _NUMBERED:
        return None
    filled = insertion_of(spec.reference[0].code, spec.setup.dialect)
    if filled is None or filled.table != table.lower():
        return None
    name = "'" + table.replace("'", "''") + "'"
    numbered = await reference.execute(_NUMBERED[spec.setup.dialect].format(table=name))
    columns = (await reference.table(table, limit=0)).columns
    if len(numbered.rows) != 1 or numbered.rows[0][0] not in columns:
        return None
    column = str(numbered.rows[0][0])
    is_left = filled.leaves(column.lower(), columns.index(column))
    return columns.index(column) if is_left else None


def _is_renumbered(
    old: Sequence[Sequence[SqlValue]],
    ours: Sequence[Sequence[SqlValue]],
    theirs: Sequence[Sequence[SqlValue]],
    place: int,
    refers: bool,
) -> bool:
    before, wanted, found = (Counter(map(canonical_row, rows)) for rows in (old, ours, theirs))
    if before - wanted != before - found:
        return False
    new = [_new_rows(rows, before) for rows in (ours, theirs)]
    ids = {row[place] for rows in new for row in rows}
    if refers and any(value in ids for rows in new for row in rows for value in _without(row, place)):
        return False  # a table that refers to itself
    ours_new, theirs_new = (Counter(canonical_row(_without(row, place)) for row in rows) for rows in new)
    return ours_new == theirs_new


def _new_rows(rows: Sequence[Sequence[SqlValue]], before: Rows) -> list[Sequence[SqlValue]]:
    left = before.copy()
    new = []
    for row in rows:
        name = canonical_row(row)
        if left[name] > 0:
            left[name] -= 1
        else:
            new.append(row)
    return new


def _without(row: Sequence[SqlValue], place: int) -> list[SqlValue]:
    return [*row[:place], *row[place + 1 :]]
