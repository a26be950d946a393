"""Change: one INSERT, UPDATE or DELETE as data, and the SQL that makes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Value = str | int | float | None
Operation = Literal["INSERT", "UPDATE", "DELETE"]

_PLAIN = re.compile(r"[A-Za-z_]\w*\Z", re.ASCII)
# sqlite.org/lang_keywords.html
_KEYWORD_LIST = """
    abort action add after all alter always analyze and as asc attach autoincrement before begin between by cascade
    case cast check collate column commit conflict constraint create cross current current_date current_time
    current_timestamp database default deferrable deferred delete desc detach distinct do drop each else end escape
    except exclude exclusive exists explain fail filter first following for foreign from full generated glob group
    groups having if ignore immediate in index indexed initially inner insert instead intersect into is isnull join key
    last left like limit match materialized natural no not nothing notnull null nulls of offset on or order others outer
    over partition plan pragma preceding primary query raise range recursive references regexp reindex release rename
    replace restrict returning right rollback row rows savepoint select set table temp temporary then ties to
    transaction trigger unbounded union unique update using vacuum values view virtual when where window with
    without"""
_KEYWORDS = frozenset(_KEYWORD_LIST.split())
_COMPARISONS = {"after": ">", "before": "<"}


def quote_name(name: str) -> str:
    """Write an identifier, quoted where SQLite needs it."""
    if _PLAIN.match(name) and name.lower() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_value(value: Value) -> str:
    """Write a literal."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class Condition:
    """What rows a change concerns."""

    column: str
    comparison: str
    """=, <>, <, >, <=, >=, or `after` and `before` for dates written as text."""
    value: Value

    def sql(self) -> str:
        """Write it as SQL; nothing equals NULL, so NULL is asked for with IS."""
        if self.value is None:
            return f"{quote_name(self.column)} IS {'NULL' if self.comparison == '=' else 'NOT NULL'}"
        sign = _COMPARISONS.get(self.comparison, self.comparison)
        return f"{quote_name(self.column)} {sign} {quote_value(self.value)}"

    def holds(self, value: Value) -> bool:
        """Whether a row with this value in the column is concerned."""
        if self.value is None:
            return (value is None) == (self.comparison == "=")
        if value is None or isinstance(value, str) != isinstance(self.value, str):
            return False
        return _compare(_COMPARISONS.get(self.comparison, self.comparison), value, self.value)


def _compare(sign: str, left: str | int | float, right: str | int | float) -> bool:
    if sign in ("=", "<>"):
        return (left == right) == (sign == "=")
    less: bool = left < right  # type: ignore[operator]  # both are texts or both are numbers
    return (left == right and sign in ("<=", ">=")) or (left != right and less == sign.startswith("<"))


@dataclass(frozen=True)
class Assignment:
    """What a column gets."""

    column: str
    value: Value
    kind: str = "set"
    """set, add, cut, raise_percent or cut_percent (both rounded to two decimals)."""

    def sql(self) -> str:
        """Write it as `column = expression`."""
        name, value = quote_name(self.column), quote_value(self.value)
        if self.kind == "set" or not isinstance(self.value, (int, float)):
            return f"{name} = {value}"
        if self.kind in ("add", "cut"):
            return f"{name} = {name} {'+' if self.kind == 'add' else '-'} {value}"
        percent = 100 + self.value if self.kind == "raise_percent" else 100 - self.value
        return f"{name} = ROUND({name} * {percent} / 100.0, 2)"


@dataclass(frozen=True)
class Change:
    """One write to one table."""

    operation: Operation
    table: str
    assignments: tuple[Assignment, ...] = ()
    """Columns and values of the new row, or what an UPDATE sets; empty for DELETE."""
    where: tuple[Condition, ...] = ()
    """All must hold; empty for INSERT."""

    def sql(self) -> str:
        """Write the statement."""
        table = quote_name(self.table)
        if self.operation == "INSERT":
            columns = ", ".join(quote_name(a.column) for a in self.assignments)
            values = ", ".join(quote_value(a.value) for a in self.assignments)
            return f"INSERT INTO {table} ({columns}) VALUES ({values})"
        if self.operation == "UPDATE":
            return f"UPDATE {table} SET {', '.join(a.sql() for a in self.assignments)} WHERE {self.condition()}"
        return f"DELETE FROM {table} WHERE {self.condition()}"

    def condition(self) -> str:
        """Write the WHERE clause's expression."""
        return " AND ".join(c.sql() for c in self.where)
