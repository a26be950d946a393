"""PostgreSQL behind the engine seam: one private server that Trajmill starts, or one that a URL names.

Each slot is a database with a login of its own; see `postgres_slot.py`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from environments.db.server.engine import PROGRAM_PATH, Release, ServerEngine
from environments.db.server.postgres_slot import PostgresSlot, asked, connect
from environments.db.server.private import PrivateServer, give, own_folder, run_once, start_server, sweep
from environments.db.server.slot import Slot
from schemas.errors import ConfigError, SandboxError
from schemas.task_spec import Setup

MAX_SLOTS = 30
_RUN = re.compile(r"trajmill_([0-9a-f]{8})_")
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "shared_buffers=32MB",
    "max_connections=100",
    "temp_file_limit=256MB",
    "max_parallel_workers=0",
    "max_worker_processes=0",
    "jit=off",
    "dynamic_shared_memory_type=mmap",
    "log_min_messages=panic",
)
"""From the reference (sandbox experiments, section 5), made small: nothing outlives a run."""


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL server's programs.

    Raises:
        ConfigError: there is none.
    """
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    found = str(homes[-1]) if homes else shutil.which("initdb", path=PROGRAM_PATH)
    if found:
        return Path(found).parent
    raise ConfigError(
        "a task is written for PostgreSQL, and no PostgreSQL server is here: `apt install postgresql` (it need not"
        " run), or name one that runs in TRAJMILL_POSTGRES_URL=postgresql://admin:password@host:5432/postgres"
    )


class PostgresEngine(ServerEngine):
    """Opens databases in PostgreSQL's dialect."""

    dialect = "postgres"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._place = self._url or ""
        self._server: PrivateServer | None = None
        self._free: list[PostgresSlot] = []
        self._slots: list[PostgresSlot] = []
        self._marker = secrets.token_hex(4)
        self._numbers = count(1)
        self._presence: Any = None

    async def _take(self, setup: Setup) -> tuple[Slot, Release]:
        async with self._growing:
            slot = self._free.pop() if self._free else await self._new_slot()
        return slot, partial(self._give_back, slot)

    async def _new_slot(self) -> PostgresSlot:
        if len(self._slots) >= MAX_SLOTS:
            raise SandboxError(f"{MAX_SLOTS} databases are open on PostgreSQL")
        if self._server is not None and not self._server.is_alive:
            raise SandboxError("the PostgreSQL server died", transient=False)
        name = f"trajmill_{self._marker}_{next(self._numbers):04}"
        slot = PostgresSlot(self._place, name, secrets.token_hex(8), self.limits)
        self._slots.append(slot)
        await self._threads.run(slot.create)
        return slot

    async def _give_back(self, slot: PostgresSlot, is_as_made: bool) -> None:
        await self._threads.run(slot.drop)
        self._free.append(slot)

    async def __aenter__(self) -> PostgresEngine:
        """Start the private server, or reach the one by URL and drop what dead runs left there.

        Raises:
            ConfigError: there is no server program, the server by URL does not answer or is not fit.
        """
        try:
            await (self._start() if self._url is None else self._threads.run(self._occupy))
            self.version = await self._threads.run(self._version)
        except SandboxError as error:
            await self.__aexit__()
            raise ConfigError(f"no PostgreSQL database can be opened: {error}. See docs/databases.md.") from error
        return self

    def _version(self) -> str:
        with connect(self._place) as server:
            return f"postgresql {asked(server, 'SHOW server_version')[0][0]}"

    async def _start(self) -> None:
        programs = find_programs()
        await asyncio.to_thread(sweep)
        folder = own_folder("postgres")
        memory = 3 * self.limits.memory_mb
        # initdb looks its own user up by number, and ends where there is no such user.
        made = [f"{programs}/initdb", "-D", f"{folder}/data", "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        try:
            give(folder)
            await run_once([*made, "--no-locale", "--no-sync"], folder, memory, read_only=(Path("/etc/passwd"),))
            self._place = f"host={folder} user=postgres dbname=postgres"
            settings = [part for setting in _SETTINGS for part in ("-c", setting)]
            argv = [f"{programs}/postgres", "-D", f"{folder}/data", "-k", str(folder), *settings]
            self._server = await start_server(argv, folder, memory, self._answers)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise

    async def _answers(self) -> bool:
        try:
            await self._threads.run(self._version)
        except SandboxError:
            return False
        return True

    def _occupy(self) -> None:
        """Hold a lock that says that this run lives, and drop what runs without one left."""
        self._presence = connect(self._place)
        if not asked(self._presence, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]:
            raise SandboxError("the administrator in TRAJMILL_POSTGRES_URL is no superuser")
        asked(self._presence, f"SELECT pg_advisory_lock({int(self._marker, 16)})")
        for query, drop in (
            ("SELECT datname FROM pg_database", 'DROP DATABASE IF EXISTS "{}" WITH (FORCE)'),
            ("SELECT rolname FROM pg_roles", 'DROP ROLE IF EXISTS "{}"'),
        ):
            for (name,) in asked(self._presence, query):
                run = _RUN.match(name)
                if run and self._is_dead(int(run[1], 16)):
                    asked(self._presence, drop.format(name))

    def _is_dead(self, lock: int) -> bool:
        """Whether nobody holds the lock; taking it back is what tells, and this run's own is not tried."""
        if lock == int(self._marker, 16):
            return False
        is_free: bool = asked(self._presence, f"SELECT pg_try_advisory_lock({lock})")[0][0]
        if is_free:
            asked(self._presence, f"SELECT pg_advisory_unlock({lock})")
        return is_free

    async def __aexit__(self, *exception: object) -> None:
        for slot in self._slots:
            await self._threads.run(slot.close if self._server else slot.remove)
        if self._presence is not None:
            await self._threads.run(self._presence.close)
        if self._server is not None:
            await self._server.stop()
        self._threads.close()
