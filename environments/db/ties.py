"""Ties: rows that an ORDER BY does not tell apart, found by running the query again with more to see.

In an order that a question asks for, tied rows may stand either way, and where a LIMIT cuts through them any of them
may be there (`standing_of`). Such a cut makes no good task: admission turns it away (`other_choices`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from sqlglot import exp

from environments.db.engine import Result, SqlDatabase
from environments.db.state import SqlValue
from environments.db.statement import UnreadableSql, parse

Row = tuple[SqlValue, ...]


@dataclass(frozen=True)
class Standing:
    """How the rows of a result stand to each other."""

    ranks: tuple[int, ...] = ()
    """Of each row by the query's own ORDER BY, the same for ties; empty where it cannot be told."""
    spare: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    """By rank: all rows of that rank, where a LIMIT left some of them out."""


async def standing_of(database: SqlDatabase, sql: str, dialect: str, result: Result, seconds: float) -> Standing:
    """Run a query that gave `result` again, without its LIMIT and with the values that it orders by."""
    width = len(result.columns)
    shown = _with_keys(sql, dialect, width)
    if shown is None or not result.rows:
        return Standing()
    whole = await database.execute(shown.sql, seconds=seconds)
    if whole.error is not None or whole.truncated:
        return Standing()
    ranks = _ranks([_key(row, shown.places) for row in whole.rows])
    by_rank: dict[int, list[Row]] = {}
    for rank, row in zip(ranks, whole.rows, strict=True):
        by_rank.setdefault(rank, []).append(row[:width])
    own = ranks[shown.offset : shown.offset + len(result.rows)]
    if len(own) < len(result.rows) or any(row not in by_rank[rank] for rank, row in zip(own, result.rows, strict=True)):
        return Standing()
    spare = {rank: by_rank[rank] for rank in set(own) if own.count(rank) < len(by_rank[rank])}
    return Standing(tuple(own), spare)


def _ranks(keys: Sequence[Sequence[object]]) -> list[int]:
    ranks = [0] if keys else []
    for before, key in pairwise(keys):
        ranks.append(ranks[-1] + (key != before))
    return ranks


def _key(row: Row, places: Sequence[int]) -> list[object]:
    values = [row[place] for place in places]
    return [value.casefold() if isinstance(value, str) else value for value in values]  # as most collations compare


class _Shown(NamedTuple):
    """A query that shows all its rows and what it orders them by."""

    sql: str
    places: list[int]
    """Of the values in a row."""
    offset: int
    """Rows that the query itself leaves out before its first."""


def _with_keys(sql: str, dialect: str, width: int) -> _Shown | None:
    tree = _read(sql, dialect)
    if not isinstance(tree, exp.Query):
        return None
    offset = tree.args.get("offset")
    if offset is not None and not (isinstance(offset.expression, exp.Literal) and offset.expression.is_int):
        return None
    order = tree.args.get("order")
    places: list[int] = []
    added: list[exp.Expression] = []
    for key in order.expressions if order else ():
        place = _place(key.this, tree)
        if place is None:
            added.append(exp.alias_(key.this.copy(), f"trajmill_key_{len(added)}"))
            place = width + len(added) - 1
        places.append(place)
    if added and (not isinstance(tree, exp.Select) or tree.args.get("distinct")):
        return None
    whole = tree.select(*added) if isinstance(tree, exp.Select) and added else tree
    for part in ("limit", "offset", "fetch"):
        whole.set(part, None)
    return _Shown(whole.sql(dialect), places, int(offset.expression.name) if offset else 0)


def _place(key: exp.Expression, tree: exp.Query) -> int | None:
    """Return which column of the result an ORDER BY key is; None where the result does not show it."""
    if isinstance(key, exp.Literal) and key.is_int:
        return int(key.name) - 1
    for place, shown in enumerate(tree.selects):
        if shown.is_star:
            return None
        is_alias = isinstance(key, exp.Column) and not key.table and key.name.lower() == shown.alias_or_name.lower()
        if is_alias or key == shown.unalias():
            return place
    return None


def other_choices(sql: str, dialect: str, width: int) -> tuple[str, str] | None:
    """Return a statement twice: where a LIMIT cuts through ties, the one takes the first of them, the other the last.

    None where there is no LIMIT, or the statement cannot be read. `width` is the number of columns of its result.
    """
    variants = []
    for desc in (False, True):
        tree = _read(sql, dialect)
        if tree is None:
            return None
        cut = [query for query in tree.find_all(exp.Query) if query.args.get("limit") or query.args.get("fetch")]
        if not cut:
            return None
        for query in cut:
            _break_ties(query, width if query is tree else 1, desc)
        variants.append(tree.sql(dialect))
    return variants[0], variants[1]


def _break_ties(query: exp.Query, width_of_star: int, desc: bool) -> None:
    shown = query.selects
    width = width_of_star if any(column.is_star for column in shown) else len(shown)
    keys = [exp.Ordered(this=exp.Literal.number(place + 1), desc=desc) for place in range(width)]
    order = query.args.get("order")
    query.set("order", exp.Order(expressions=[*(order.expressions if order else ()), *keys]))


def _read(sql: str, dialect: str) -> exp.Expression | None:
    try:
        trees = parse(sql, dialect)
    except UnreadableSql:
        return None
    return trees[0] if len(trees) == 1 else None


def is_cut(sql: str, dialect: str) -> bool:
    """Whether a query has a LIMIT of its own."""
    tree = _read(sql, dialect)
    return isinstance(tree, exp.Query) and bool(tree.args.get("limit") or tree.args.get("fetch"))
