"""The seam: an SQL engine that gives every episode a database of its own and runs one statement at a time.

SQLite stands behind it (`sqlite_engine.py`), and so do servers (`server/`); `engines.py` chooses by dialect.
The agent's SQL is never rewritten on the way: a task is written in its engine's own dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from environments.db.state import SqlValue, State
from schemas.task_spec import Setup


@dataclass(frozen=True)
class SqlLimits:
    """What one statement and one database may use."""

    statement_seconds: float = 2.0
    """Deadline of one of the agent's statements."""
    reference_seconds: float = 10.0
    """Deadline of one of ours (references), so that a busy machine does not decide whether a task is right."""
    rows: int = 2000
    """Rows kept of one result."""
    result_bytes: int = 1 << 20
    """Text and bytes kept of one result."""
    value_bytes: int = 10_000_000
    """Longest string or blob that a statement may make."""
    growth_mb: int = 32
    """What an episode may add to its database."""
    memory_mb: int = 512
    """Heap of one worker, shared by the databases that it holds."""
    copied_mb: int = 64
    """Databases up to this size are copied into memory; larger ones are opened read-only."""


class Clock(NamedTuple):
    """The time at which a reference is run for a trial, and how chance falls then."""

    second: int
    """Since 1970."""
    mirrored: bool
    """Chance falls the other way at every throw."""


@dataclass(frozen=True)
class Result:
    """What one statement gave."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[SqlValue, ...], ...] = ()
    error: str | None = None
    """The engine's words; None = it ran."""
    truncated: bool = False
    """There were more rows than the limits keep."""
    tables: tuple[str, ...] = ()
    """Tables that it read or wrote, in name order; no catalogue, but what looks like a table (`json_each`) too."""
    wrote: bool = False
    """It was of a kind that writes, even if it changed nothing; on a server also where it failed."""
    changed: int | None = None
    """Rows that an INSERT, UPDATE or DELETE itself changed, as the engine counts them (MariaDB: an UPDATE's rows that
    were so before do not count); what triggers and keys did beside is not counted. None = no such statement."""


class SqlDatabase(Protocol):
    """One live database, owned by one coroutine."""

    @property
    def schema(self) -> str:
        """CREATE statements of its tables as they were when it was opened."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables as they were then, in name order."""

    async def execute(self, sql: str, *, seconds: float | None = None) -> Result:
        """Run one statement as the agent; every SQL error is a result.

        Raises:
            SandboxError: the engine broke, not the statement.
        """

    async def state(self) -> State:
        """Roll back what is open and digest all tables and the schema, in a view that holds nothing of the agent's.

        Raises:
            SandboxError: the engine broke.
        """

    async def table(self, name: str, columns: Sequence[str] = (), limit: int = 100_000) -> Result:
        """Read a table's rows in the same kind of view; a table or column that is not there is an error result."""

    async def close(self) -> None: ...


class SqlEngine(Protocol):
    """Opens databases; an async context manager that owns processes or connections."""

    dialect: str
    limits: SqlLimits

    @property
    def version(self) -> str:
        """Name and version of the software; of a server, known once the engine is entered."""

    async def open(self, setup: Setup) -> SqlDatabase:
        """Make a fresh database from a stored file or inline tables.

        Raises:
            EnvironmentFault: there is no such file, or the tables cannot be made.
            SandboxError: the engine broke.
        """

    async def open_empty(self, setup: Setup) -> SqlDatabase:
        """Make the same without a row: tables, views and indexes, so that what a statement shows of the data is told.

        Raises:
            EnvironmentFault, SandboxError: as `open`.
        """

    async def open_at(self, setup: Setup, clock: Clock) -> SqlDatabase | None:
        """Make the same under a clock of its own; None where the engine's cannot be set.

        Raises:
            EnvironmentFault, SandboxError: as `open`.
        """

    def walls(self) -> str:
        """Name what the engine runs behind and which kind of limits holds, for provenance."""

    async def __aenter__(self) -> SqlEngine: ...

    async def __aexit__(self, *exception: object) -> None: ...
