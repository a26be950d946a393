"""What MariaDB's and PostgreSQL's engines have in common: slots, threads, and a bound on what runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from environments.db.engine import Clock, SqlLimits
from environments.db.quoting import quoted
from environments.db.server.database import ServerDatabase
from environments.db.server.slot import Slot
from environments.db.server.threads import Threads
from schemas.errors import EnvironmentFault
from schemas.task_spec import Setup

PROGRAM_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/libexec"
"""Where servers lie; /usr/sbin is not on everybody's PATH."""
Release = Callable[[bool], Awaitable[None]]
"""Gives a slot back, told whether its database is as it was made."""


class ServerEngine:
    """Opens databases in slots; a subclass knows how its server makes them."""

    dialect: str

    def __init__(
        self, databases: Path, limits: SqlLimits | None = None, *, url: str | None = None, slots: int = 4
    ) -> None:
        """`databases` holds dumps; `url` names a server and its administrator; `slots` statements run at once."""
        self.limits = limits or SqlLimits()
        self.version = self.dialect
        self._databases, self._url = databases.absolute(), url
        self._turns = asyncio.Semaphore(slots)
        self._threads = Threads(self.dialect)
        self._growing = asyncio.Lock()

    async def open(self, setup: Setup) -> ServerDatabase:
        if setup.dialect != self.dialect:
            raise EnvironmentFault(f"the task is in {setup.dialect}, this engine is {self.dialect}", transient=False)
        if setup.database is None and not setup.tables:
            raise EnvironmentFault("the task names neither a database nor tables", transient=False)
        slot, release = await self._take(setup)
        database = ServerDatabase(slot, self.limits, self._threads, self._turns, release)
        try:
            await database.start(setup)
        except BaseException:
            await release(False)
            raise
        return database

    async def open_empty(self, setup: Setup) -> ServerDatabase:
        tables = tuple(table.model_copy(update={"rows": ()}) for table in setup.tables)
        database = await self.open(setup.model_copy(update={"tables": tables}))
        if setup.database is not None:
            await _empty(database, self.dialect)
        return database

    async def open_at(self, setup: Setup, clock: Clock) -> ServerDatabase | None:
        return None

    async def _take(self, setup: Setup) -> tuple[Slot, Release]:
        """Return a slot that is free for this set-up.

        Raises:
            EnvironmentFault: it can be made nowhere.
            SandboxError: there is no room, or no server.
        """
        raise NotImplementedError

    def walls(self) -> str:
        return "a login of its own" if self._url else "jailed server, a login of its own"


async def _empty(database: ServerDatabase, dialect: str) -> None:
    """Delete the rows of a database that was made of a dump; what refuses (a view of several tables) keeps none."""
    await database.run("SET foreign_key_checks = 0")
    for name in database.tables:
        await database.execute(f"DELETE FROM {quoted(name, dialect)}")
