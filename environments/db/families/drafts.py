"""Drafts: a change worded as a task with its reference, and the faults that a careless author would build in."""

from __future__ import annotations

import random
from dataclasses import replace

from environments.db.families.brief import Brief
from environments.db.families.change import Change, quote_name, quote_value
from environments.db.families.invention import grow_change, invent_change
from environments.db.families.wording import read_change, word_name, word_problem

TASK_FAULTS = ("reference_fails", "nothing_passes", "random_reference")
_MISSING = "no_such_column"


def write_draft(brief: Brief, rng: random.Random, fault: str | None, parent: str | None = None) -> str:
    """Write a generation reply: problem, explanation and reference, or the admission that there is nothing to ask.

    A `parent`'s problem is made harder where it can be: an INSERT here cannot, so another one is made up.
    """
    known = read_change(parent) if parent else None
    change = (grow_change(known, brief, rng) if known else None) or invent_change(brief, rng)
    if change is None:
        return f"No {brief.operation} can be made up on {brief.database} from the rows shown."
    problem = word_problem(change, rng)
    explanation = f"One {change.operation} on {word_name(change.table)}, as narrow as the request."
    reference = _spoil(change, fault)
    return f"### Problem\n{problem}\n### Explanation\n{explanation}\n### Reference\n```sql\n{reference}\n```"


def _spoil(change: Change, fault: str | None) -> str:
    if fault == "reference_fails":
        return _with_missing_column(change).sql()
    if fault == "nothing_passes":
        return _without_effect(change)
    if fault == "random_reference":
        return _with_chance(change)
    return change.sql()


def _with_missing_column(change: Change) -> Change:
    if change.operation == "DELETE":
        return replace(change, where=(replace(change.where[0], column=_MISSING), *change.where[1:]))
    first, *rest = change.assignments
    return replace(change, assignments=(replace(first, column=_MISSING), *rest))


def _without_effect(change: Change) -> str:
    if change.operation != "INSERT":
        return f"{change.sql()} AND 1 = 0"
    columns = ", ".join(quote_name(a.column) for a in change.assignments)
    values = ", ".join(quote_value(a.value) for a in change.assignments)
    return f"INSERT INTO {quote_name(change.table)} ({columns}) SELECT {values} WHERE 1 = 0"


def _with_chance(change: Change) -> str:
    table = quote_name(change.table)
    if change.operation == "DELETE":
        return f"DELETE FROM {table} WHERE ABS(RANDOM()) % 2 = 0"
    if change.operation == "UPDATE":
        return f"UPDATE {table} SET {quote_name(change.assignments[0].column)} = RANDOM() WHERE {change.condition()}"
    columns = ", ".join(quote_name(a.column) for a in change.assignments)
    values = ", ".join(quote_value(a.value) for a in change.assignments[1:])
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(filter(None, ('RANDOM()', values)))})"
