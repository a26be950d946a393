"""Every engine behind one: each task runs on the engine whose dialect it is written in.

SQLite is there from the start; a server is started, or reached, when the first task needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from environments.db.engine import Clock, SqlDatabase, SqlEngine
from schemas.errors import EnvironmentFault
from schemas.task_spec import Setup


class Engines:
    """An `SqlEngine` that hands each set-up to the engine of its dialect."""

    def __init__(self, first: SqlEngine, others: Mapping[str, Callable[[], SqlEngine]]) -> None:
        """`others` make the engine of a dialect, not yet entered."""
        self._first, self._others = first, others
        self.dialect, self.limits = first.dialect, first.limits
        self._entered: dict[str, SqlEngine] = {first.dialect: first}
        self._starting = asyncio.Lock()
        self._stack = AsyncExitStack()

    @property
    def version(self) -> str:
        return self._first.version

    def walls(self) -> str:
        return self._first.walls()

    def knows(self, dialect: str) -> bool:
        """Whether there is an engine for tasks in this dialect."""
        return dialect == self.dialect or dialect in self._others

    def entered(self, dialect: str) -> SqlEngine:
        """Return the engine of a dialect where it was started, else the first."""
        return self._entered.get(dialect, self._first)

    async def engine_for(self, dialect: str) -> SqlEngine:
        """Return the engine of a dialect, started.

        Raises:
            ConfigError: its server is not here; the text says what brings it.
            EnvironmentFault: there is no engine of this dialect.
        """
        if not self.knows(dialect):
            known = ", ".join((self._first.dialect, *self._others))
            raise EnvironmentFault(
                f"there is no engine for the dialect {dialect!r}; there are {known}", transient=False
            )
        async with self._starting:
            if dialect not in self._entered:
                engine = self._others[dialect]()
                self._entered[dialect] = await self._stack.enter_async_context(engine)
        return self._entered[dialect]

    async def open(self, setup: Setup) -> SqlDatabase:
        return await (await self.engine_for(setup.dialect)).open(setup)

    async def open_empty(self, setup: Setup) -> SqlDatabase:
        return await (await self.engine_for(setup.dialect)).open_empty(setup)

    async def open_at(self, setup: Setup, clock: Clock) -> SqlDatabase | None:
        return await (await self.engine_for(setup.dialect)).open_at(setup, clock)

    async def __aenter__(self) -> Engines:
        await self._stack.enter_async_context(self._first)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()
