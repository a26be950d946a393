"""A database as a prompt shows it: its schema, and what its tables hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from environments.db.engine import SqlEngine
from environments.db.episode import shown_schema
from environments.db.profile import TableProfile, profile_tables, shown
from schemas.record import digest
from schemas.task_spec import Setup

_MAX_SAMPLES = 8
_SHOWN_ROWS = 2
"""Of a table, in a prompt that has profiles."""


@dataclass(frozen=True)
class TableSample:
    """A few rows of one table."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DatabaseCard:
    """A database as a prompt shows it."""

    name: str
    sha256: str
    schema: str
    samples: tuple[TableSample, ...] = ()
    """Its first rows; empty where it is profiled."""
    tables: tuple[TableProfile, ...] = ()
    """Its profiles; empty where rows are shown."""
    has_keys: bool = True
    """Whether foreign keys are enforced."""

    def profiles(self, key: str) -> list[dict[str, Any]]:
        """Word the profiles, each with rows that `key` draws."""
        return [_word_profile(table, key) for table in self.tables]


def _word_profile(table: TableProfile, key: str) -> dict[str, Any]:
    drawn = sorted(range(len(table.samples)), key=lambda i: digest(key, table.name, i))[:_SHOWN_ROWS]
    rows = [" | ".join(map(shown, table.samples[i])) for i in sorted(drawn)]
    columns = [str(column) for column in table.columns]
    heading = " | ".join(table.names)
    return {"name": table.name, "rows": table.rows, "columns": columns, "heading": heading, "samples": rows}


async def describe_database(engine: SqlEngine, sha256: str, name: str) -> DatabaseCard:
    """Look at a stored database: schema and the first three rows of its first tables.

    Raises:
        EnvironmentFault: it cannot be opened.
        SandboxError: the engine broke.
    """
    database = await engine.open(Setup(database=sha256, database_name=name))
    try:
        samples = []
        for table in database.tables[:_MAX_SAMPLES]:
            found = await database.table(table, limit=3)
            rows = tuple(tuple(shown(value) for value in row) for row in found.rows)
            samples.append(TableSample(table, found.columns, rows))
        return DatabaseCard(name, sha256, shown_schema(database.schema), tuple(samples))
    finally:
        await database.close()


async def profile_database(engine: SqlEngine, sha256: str, name: str) -> DatabaseCard:
    """Look at a stored database: schema, and what its columns hold.

    Raises:
        EnvironmentFault: it cannot be opened.
        SandboxError: the engine broke.
    """
    database = await engine.open(Setup(database=sha256, database_name=name))
    try:
        tables = await profile_tables(database)
        keys = await database.execute("PRAGMA foreign_keys")
        return DatabaseCard(name, sha256, shown_schema(database.schema), (), tables, keys.rows != ((0,),))
    finally:
        await database.close()
