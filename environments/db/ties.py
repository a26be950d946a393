"""Ties: rows that an ORDER BY does not tell apart, found by running the query again with more to see.

In an order that a question asks for, tied rows may stand either way (`ranks_of`); where a LIMIT cuts through them, the
result is the engine's choice, and no task (`other_choices`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from environments.db.engine import Result, SqlDatabase
from environments.db.state import SqlValue
from environments.db.statement import UnreadableSql, parse

Row = Sequence[SqlValue]


async def ranks_of(database: SqlDatabase, sql: str, dialect: str, result: Result, seconds: float) -> tuple[int, ...]:
    """Return the rank of each row by the query's own ORDER BY, the same for ties; empty where it cannot be told."""
    width = len(result.columns)
    shown = _with_keys(sql, dialect, width)
    if shown is None or not result.rows:
        return ()
    asked, keys = shown
    again = result if asked is None else await database.execute(asked, seconds=seconds)
    if again.error is not None or [row[:width] for row in again.rows] != list(result.rows):
        return ()
    ranks, before = [0], _key(again.rows[0], keys)
    for row in again.rows[1:]:
        key = _key(row, keys)
        ranks.append(ranks[-1] + (key != before))
        before = key
    return tuple(ranks)


def _key(row: Row, places: Sequence[int]) -> list[object]:
    values = [row[place] for place in places]
    return [value.casefold() if isinstance(value, str) else value for value in values]  # as most collations compare


def _with_keys(sql: str, dialect: str, width: int) -> tuple[str | None, list[int]] | None:
    """Return the query that shows its ORDER BY's values, None where it shows them already, and their places."""
    tree = _read(sql, dialect)
    order = tree.args.get("order") if tree is not None else None
    if tree is None or order is None:
        return None
    places: list[int] = []
    added: list[exp.Expression] = []
    for key in order.expressions:
        place = _place(key.this, tree)
        if place is None:
            added.append(exp.alias_(key.this.copy(), f"trajmill_key_{len(added)}"))
            place = width + len(added) - 1
        places.append(place)
    if not added:
        return None, places
    if not isinstance(tree, exp.Select) or tree.args.get("distinct"):
        return None
    return tree.select(*added).sql(dialect), places


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
        tree = _read(sql, dialect, exp.Expression)
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


def _read(sql: str, dialect: str, kind: type[exp.Expression] = exp.Query) -> exp.Expression | None:
    try:
        trees = parse(sql, dialect)
    except UnreadableSql:
        return None
    return trees[0] if len(trees) == 1 and isinstance(trees[0], kind) else None
