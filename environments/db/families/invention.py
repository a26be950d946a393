"""Making up a change that a given database can take, from its schema and the rows shown of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from environments.db.families.brief import Brief, Field, Table, is_sayable
from environments.db.families.change import Assignment, Change, Condition, Value
from environments.db.families.values import are_years, is_date, new_key, new_value

_MOST_COLUMNS = 10
_TRIES = 12
_Row = dict[str, Value]


def invent_change(brief: Brief, rng: random.Random) -> Change | None:
    """Make up a change that the rows shown prove to have an effect; None where these tables allow none."""
    invent: Callable[[Brief, random.Random], Change | None]
    invent = {"INSERT": _invent_insert, "UPDATE": _invent_update, "DELETE": _invent_delete}[brief.operation]
    for _ in range(_TRIES if brief.tables else 0):
        change = invent(brief, rng)
        if change is not None and _is_sayable(change):
            return change
    return None


def grow_change(change: Change, brief: Brief, rng: random.Random) -> Change | None:
    """Make a change that does more: an UPDATE sets a further column, a DELETE has two further conditions; else None."""
    table = next((one for one in brief.tables if one.name == change.table), None)
    if table is None or change.operation == "INSERT":
        return None
    taken = {one.column for one in change.assignments} | {one.column for one in change.where}
    free = [f for f in table.fields if f.name not in taken and not (f.is_key or f.foreign_table or f.kind == "blob")]
    if change.operation == "UPDATE":
        chosen = rng.sample(free, min(2, len(free)))
        more = tuple(Assignment(f.name, new_value(table, f, rng)) for f in chosen)
        grown = replace(change, assignments=(*change.assignments, *more))
    else:  # which rows go, the rows shown do not say: so the conditions are such as all rows meet
        chosen = rng.sample(solid := [f for f in free if not f.is_nullable], min(2, len(solid)))
        spare = tuple(Condition(f.name, "<>", _unheard_of(table, f, rng)) for f in chosen)
        grown = replace(change, where=(*change.where, *spare))
    return grown if chosen and _is_sayable(grown) else None


def _unheard_of(table: Table, field: Field, rng: random.Random) -> Value:
    shown = [value for value in _shown(table, field.name) if value is not None]
    return new_key(shown or [0], rng)


def _is_sayable(change: Change) -> bool:
    return all(map(is_sayable, [a.value for a in change.assignments] + [c.value for c in change.where]))


def _shown(table: Table, column: str) -> list[Value]:
    return [row[column] for row in table.rows]


def _invent_insert(brief: Brief, rng: random.Random) -> Change | None:
    table = rng.choice(brief.tables)
    by_name = {t.name: t for t in brief.tables}
    fields = [f for f in table.fields if f.kind != "blob" or not f.is_nullable]
    if len(fields) > _MOST_COLUMNS:
        needed = [f for f in fields if f.is_key or not f.is_nullable]
        others = [f for f in fields if f not in needed]
        fields = needed + rng.sample(others, max(0, min(len(others), _MOST_COLUMNS - len(needed))))
    row = [Assignment(f.name, _value_for(f, table, by_name, rng)) for f in fields]
    rng.shuffle(row)
    return Change("INSERT", table.name, tuple(row))


def _value_for(field: Field, table: Table, tables: dict[str, Table], rng: random.Random) -> Value:
    target = tables.get(field.foreign_table or "")
    if field.is_key and (field.foreign_table is None or table.primary == (field.name,)):
        return new_key(_shown(table, field.name), rng)
    if target is not None and len(target.primary) == 1 and not (field.is_nullable and rng.random() < 0.1):
        return rng.choice(_shown(target, target.primary[0]))
    return new_value(table, field, rng)


def _invent_update(brief: Brief, rng: random.Random) -> Change | None:
    table = rng.choice(brief.tables)
    where = _invent_where(table, rng)
    hit = [row for row in table.rows if all(c.holds(row[c.column]) for c in where)]
    fields = [f for f in table.fields if not (f.is_key or f.foreign_table or f.kind == "blob")]
    if not where or not fields:
        return None
    chosen = rng.sample(fields, min(len(fields), rng.choice((1, 1, 1, 2))))
    assignments = tuple(_invent_assignment(f, table, hit, rng) for f in chosen)
    if not any(_changes(a, row) for a in assignments for row in hit):
        return None
    return Change("UPDATE", table.name, assignments, where)


def _changes(assignment: Assignment, row: _Row) -> bool:
    before = row[assignment.column]
    if assignment.kind == "set":
        return before != assignment.value
    return isinstance(before, (int, float)) and abs(before) >= 1


def _invent_assignment(field: Field, table: Table, hit: list[_Row], rng: random.Random) -> Assignment:
    before = [row[field.name] for row in hit]
    numbers = [value for value in before if isinstance(value, (int, float))]
    is_amount = len(numbers) == len(before) and min(numbers) > 1 and field.kind != "text" and not are_years(numbers)
    if is_amount and rng.random() < 0.4:
        if field.kind == "int":
            kind = rng.choice(("add", "add", "cut")) if min(numbers) > 15 else "add"
            return Assignment(field.name, rng.randrange(1, 15), kind)
        return Assignment(field.name, rng.choice((2, 3, 4, 5, 6, 8, 10, 12, 15, 20)), rng.choice(_PERCENT))
    return Assignment(field.name, new_value(table, field, rng))


_PERCENT = ("raise_percent", "cut_percent")


def _invent_delete(brief: Brief, rng: random.Random) -> Change | None:
    pointed_at = {f.foreign_table for t in brief.tables for f in t.fields if f.foreign_table != t.name}
    # Rows that others point at are left alone where there are others: foreign keys are not enforced by default.
    free = [t for t in brief.tables if t.name not in pointed_at] or list(brief.tables)
    table = rng.choice(free)
    where = _invent_where(table, rng)
    return Change("DELETE", table.name, (), where) if where else None


def _invent_where(table: Table, rng: random.Random) -> tuple[Condition, ...]:
    """Return conditions that hold for at least one row shown and, where several are shown, not for all."""
    row = rng.choice(table.rows)
    if table.primary and all(row[c] is not None for c in table.primary) and rng.random() < 0.35:
        return tuple(Condition(c, "=", row[c]) for c in table.primary)
    fields = [f for f in table.fields if f.kind != "blob" and (not f.is_key or isinstance(row[f.name], int))]
    for _ in range(_TRIES if fields else 0):
        chosen = rng.sample(fields, min(len(fields), rng.choice((1, 2, 2))))
        where = tuple(_invent_condition(f, row[f.name], rng) for f in chosen)
        missed = [r for r in table.rows if not all(c.holds(r[c.column]) for c in where)]
        if all(c.holds(row[c.column]) for c in where) and (missed or len(table.rows) == 1):
            return where
    return ()


def _invent_condition(field: Field, value: Value, rng: random.Random) -> Condition:
    """Make a condition that the value meets."""
    if value is None:
        return Condition(field.name, "=", None)
    if is_date(value) and rng.random() < 0.7:
        year = str(value)[:4]
        if rng.random() < 0.5:
            return Condition(
                field.name, "after", f"{int(year) - 1}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
            )
        return Condition(field.name, "before", f"{int(year) + 1}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}")
    if isinstance(value, str) or field.foreign_table is not None:
        return Condition(field.name, "=", value)
    if field.is_key:
        return Condition(field.name, rng.choice(("<", "<=")), int(value) + rng.randrange(1, 60))
    step = rng.randrange(1, 4) if isinstance(value, int) else round(rng.uniform(0.1, 1.5), 1)
    comparison = rng.choice(("<", ">", "<=", ">=", "=" if isinstance(value, int) else ">"))
    if value >= 0:
        step = min(step, value)  # no threshold below zero where no value is
    shift = {"<": step, ">": -step, "<=": step * rng.randrange(2), ">=": -step * rng.randrange(2), "=": 0}[comparison]
    return Condition(field.name, comparison, round(value + shift, 2))
