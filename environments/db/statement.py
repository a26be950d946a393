"""What an SQL statement is: kind, shape, whether it orders its rows. Read with sqlglot, never rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

Kind = Literal["select", "insert", "update", "delete", "other"]

_AGGREGATES = (exp.Sum, exp.Avg, exp.Min, exp.Max)
_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)


class UnreadableSql(Exception):
    """A text that is no SQL, or not exactly one statement."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """sql_unreadable, not_one_statement."""


@dataclass(frozen=True)
class Statement:
    kind: Kind
    ordered: bool
    """Its top level has ORDER BY."""
    family: str
    """Of a select: counting, aggregation, ranking, comparison, join, other; else its kind."""


def read_statement(sql: str, dialect: str = "sqlite") -> Statement:
    """Classify one statement.

    Raises:
        UnreadableSql: it cannot be parsed, or there is none or more than one.
    """
    try:
        parsed = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise UnreadableSql("sql_unreadable", str(error).split("\n", 1)[0][:300]) from error
    if len(parsed) != 1:
        raise UnreadableSql("not_one_statement", f"one statement is expected, there are {len(parsed)}")
    tree = parsed[0]
    kind = _kind(tree)
    ordered = kind == "select" and bool(tree.unnest().args.get("order"))
    return Statement(kind, ordered, _family(tree) if kind == "select" else kind)


def _kind(tree: exp.Expression) -> Kind:
    if isinstance(tree, exp.Query):
        return "select"
    if isinstance(tree, exp.Insert):
        return "insert"
    if isinstance(tree, exp.Update):
        return "update"
    return "delete" if isinstance(tree, exp.Delete) else "other"


def _family(tree: exp.Expression) -> str:
    """Name a select by what its author had to think of first; AgentBench's types, and `join` for the rest."""
    top = tree.unnest()
    shown = top.expressions if isinstance(top, exp.Select) else []
    if any(column.find(exp.Count) for column in shown):
        return "counting"
    if any(column.find(*_AGGREGATES) for column in shown):
        return "aggregation"
    if top.args.get("order") and top.args.get("limit"):
        return "ranking"
    if top.find(*_COMPARISONS):
        return "comparison"
    return "join" if top.find(exp.Join) else "other"
