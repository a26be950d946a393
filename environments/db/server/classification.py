"""What a statement that a server ran has touched: servers do not tell, so it is read with sqlglot, never rewritten."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_LOOKS = (exp.Query, exp.Show, exp.Describe, exp.Use, exp.Set, exp.Transaction, exp.Commit, exp.Rollback)
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Into, exp.Command)
_CATALOGUES = (exp.Show, exp.Describe, exp.Use, exp.Set)
_PLAIN = (exp.Query, exp.Insert, exp.Update, exp.Delete)
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_NOT_PLAIN = (exp.Anonymous, exp.Command, exp.Into, exp.Lock, exp.Parameter, exp.SessionParameter)
_STRINGS = re.compile(r"'(?:[^'\\]|''|\\.)*'|--[^\n]*|#[^\n]*|/\*.*?\*/", re.DOTALL)
_RUN_COMMENT = re.compile(r"/\*M?!", re.IGNORECASE)
"""MariaDB runs what stands in such a comment: `/*! INSERT INTO t */ SELECT 1` writes."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Touch:
    """What one statement names."""

    tables: tuple[str, ...]
    """In name order; neither catalogues nor names that the statement made up itself (WITH)."""
    wrote: bool
    """It is of a kind that writes; also where it cannot be read."""
    is_plain: bool
    """A query, INSERT, UPDATE or DELETE that calls nothing but SQL's own functions: it sets nothing in its session."""
    changes: bool = False
    """It is an INSERT, UPDATE, DELETE or MERGE: the server counts what it changes."""


def read_touch(sql: str, dialect: str, known: Mapping[str, str], own: Collection[str]) -> Touch:
    """Classify one statement that was run.

    `known` are the database's tables by their lower-case names; `own` the lower-case names that the database itself
    goes by. What sqlglot cannot read counts as a write, and the known tables that it names outside strings as touched.
    """
    read = _read(sql, dialect)
    if read is None:
        return Touch(_named(sql, known), True, False)
    named, wrote, is_plain, changes = read
    found = {known.get(name, name) for name, place in named if not place or place in own}
    return Touch(tuple(sorted(found)), wrote, is_plain, changes)


@lru_cache(maxsize=4096)
def _read(sql: str, dialect: str) -> tuple[frozenset[tuple[str, str]], bool, bool, bool] | None:
    """Return the tables that a statement names, each with its place, whether it writes, is plain, changes rows.

    None where it cannot be read.

    Remembered, since references and their replays say the same again and again, and reading takes a millisecond.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except (SqlglotError, RecursionError):
        return None
    if len(trees) != 1 or isinstance(trees[0], exp.Command) or _RUN_COMMENT.search(sql):
        return None
    tree = trees[0]
    if isinstance(tree, _CATALOGUES) and not _runs(tree):
        return frozenset(), False, False, False
    wrote = not isinstance(tree, _LOOKS) or bool(tree.find(*_WRITES))
    is_plain = isinstance(tree, _PLAIN) and not tree.find(*_NOT_PLAIN)
    return _tables(tree), wrote, is_plain, isinstance(tree, _CHANGES)


def _runs(tree: exp.Expression) -> bool:
    """Whether an EXPLAIN runs what it explains (ANALYZE)."""
    return isinstance(tree, exp.Describe) and bool(tree.find(*_WRITES))


def _named(sql: str, known: Mapping[str, str]) -> tuple[str, ...]:
    words = {word.lower() for word in _WORD.findall(_STRINGS.sub(" ", sql))}
    return tuple(sorted(known[word] for word in words & known.keys()))


def _tables(tree: exp.Expression) -> frozenset[tuple[str, str]]:
    made_up = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    found = {(table.name.lower(), table.db.lower()) for table in tree.find_all(exp.Table)}
    return frozenset((name, place) for name, place in found if name and (place or name not in made_up))
