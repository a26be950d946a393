"""One live database on a server: the agent's session, watched from outside, and the administrator's view of it.

The agent may change every time-out of its own session, so deadline and growth are looked at from here, and the server
is told to stop the statement; a session that does not stop is ended, the database stays.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, TypeVar

from environments.db.engine import Result, SqlLimits
from environments.db.server.slot import Made, SessionLost, Slot
from environments.db.server.threads import Threads
from environments.db.state import State
from schemas.task_spec import Setup

T = TypeVar("T")
_GRACE_SECONDS = 0.5
"""Beyond a statement's deadline: the server's own time-out comes first and is worded better."""
_STUBBORN_SECONDS = 2.0
"""After it was told to stop, before its session is ended."""
_LOOK_SECONDS = 0.1
_QUICK_SECONDS = 0.05
"""A statement that took no longer cannot have written much."""
_MAX_SQL_CHARS = 100_000
_KEYS_OFF = re.compile("foreign_key_checks", re.IGNORECASE)
"""MariaDB's setting for it; PostgreSQL has one for superusers only."""
_ENDED = "the statement used more time or memory than it may and was ended, its session with it"


class ServerDatabase:
    """`execute`, `state`, `table`, `close` on one slot; owned by one coroutine."""

    def __init__(
        self,
        slot: Slot,
        limits: SqlLimits,
        threads: Threads,
        turns: asyncio.Semaphore,
        release: Callable[[bool], Awaitable[None]],
    ) -> None:
        """`turns` bounds the statements that run at once; `release` gives the slot back, told whether it is as made."""
        self._slot, self._limits, self._threads, self._turns, self._release = slot, limits, threads, turns, release
        self._session: Any = None
        self._is_full = False
        self._is_as_made = True
        self._made = Made(Setup(), "", (), 0)

    @property
    def schema(self) -> str:
        return self._made.schema

    @property
    def tables(self) -> tuple[str, ...]:
        return self._made.tables

    async def start(self, setup: Setup) -> None:
        """Make the database.

        Raises:
            EnvironmentFault, SandboxError: it cannot be made.
        """
        async with self._turns:
            self._made = await self._threads.run_out(self._slot.make, setup)

    async def execute(self, sql: str, *, seconds: float | None = None) -> Result:
        if len(sql) > _MAX_SQL_CHARS:
            return Result(error=f"the statement is too large: {len(sql)} characters; at most {_MAX_SQL_CHARS} are run")
        if _KEYS_OFF.search(sql):
            return Result(error="foreign keys hold here; they are not switched off")
        return await self.run(sql, seconds)

    async def run(self, sql: str, seconds: float | None = None) -> Result:
        """Run a statement of ours, too: as `execute`, and foreign keys may be switched off."""
        if self._is_full:
            return Result(error=self._grown())
        seconds = seconds or self._limits.statement_seconds
        async with self._turns:
            if self._session is None or not self._slot.is_open(self._session):
                self._session = await self._threads.run(self._slot.connect, seconds)
            result = await self._watched(self._session, sql, seconds)
            self._is_as_made &= not result.wrote
            return result

    async def _watched(self, session: Any, sql: str, seconds: float) -> Result:
        started = monotonic()
        work = asyncio.ensure_future(self._threads.run(self._slot.run, session, sql, seconds))
        try:
            await asyncio.wait({work}, timeout=_LOOK_SECONDS)
            why = "" if work.done() else await self._watch(work, session, seconds, started)
            result = await work
        except SessionLost:
            self._session = None
            return Result(error=why or _ENDED, wrote=True)
        except asyncio.CancelledError:
            self._session = None
            work.add_done_callback(_forget)
            await self._threads.run(self._slot.end, session)
            raise
        if monotonic() - started > _QUICK_SECONDS and not why and await self._has_grown():
            why = self._grown()
        return Result(error=why, wrote=True) if why else result

    async def _watch(self, work: asyncio.Future[Result], session: Any, seconds: float, started: float) -> str:
        """Wait for a statement to end, stop it where it must; return why it was stopped."""
        why, told = "", 0.0
        while not work.done():
            now = monotonic()
            if why and now - told > _STUBBORN_SECONDS:
                await self._threads.run(self._slot.end, session)
                told = now
            elif not why:
                why = await self._reason_to_stop(now - started, seconds)
                if why:
                    told = now
                    await self._threads.run(self._slot.interrupt, session)
            await asyncio.wait({work}, timeout=_LOOK_SECONDS)
        return why

    async def _reason_to_stop(self, elapsed: float, seconds: float) -> str:
        if elapsed > seconds + _GRACE_SECONDS:
            return f"the statement ran longer than {seconds:g} s and was stopped"
        return self._grown() if await self._has_grown() else ""

    async def _has_grown(self) -> bool:
        grown = await self._threads.run(self._slot.size) - self._made.size
        self._is_full |= grown > self._limits.growth_mb << 20
        return self._is_full

    def _grown(self) -> str:
        return f"the database has grown by more than {self._limits.growth_mb} MB; nothing more is run on it"

    async def state(self) -> State:
        return await self._aside(self._slot.state)

    async def table(self, name: str, columns: Sequence[str] = (), limit: int = 100_000) -> Result:
        return await self._aside(self._slot.table, name, columns, limit)

    async def close(self) -> None:
        if self._session is not None:
            await self._aside(bool)
        await self._release(self._is_as_made)

    async def _aside(self, look: Callable[..., T], *arguments: Any) -> T:
        """Leave the agent's session, then look: what it left open is rolled back, what it locked is free."""
        session, self._session = self._session, None

        def work() -> T:
            if session is not None:
                self._slot.leave(session)
            return look(*arguments)

        return await self._threads.run_out(work)


def _forget(work: asyncio.Future[Result]) -> None:
    """Take what an abandoned statement ended with, so that nobody is told."""
    if not work.cancelled():
        work.exception()
