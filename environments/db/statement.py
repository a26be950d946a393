"""What an SQL statement is: kind, shape, whether it orders its rows. Read with sqlglot, never rewritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token

Kind = Literal["select", "insert", "update", "delete", "other"]

_AGGREGATES = (exp.Sum, exp.Avg, exp.Min, exp.Max)
_CONFLICTS = frozenset(("IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK"))
_MODIFIERS = frozenset(("IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK"))
"""MySQL's; they say when and how hard, never what."""
_ORDER = re.compile(
    r"\b(?:in|by|reverse)\s+(?:\w+\s+){0,3}order\b(?!\s+(?:to\b|\d))|\border(?:ed|ing)?\s+(?:(?:them|these|the\s+\w+)\s+)?by\b|\b(?:as|de)scending"
    r"|\bsort(?:ed|ing|\b(?!\s+of))|\brank(?:ed|ing)?\b|\balphabetical|\bchronological|\bfirst\s+to\s+last\b"
    r"|\bfrom\s+(?:the\s+)?\w+st(?:\s+\w+)?\s+to\s+(?:the\s+)?(?:\w+st|most)\b|\b(?:high|low)\s+to\s+(?:high|low)\b"
    r"|\b\w+(?:est|ast|st)\s+(?:ones?\s+)?first\b|\bstart(?:ing)?\s+with\s+the\s+\w+(?:est|st)\b|\bmost\s+\w+\s+first\b"
    r"|排序|顺序|順|降序|升序|упоряд|сортир|порядк|sortier|reihenfolge|absteigend|aufsteigend|ordena|\btri(?:é|er|ez)",
    re.IGNORECASE,
)
"""Words that ask for an order; `the three cheapest` asks for three."""
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
    parsed = parse(sql, dialect)
    if len(parsed) != 1:
        raise UnreadableSql("not_one_statement", f"one statement is expected, there are {len(parsed)}")
    tree = parsed[0]
    kind = _kind(tree)
    ordered = kind == "select" and bool(tree.unnest().args.get("order"))
    return Statement(kind, ordered, _family(tree) if kind == "select" else kind)


def asks_for_order(question: str) -> bool:
    """Whether a question says in which order it wants what it asks for."""
    return bool(_ORDER.search(question))


def parse(sql: str, dialect: str) -> list[exp.Expression]:
    """Parse SQL; `REPLACE INTO` is read as an INSERT, and what an UPDATE or DELETE does in a conflict is passed over.

    Raises:
        UnreadableSql: it cannot be parsed.
    """
    try:
        return [tree for tree in sqlglot.parse(_as_its_kind(sql, dialect), read=dialect) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        raise UnreadableSql("sql_unreadable", str(error).split("\n", 1)[0][:300]) from error


def _as_its_kind(sql: str, dialect: str) -> str:
    """Leave out words that sqlglot does not know, where a statement or, after a WITH, its main part begins."""
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except SqlglotError:
        return sql
    depth, cuts = 0, []
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (at == 0 or tokens[at - 1].text in (")", ";")):
            cuts += _known_form(sql, tokens[at : at + 3], is_first=at == 0 or tokens[at - 1].text == ";")
    for start, end, words in reversed(cuts):
        sql = sql[:start] + words + sql[end:]
    return sql


def _known_form(sql: str, tokens: Sequence[Token], *, is_first: bool) -> list[tuple[int, int, str]]:
    """Return what to write, from where to where, so that sqlglot knows the words that these tokens begin with."""
    verb, *after = [token.text.upper() for token in tokens]
    start, end = tokens[0].start, tokens[0].end + 1
    if verb == "REPLACE":
        has_into = sql[end:].lstrip()[:4].upper() == "INTO"
        return [(start, end, "INSERT" if has_into else "INSERT INTO")] if has_into or is_first else []
    if verb == "UPDATE" and len(after) > 1 and after[0] == "OR" and after[1] in _CONFLICTS:
        return [(start, tokens[2].end + 1, verb)]
    if verb in ("UPDATE", "DELETE", "INSERT") and after and after[0] in _MODIFIERS:
        return [(start, tokens[1].end + 1, verb)]
    return []


@dataclass(frozen=True)
class Insertion:
    """Into which columns of which table an INSERT writes, in lower case."""

    table: str
    columns: tuple[str, ...]
    """Empty = all."""
    nulls: frozenset[int]
    """Places at which it gives NULL in every row."""

    def leaves(self, column: str, place: int) -> bool:
        """Whether it gives no value to a column, the table's `place`-th."""
        if not self.columns:
            return place in self.nulls
        return column not in self.columns or self.columns.index(column) in self.nulls


def insertion_of(sql: str, dialect: str) -> Insertion | None:
    """Return what an INSERT fills; None where the statement is none, or cannot be read."""
    try:
        trees = parse(sql, dialect)
    except UnreadableSql:
        return None
    if len(trees) != 1 or not isinstance(trees[0], exp.Insert):
        return None
    target = trees[0].this
    table = target.this if isinstance(target, exp.Schema) else target
    columns = target.expressions if isinstance(target, exp.Schema) else []
    return Insertion(table.name.lower(), tuple(column.name.lower() for column in columns), _nulls(trees[0].expression))


def _nulls(source: exp.Expression | None) -> frozenset[int]:
    rows = [row.expressions for row in source.expressions] if isinstance(source, exp.Values) else []
    if isinstance(source, exp.Select):
        rows = [source.selects]
    widths = range(min(map(len, rows), default=0))
    return frozenset(place for place in widths if all(isinstance(row[place], exp.Null) for row in rows))


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
