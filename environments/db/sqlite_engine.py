"""SQLite behind the engine seam: a few warm, jailed workers, each holding many databases.

A worker that overruns is killed and replaced. The databases that it held are made anew on the next one by running
their statements again, so one hostile statement costs its siblings milliseconds, not their episodes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import environments.db
from environments.db.engine import Clock, Result, SqlLimits
from environments.db.sqlite_worker import Kept, frame
from environments.db.state import SqlValue, State
from sandboxes.base import Limits
from sandboxes.jail import jail
from schemas.errors import ConfigError, EnvironmentFault, SandboxError
from schemas.task_spec import Setup, TableData

_START_SECONDS = 30.0
_GRACE_SECONDS = 2.0
"""Beyond a statement's deadline, before its worker is killed: room for a busy machine."""
_ENDED = "the statement used more time or memory than it may and was ended"
_TABLES_BYTES = 32 << 20
_PACKAGE = Path(environments.db.__file__).resolve().parent
_MODULES = ("__init__", "quoting", "state", "sqlite_catalogue", "sqlite_clock", "sqlite_guard", "sqlite_worker")
_Source = tuple[dict[str, Any], bytes]
"""What a request to open says of the database, and its inline tables as JSON."""
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from environments.db.sqlite_worker import main; main(sys.argv[2:])"
)


class WorkerLost(Exception):
    """The worker died at this request, or was killed because it did not answer it in time."""


class NotServed(Exception):
    """The worker ended before this request had its turn: the next worker may be asked."""


class _Life(asyncio.Protocol):
    """One process and our end of its wire: requests go out at once, wait there, and are answered in their order.

    The time of a request counts from the answer before it, so none is killed for what it waited behind.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.is_over = False
        self.closed: list[str] = []
        """Handles that the next request takes along, to be freed."""
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[dict[str, Any]], float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None
        self._leaving: list[bytes] = []
        """Requests of one turn of the loop, sent as one: each sending may wake the process."""
        self._received = bytearray()

    def ask(self, message: dict[str, Any], seconds: float, tables: bytes = b"") -> asyncio.Future[dict[str, Any]]:
        """Send a request; its answer raises `WorkerLost` if there is none within `seconds` and the grace.

        Raises:
            NotServed: it is over; the answer raises this too.
        """
        if self.is_over or self._wire is None:
            raise NotServed
        closed, self.closed = self.closed, []
        if not self._leaving:
            self._loop.call_soon(self._send)
        self._leaving.append(frame({**message, "seconds": seconds, "closed": closed}, tables))
        return self.expect(seconds + _GRACE_SECONDS)

    def _send(self) -> None:
        if self._wire is not None and not self.is_over:
            self._wire.write(b"".join(self._leaving))
        self._leaving.clear()

    def expect(self, seconds: float) -> asyncio.Future[dict[str, Any]]:
        """Wait for one more answer, for `seconds` from the answer before it."""
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiting.append((answer, seconds))
        if len(self._waiting) == 1:
            self._watch = self._loop.call_later(seconds, self._lose)
        return answer

    async def request(self, message: dict[str, Any], seconds: float, tables: bytes = b"") -> dict[str, Any]:
        """Ask, and end the process if the asker is cancelled: nobody knows what it has done by then.

        Raises:
            WorkerLost, NotServed: see `ask`.
        """
        try:
            return await self.ask(message, seconds, tables)
        except asyncio.CancelledError:
            self.end()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= 4 and len(received) >= (end := 4 + int.from_bytes(received[:4], "big")):
            message = json.loads(received[4:end])
            del received[:end]
            self._answered(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()

    def _answered(self, message: dict[str, Any]) -> None:
        answer, _ = self._waiting.popleft()
        if not answer.done():
            answer.set_result(message)
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._loop.call_later(self._waiting[0][1], self._lose) if self._waiting else None

    def _lose(self) -> None:
        """End it and lay that on the request that it was at."""
        if self._waiting and not self._waiting[0][0].done():
            self._waiting[0][0].set_exception(WorkerLost())
        self.end()

    def end(self) -> None:
        """Kill the process; who still waits was not served."""
        if self.is_over:
            return
        self.is_over = True
        if self.process.returncode is None:
            self.process.kill()
        if self._wire is not None:
            self._wire.abort()
        if self._watch is not None:
            self._watch.cancel()
        for answer, _ in self._waiting:
            if not answer.done():
                answer.set_exception(NotServed())
        self._waiting.clear()


class _Worker:
    """One life after the other, and the number of databases that are on it."""

    def __init__(self, databases: Path, limits: SqlLimits) -> None:
        self.life: _Life | None = None
        self.open = 0
        self._databases, self._limits = databases, limits
        self._starting = asyncio.Lock()

    async def living(self) -> _Life:
        """Return the present life, or begin the next.

        Raises:
            SandboxError: no process could be started.
        """
        async with self._starting:
            if self.life is None or self.life.is_over:
                await self.stop()
                self.life = await self._started()
            return self.life

    async def _started(self) -> _Life:
        wire, far = socket.socketpair()
        with far:
            try:
                life = _Life(await self._jailed(far.fileno()))
            except BaseException:
                wire.close()
                raise
        try:
            ready = life.expect(_START_SECONDS)
            await asyncio.get_running_loop().create_connection(lambda: life, sock=wire)
            await ready
        except WorkerLost as lost:
            raise SandboxError(f"the SQLite worker did not start: {await _complaint(life.process)}") from lost
        except asyncio.CancelledError:
            life.end()
            raise
        return life

    async def _jailed(self, wire: int) -> asyncio.subprocess.Process:
        limits = json.dumps(asdict(self._limits))
        return await jail(
            (sys.executable, "-I", "-S", "-c", _START, str(_PACKAGE.parent.parent), limits, str(wire)),
            read_only=(
                _PACKAGE.parent / "__init__.py",
                *(_PACKAGE / f"{name}.py" for name in _MODULES),
                self._databases,
            ),
            pass_fds=(wire,),
            limits=Limits(processes=8, data_mb=2 * self._limits.memory_mb, cpu_seconds=24 * 3600),
        )

    async def stop(self) -> None:
        """Kill the process; the next database that is asked starts another."""
        life, self.life = self.life, None
        if life is not None:
            life.end()
            await life.process.wait()


class SqliteDatabase:
    """One database on a worker, and what it takes to make it again on another."""

    def __init__(self, worker: _Worker, handle: str, source: _Source, limits: SqlLimits) -> None:
        self._worker, self._handle, self._source, self._limits = worker, handle, source, limits
        self._life: _Life | None = None
        self._is_closed = False
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
        while self._life is None:
            with suppress(NotServed):
                await self._make()

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
        """Let the next request take it along; an idle worker, which holds nothing else, is told now."""
        if self._is_closed:
            return
        self._is_closed = True
        self._worker.open -= 1
        life = self._life
        if life is None or life.is_over:
            return
        life.closed.append(self._handle)
        if not self._worker.open:
            with suppress(WorkerLost, NotServed):  # and the database with it
                await life.ask({"op": "nothing"}, 5.0)

    async def _ask_surely(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._ask(message, 3 * self._limits.reference_seconds)
        except WorkerLost as lost:
            raise SandboxError(f"the SQLite worker was lost at `{message['op']}`") from lost

    async def _ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        while True:
            try:
                life = self._life
                if life is None or life.is_over:
                    life = await self._make()
                reply = await life.request({**message, "handle": self._handle}, seconds)
            except NotServed:  # for the fault of another: each costs it a request, so this ends
                continue
            if "fault" in reply:
                raise EnvironmentFault(f"the database engine failed: {reply['fault']}", transient=False)
            return reply

    async def _make(self) -> _Life:
        """Open on the worker's present life and run again what was run before."""
        seconds = self._limits.reference_seconds
        life = await self._worker.living()
        try:
            message, tables = self._source
            reply = await life.request({"op": "open", "handle": self._handle, **message}, seconds, tables)
            if "fault" in reply:
                is_crowded = "out of memory" in reply["fault"]
                raise EnvironmentFault(f"the database cannot be opened: {reply['fault']}", transient=is_crowded)
            self._schema, self._tables = reply["schema"], tuple(reply["tables"])
            for sql in self._statements:
                await life.request({"op": "execute", "handle": self._handle, "sql": sql}, seconds)
        except WorkerLost as lost:
            raise SandboxError("the SQLite worker was lost while a database was opened") from lost
        self._life = life
        return life


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
        self._inline: Kept[tuple[tuple[TableData, ...], bytes]] = Kept(_TABLES_BYTES)

    async def open(self, setup: Setup) -> SqliteDatabase:
        return await self._open(setup, {})

    async def open_empty(self, setup: Setup) -> SqliteDatabase:
        return await self._open(setup, {"empty": True})

    async def open_at(self, setup: Setup, clock: Clock) -> SqliteDatabase:
        return await self._open(setup, {"clock": [clock.second, int(clock.mirrored)]})

    async def _open(self, setup: Setup, more: dict[str, Any]) -> SqliteDatabase:
        if setup.dialect != self.dialect:
            raise EnvironmentFault(f"the task is in {setup.dialect}, this engine is {self.dialect}", transient=False)
        if setup.database is None and not setup.tables:
            raise EnvironmentFault("the task names neither a database nor tables", transient=False)
        worker = min(self._workers, key=lambda each: each.open)
        message, tables = self._source(setup)
        source = {**message, **more}, tables
        database = SqliteDatabase(worker, str(next(self._handles)), source, self.limits)
        try:
            await database.start()
        except (EnvironmentFault, SandboxError, asyncio.CancelledError):
            worker.open -= 1
            raise
        return database

    def _source(self, setup: Setup) -> _Source:
        if setup.database is not None:
            return {"database": setup.database, "path": str(self._databases / f"{setup.database}.sqlite")}, b""
        return {"database": None}, self._written(setup.tables)

    def _written(self, tables: tuple[TableData, ...]) -> bytes:
        """Write inline tables as JSON, once for all databases of a set-up."""
        # Known by identity: 1 equals 1.0, and they are not the same in a database. What is kept keeps its id.
        name = tuple(map(id, tables))
        kept = self._inline.get(name)
        if kept is None:
            kept = tables, json.dumps([table.model_dump(mode="json") for table in tables]).encode()
            self._inline.keep(name, kept, len(kept[1]))
        return kept[1]

    def walls(self) -> str:
        return "jailed worker/rlimit"

    async def __aenter__(self) -> SqliteEngine:
        """Make the folder and start one worker, so that a machine without walls is told before anything is spent.

        Raises:
            ConfigError: the worker does not start behind its walls here.
        """
        self._databases.mkdir(parents=True, exist_ok=True)
        try:
            await self._workers[0].living()
        except SandboxError as error:
            raise ConfigError(f"no database can be opened on this machine: {error}. Run `trajmill doctor`.") from error
        return self

    async def __aexit__(self, *exception: object) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._workers))


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
        reply.get("changed"),
    )


def _value(value: Any) -> SqlValue:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
