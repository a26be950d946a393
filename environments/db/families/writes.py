"""Making changes turn by turn: look, write, check, done; and the ways in which that goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from environments.db.families.brief import read_schema
from environments.db.families.change import Assignment, Change, Condition, Value, quote_name
from environments.db.families.turns import Position, spoil
from rehearsals.base import Move

FAULTS = (
    "wrong_value",
    "claimed_write",
    "extra_write",
    "rolled_back",
    "other_form",
    "repeats",
    "malformed",
    "gives_up",
)
"""What can go wrong, or only look wrong (`other_form`), in a change."""

_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "after": "before", "before": "after", "<>": "=", "=": "<>"}
_DIGIT_AT_END = re.compile(r"\d\Z")


def solve_change(at: Position, change: Change, fault: str | None) -> Move:
    """Make the next move on a change that was recognised."""
    plan = _plan(at, change, fault)
    if (spoiled := spoil(at, fault, plan)) is not None:
        return spoiled
    if at.has_failed and at.turn <= len(plan):
        return Move("The statement was refused, so the change is not made.", "answer", '["failed"]')
    if at.turn < len(plan):
        return plan[at.turn]
    return Move("The change is made, so I am done.", "answer", "Done." if fault == "other_form" else '["done"]')


def _plan(at: Position, change: Change, fault: str | None) -> list[Move]:
    rng, table = at.rng(), quote_name(change.table)
    look = Move("I look at the rows that the request speaks of.", "sql", _look(change, table))
    write = Move("The request is clear, so I make the change.", "sql", change.sql())
    check = Move("Before I report back I check the result.", "sql", _check(change, table))
    begin = Move("I open a transaction first, so that I can go back.", "sql", "BEGIN")
    end = "I end the transaction."
    plans: dict[str | None, Callable[[], list[Move]]] = {
        "wrong_value": lambda: [look, replace(write, text=falsify(change).sql())],
        "claimed_write": lambda: [look],
        "repeats": lambda: [look],
        "gives_up": lambda: [look],
        "malformed": lambda: [look, write],
        "extra_write": lambda: [look, write, _extra(at, change)],
        "rolled_back": lambda: [begin, write, Move(end, "sql", "ROLLBACK")],
        "other_form": lambda: [begin, write, Move(end, "sql", "COMMIT")],
    }
    if fault in plans:
        return plans[fault]()
    has_look, has_check = rng.random() < 0.75, rng.random() < 0.55
    return [*([look] if has_look else []), write, *([check] if has_check else [])]


def _look(change: Change, table: str) -> str:
    if change.operation == "INSERT":
        return f"SELECT * FROM {table} LIMIT 3"
    return f"SELECT * FROM {table} WHERE {change.condition()} LIMIT 5"


def _check(change: Change, table: str) -> str:
    if change.operation == "INSERT":
        row = " AND ".join(Condition(a.column, "=", a.value).sql() for a in change.assignments)
        return f"SELECT * FROM {table} WHERE {row}"
    return f"SELECT COUNT(*) FROM {table} WHERE {change.condition()}"


def _extra(at: Position, change: Change) -> Move:
    """Delete a row that nobody spoke of, where no key has it refused: of a table that no other points into."""
    tables = {one.name: one for one in read_schema(at.schema)}
    pointed = {field.foreign_table for one in tables.values() for field in one.fields}
    name = next((one for one in (change.table, *tables) if one not in pointed), change.table)
    keys = tables[name].primary if name in tables else ()
    key, table = quote_name(keys[0]) if keys else "rowid", quote_name(name)
    sql = f"DELETE FROM {table} WHERE {key} = (SELECT MIN({key}) FROM {table})"
    return Move("While I am at it, I also remove a row that looks superfluous.", "sql", sql)


def falsify(change: Change) -> Change:
    """Return a change that leaves another state wherever the right one has an effect."""
    if change.operation == "DELETE":
        first, *rest = change.where
        return replace(change, where=(_missed(first), *rest))
    first_column, *others = change.assignments
    wrong = Assignment(first_column.column, _other(first_column.value), first_column.kind)
    return replace(change, assignments=(wrong, *others))


def _missed(condition: Condition) -> Condition:
    """Return a condition that no row meets which meets this one."""
    if condition.comparison == "=" and condition.value is not None:
        return replace(condition, value=_other(condition.value))
    return replace(condition, comparison=_OPPOSITE[condition.comparison])


def _other(value: Value) -> Value:
    if not isinstance(value, str):
        return 5 if value is None else value + 5
    if _DIGIT_AT_END.search(value):
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    return f"{value}s"
