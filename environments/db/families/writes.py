"""Making changes turn by turn: look, write, check, done; and the ways in which that goes wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from environments.db.families.brief import read_schema
from environments.db.families.change import Assignment, Change, Condition, Value, quote_name
from environments.db.families.turns import Move, Position, answer, spoil
from environments.db.families.wording import word_name
from environments.db.families.words import phrase

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

_DONE = '["done"]'
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "after": "before", "before": "after", "<>": "=", "=": "<>"}
_DIGIT_AT_END = re.compile(r"\d\Z")


def solve_change(at: Position, change: Change, fault: str | None) -> str:
    """Write the next reply on a change that was recognised."""
    plan = _plan(at, change, fault)
    spoiled = spoil(at, fault, plan, word_name(change.table))
    if spoiled is not None:
        return spoiled
    if at.has_failed and at.turn <= len(plan):
        return answer(phrase(at.rng(), "thoughts", "failed"), '["failed"]')
    if at.turn < len(plan):
        return plan[at.turn].reply()
    final = "Done." if fault == "other_form" else _DONE
    return answer(phrase(at.rng(), "thoughts", "done"), final)


def _plan(at: Position, change: Change, fault: str | None) -> list[Move]:
    rng, table, named = at.rng(), quote_name(change.table), word_name(change.table)
    look = Move(phrase(rng, "thoughts", "affected", table=named), _look(change, table, rng))
    write = Move(phrase(rng, "thoughts", "write", table=named), change.sql())
    check = Move(phrase(rng, "thoughts", "check", table=named), _check(change, table))
    begin = Move(phrase(rng, "faults", "open"), "BEGIN")
    end = phrase(rng, "faults", "close")
    plans: dict[str | None, Callable[[], list[Move]]] = {
        "wrong_value": lambda: [look, replace(write, sql=falsify(change).sql())],
        "claimed_write": lambda: [look],
        "repeats": lambda: [look],
        "gives_up": lambda: [look],
        "malformed": lambda: [look, write],
        "extra_write": lambda: [look, write, _extra(at, change, table)],
        "rolled_back": lambda: [begin, write, Move(end, "ROLLBACK")],
        "other_form": lambda: [begin, write, Move(end, "COMMIT")],
    }
    if fault in plans:
        return plans[fault]()
    has_look, has_check = rng.random() < 0.75, rng.random() < 0.55
    return [*([look] if has_look else []), write, *([check] if has_check else [])]


def _look(change: Change, table: str, rng: random.Random) -> str:
    if change.operation == "INSERT":
        return rng.choice((f"SELECT * FROM {table} LIMIT 3", f"SELECT COUNT(*) FROM {table}"))
    return f"SELECT * FROM {table} WHERE {change.condition()} LIMIT {rng.choice((5, 10))}"


def _check(change: Change, table: str) -> str:
    if change.operation == "INSERT":
        row = " AND ".join(Condition(a.column, "=", a.value).sql() for a in change.assignments)
        return f"SELECT * FROM {table} WHERE {row}"
    if change.operation == "UPDATE" and not {a.column for a in change.assignments} & {c.column for c in change.where}:
        columns = ", ".join(quote_name(a.column) for a in change.assignments)
        return f"SELECT {columns} FROM {table} WHERE {change.condition()} LIMIT 5"
    return f"SELECT COUNT(*) FROM {table} WHERE {change.condition()}"


def _extra(at: Position, change: Change, table: str) -> Move:
    """Delete a row that nobody spoke of: there is one, or the change would have taken or made the only row."""
    keys = next((t.primary for t in read_schema(at.schema) if t.name == change.table), ())
    key = quote_name(keys[0]) if keys else "rowid"
    sql = f"DELETE FROM {table} WHERE {key} = (SELECT MIN({key}) FROM {table})"
    return Move(phrase(at.rng(), "faults", "extra_write", table=word_name(change.table)), sql)


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
