"""A person's SQL reads the tables and nothing else, whatever it says: one statement, of a kind that reads, on a DuckDB
that may open no file but the tables' own, write none, fetch nothing and be told nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from schemas.errors import ConfigError

_SAYS = "Only one SELECT (or FROM, SHOW, DESCRIBE, EXPLAIN of one) can be run: the tables are read-only."
_MODES = ("analyze", "analyse", "verbose")


def require_reading(query: str) -> None:
    """Let a query pass that is one statement which reads.

    Raises:
        ConfigError: it is none, several, or does something else.
        duckdb.Error: it cannot be parsed.
    """
    kinds = _kinds_of(query)
    if kinds == [duckdb.StatementType.EXPLAIN]:
        kinds = _explained(query)  # EXPLAIN ANALYZE runs what it explains
    if kinds != [duckdb.StatementType.SELECT]:
        raise ConfigError(_SAYS)


def lock_down(connection: duckdb.DuckDBPyConnection, files: Sequence[str]) -> None:
    """Take from a connection, for good, all that it could reach but these files."""
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    for setting in (
        f"allowed_paths = [{listed}]",
        "temp_directory = ''",
        "allow_community_extensions = false",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _explained(query: str) -> list[duckdb.StatementType]:
    """Return the kinds of the statements behind an EXPLAIN and what it is told in words or in brackets."""
    starts = [start for start, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment]
    words = [query.encode()[start:].decode("utf-8", "replace") for start in starts][1:]
    while words and words[0].lower().startswith(_MODES):
        words = words[1:]
    return _kinds(words[0] if words else "") or _kinds(_behind_brackets(words))


def _behind_brackets(words: Sequence[str]) -> str:
    end = next((i for i, word in enumerate(words) if word.startswith(")")), len(words))
    return words[end + 1] if words and words[0].startswith("(") and end + 1 < len(words) else ""


def _kinds(sql: str) -> list[duckdb.StatementType]:
    try:
        return _kinds_of(sql)
    except duckdb.Error:
        return []


def _kinds_of(sql: str) -> list[duckdb.StatementType]:
    try:
        return [statement.type for statement in duckdb.extract_statements(sql)]
    except ValueError:  # a kind that DuckDB's Python has no name for
        return []
