"""SQLite behind the engine seam: a few warm, jailed workers, each holding many databases.

A worker that overruns is killed and replaced. The databases that it held are made anew on the next one by running
their statements again, so one hostile statement costs its siblings milliseconds, not their episodes.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import environments.db
from environments.db.engine import Result, SqlLimits
from environments.db.sqlite_worker import frame
from environments.db.state import SqlValue, State
from sandboxes.base import Limits
from sandboxes.jail import jail
from schemas.errors import ConfigError, EnvironmentFault, SandboxError
from schemas.task_spec import Setup

_START_SECONDS = 30.0
_GRACE_SECONDS = 2.0
"""Beyond a statement's deadline, before its worker is killed: room for a busy machine."""
_ENDED = "the statement used more time or memory than it may and was ended"
_PACKAGE = Path(environments.db.__file__).resolve().parent
_MODULES = ("__init__.py", "state.py", "sqlite_catalogue.py", "sqlite_guard.py", "sqlite_worker.py")
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from environments.db.sqlite_worker import main; main(sys.argv[2:])"
)


class WorkerLost(Exception):
    """The worker died, or was killed because it did not answer in time."""


class _Worker:
    """One jailed process. Requests go one at a time under its lock; `generation` counts its lives."""

    def __init__(self, databases: Path, limits: SqlLimits) -> None:
        self.lock = asyncio.Lock()
        self.generation = 0
        self.open = 0
        self._databases, self._limits = databases, limits
        self._process: asyncio.subprocess.Process | None = None

    async def request(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Ask once; the caller holds the lock.

        Raises:
            WorkerLost: no answer within `seconds` and the grace; the process is gone.
            SandboxError: no process could be started.
        """
        process = self._process or await self.start()
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                _stdin(process).write(frame({**message, "seconds": seconds}))
                await _stdin(process).drain()
                return await _receive(process)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as lost:
            await self.stop()
            raise WorkerLost from lost
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def start(self) -> asyncio.subprocess.Process:
        """Start the process and wait until it answers.

        Raises:
            SandboxError: it does not start.
        """
        limits = json.dumps(asdict(self._limits))
        argv = (sys.executable, "-I", "-S", "-c", _START, str(_PACKAGE.parent.parent), limits)
        process = await jail(
            argv,
            read_only=(_PACKAGE.parent / "__init__.py", *(_PACKAGE / name for name in _MODULES), self._databases),
            limits=Limits(processes=8, data_mb=2 * self._limits.memory_mb, cpu_seconds=24 * 3600),
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                await _receive(process)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await _end(process)
            raise SandboxError(f"the SQLite worker did not start: {await _complaint(process)}") from error
        except asyncio.CancelledError:
            await _end(process)
            raise
        self.generation += 1
        self._process = process
        return process

    async def stop(self) -> None:
        """Kill the process; the next request starts another."""
        process, self._process = self._process, None
        self.generation += 1
        if process is not None:
            await _end(process)


class SqliteDatabase:
    """One database on a worker, and what it takes to make it again on another."""

    def __init__(self, worker: _Worker, handle: str, source: dict[str, Any], limits: SqlLimits) -> None:
        self._worker, self._handle, self._source, self._limits = worker, handle, source, limits
        self._generation = -1
        self._statements: list[str] = []
        self._schema = ""
        self._tables: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        return self._schema

    @property
    def tables(self) -> tuple[str, ...]:
        return self._tables

    async def start(self) -> None:
        """Open it on its worker."""
        self._worker.open += 1
        await self._ask({"op": "state"}, self._limits.reference_seconds, only_open=True)

    async def execute(self, sql: str, *, seconds: float | None = None) -> Result:
        seconds = seconds or self._limits.statement_seconds
        try:
            reply = await self._ask({"op": "execute", "sql": sql}, seconds)
        except WorkerLost:
            return Result(error=_ENDED)
        self._statements.append(sql)
        return _result(reply)

    async def state(self) -> State:
        reply = await self._ask_surely({"op": "state"})
        return State({name: (rows, digest) for name, (rows, digest) in reply["tables"].items()}, reply["objects"])

    async def table(self, name: str, columns: Sequence[str] = (), limit: int = 100_000) -> Result:
        return _result(await self._ask_surely({"op": "table", "name": name, "columns": list(columns), "limit": limit}))

    async def close(self) -> None:
        worker, generation = self._worker, self._generation
        worker.open -= 1
        async with worker.lock:
            if generation == worker.generation:
                with suppress(WorkerLost):  # and the database with it
                    await worker.request({"op": "close", "handle": self._handle}, 5.0)

    async def _ask_surely(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._ask(message, 3 * self._limits.reference_seconds)
        except WorkerLost as lost:
            raise SandboxError(f"the SQLite worker was lost at `{message['op']}`") from lost

    async def _ask(self, message: dict[str, Any], seconds: float, *, only_open: bool = False) -> dict[str, Any]:
        async with self._worker.lock:
            if self._generation != self._worker.generation:
                await self._make()
            if only_open:
                return {}
            reply = await self._worker.request({**message, "handle": self._handle}, seconds)
        if "fault" in reply:
            raise EnvironmentFault(f"the database engine failed: {reply['fault']}", transient=False)
        return reply

    async def _make(self) -> None:
        """Open on the worker's present process and run again what was run before."""
        seconds = self._limits.reference_seconds
        try:
            reply = await self._worker.request({"op": "open", "handle": self._handle, **self._source}, seconds)
            if "fault" in reply:
                is_crowded = "out of memory" in reply["fault"]
                raise EnvironmentFault(f"the database cannot be opened: {reply['fault']}", transient=is_crowded)
            self._schema, self._tables = reply["schema"], tuple(reply["tables"])
            for sql in self._statements:
                await self._worker.request({"op": "execute", "handle": self._handle, "sql": sql}, seconds)
        except WorkerLost as lost:
            raise SandboxError("the SQLite worker was lost while a database was opened") from lost
        self._generation = self._worker.generation


class SqliteEngine:
    """A pool of workers over one folder of database files."""

    dialect = "sqlite"
    version = f"sqlite {sqlite3.sqlite_version}"

    def __init__(self, databases: Path, limits: SqlLimits | None = None, workers: int = 2) -> None:
        """`databases` holds `<sha256>.sqlite` files (`environments.db.store.store_database`)."""
        self.limits = limits or SqlLimits()
        self._databases = databases.absolute()
        self._workers = [_Worker(self._databases, self.limits) for _ in range(workers)]
        self._handles = count(1)

    async def open(self, setup: Setup) -> SqliteDatabase:
        if setup.dialect != self.dialect:
            raise EnvironmentFault(f"the task is in {setup.dialect}, this engine is {self.dialect}", transient=False)
        if setup.database is None and not setup.tables:
            raise EnvironmentFault("the task names neither a database nor tables", transient=False)
        worker = min(self._workers, key=lambda each: each.open)
        database = SqliteDatabase(worker, str(next(self._handles)), self._source(setup), self.limits)
        try:
            await database.start()
        except (EnvironmentFault, SandboxError):
            worker.open -= 1
            raise
        return database

    def _source(self, setup: Setup) -> dict[str, Any]:
        if setup.database is not None:
            return {"database": setup.database, "path": str(self._databases / f"{setup.database}.sqlite")}
        return {"database": None, "tables": [table.model_dump(mode="json") for table in setup.tables]}

    def walls(self) -> str:
        return "jailed worker"

    async def __aenter__(self) -> SqliteEngine:
        """Make the folder and start one worker, so that a machine without walls is told before anything is spent.

        Raises:
            ConfigError: the worker does not start behind its walls here.
        """
        self._databases.mkdir(parents=True, exist_ok=True)
        try:
            await self._workers[0].start()
        except SandboxError as error:
            raise ConfigError(f"no database can be opened on this machine: {error}. Run `trajmill doctor`.") from error
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers))


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin


async def _receive(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    length = int.from_bytes(await process.stdout.readexactly(4), "big")
    message: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
    return message


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _complaint(process: asyncio.subprocess.Process) -> str:
    said = await process.stderr.read(8000) if process.stderr is not None else b""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"  # the last line of a traceback says what it was


def _result(reply: dict[str, Any]) -> Result:
    if "error" in reply:
        return Result(error=reply["error"])
    rows = tuple(tuple(_value(value) for value in row) for row in reply["rows"])
    return Result(
        tuple(reply["columns"]),
        rows,
        None,
        reply["truncated"],
        tuple(reply.get("tables", ())),
        reply.get("wrote", False),
    )


def _value(value: Any) -> SqlValue:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
