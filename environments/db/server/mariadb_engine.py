"""MariaDB behind the engine seam: private servers that Trajmill starts, or one that a URL names.

On a private server an episode's database has the name that the task gives it, since agents write `shop.orders` and
`table_schema = 'shop'`. Two databases of one name need two servers: another is started (0.2 s, 55 MB) when a name is
taken. A server by URL is not ours alone: names there carry a marker and are shown as the task's.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from environments.db.engine import Clock
from environments.db.server.database import ServerDatabase
from environments.db.server.engine import PROGRAM_PATH, Release, ServerEngine
from environments.db.server.mariadb_server import MariaDbServer, address_of
from environments.db.server.mariadb_slot import Address, MariaDbSlot
from environments.db.server.private import give, own_folder, run_once, start_server, sweep
from environments.db.server.slot import Slot
from schemas.errors import ConfigError, EnvironmentFault, SandboxError
from schemas.task_spec import Setup

MAX_SERVERS = 32
_NAME = re.compile(r"[^\x00-\x1f/\\.`'\"]{1,60}")
_TAKEN = frozenset(("mysql", "information_schema", "performance_schema", "sys", "test"))
_OUTSIDE_ENGINES = frozenset(("FEDERATED", "CONNECT", "SPIDER", "S3", "OQGRAPH", "SPHINX"))
"""Storage engines that reach files or other servers on behalf of anybody who may create a table."""
_FLAGS = (
    "--skip-networking",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--lower-case-table-names=1",
    "--local-infile=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--debug-no-sync",  # a CREATE and a DROP wait for the disk twelve times otherwise
    "--innodb-use-native-aio=0",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=4M",
    "--key-buffer-size=1M",
    "--innodb-temp-data-file-path=ibtmp1:12M:autoextend:max:256M",
    "--aria-pagecache-buffer-size=1M",
    "--performance-schema=0",
    "--event-scheduler=OFF",
    "--max-connections=60",
    "--table-open-cache=200",
    "--open-files-limit=250",
    "--max-statement-time=30",
    "--skip-symbolic-links",
)
"""From the reference (sandbox experiments, section 5), made small: episodes are, and nothing outlives a run."""


def find_server() -> Path:
    """Return the server program.

    Raises:
        ConfigError: there is none.
    """
    for name in ("mariadbd", "mysqld"):
        found = shutil.which(name, path=PROGRAM_PATH)
        if found:
            return Path(found)
    raise ConfigError(
        "a task is written for MySQL, and no MariaDB server is here: `apt install mariadb-server` (it need not run),"
        " or name one that runs in TRAJMILL_MARIADB_URL=mysql://admin:password@host:3306"
    )


class MariaDbEngine(ServerEngine):
    """Opens databases in MySQL's dialect."""

    dialect = "mysql"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._servers: list[MariaDbServer] = []
        self._folder: Path | None = None
        self._marker = f"trajmill_{secrets.token_hex(4)}"
        self._numbers = count(1)

    async def open_at(self, setup: Setup, clock: Clock) -> ServerDatabase:
        database = await self.open(setup)
        seed = (1 << 30) - 1 - clock.second % 1000 if clock.mirrored else clock.second % 1000
        await database.run(f"SET timestamp = {clock.second}, rand_seed1 = {seed}, rand_seed2 = {seed // 3}")
        return database

    async def _take(self, setup: Setup) -> tuple[Slot, Release]:
        """Return a free slot for a database of this name; a new one, on a new server, where there is none."""
        server, slot = await self._slot_for(setup)
        return slot, partial(self._give_back, server, slot)

    async def _slot_for(self, setup: Setup) -> tuple[MariaDbServer, MariaDbSlot]:
        name = setup.database_name or "main"
        if self._url is None and (not _NAME.fullmatch(name) or name.lower() in _TAKEN):
            raise EnvironmentFault(f"a database cannot be called {name!r} on MariaDB", transient=False)
        async with self._growing:
            self._servers = [server for server in self._servers if server.is_alive]
            for server in self._servers:
                slot = server.free_slot(name, setup)
                if slot is not None:
                    return server, slot
            server = next((each for each in self._servers if each.has_room(name)), None) or await self._grow()
            slot = self._new_slot(server, name)
            await self._threads.run(slot.create_login)
            server.slots[slot.name.lower()] = slot
            server.busy.add(slot.name.lower())
            return server, slot

    def _new_slot(self, server: MariaDbServer, name: str) -> MariaDbSlot:
        if self._url is None:
            login = f"agent_{name.lower()}"[:80]
            return MariaDbSlot(server.address, name, login, secrets.token_hex(8), self.limits, self._databases)
        own = f"{self._marker}_{next(self._numbers):04}"
        return MariaDbSlot(server.address, own, f"{own}a", secrets.token_hex(8), self.limits, self._databases)

    async def _give_back(self, server: MariaDbServer, slot: MariaDbSlot, is_as_made: bool) -> None:
        """Free a slot; a database that was only read stays for the next episode on it."""
        try:
            if not is_as_made:
                await self._threads.run(slot.drop)
        except SandboxError:
            if self._url is not None:
                raise
            await server.stop()  # a private server that cannot drop a database is of no more use
        server.busy.discard(slot.name.lower())

    async def _grow(self) -> MariaDbServer:
        if len(self._servers) >= MAX_SERVERS:
            raise SandboxError(f"{MAX_SERVERS} MariaDB servers are busy with databases of one name")
        server = await (self._start() if self._url is None else self._reach(self._url))
        self._servers.append(server)
        return server

    async def _start(self) -> MariaDbServer:
        """Start a private server on a copy of the installed system tables."""
        assert self._folder is not None
        folder = self._folder / str(next(self._numbers))
        await asyncio.to_thread(shutil.copytree, self._folder / "installed", folder)
        await asyncio.to_thread(give, folder)
        address = Address({"unix_socket": str(folder / "s")}, "root", "")

        async def answers() -> bool:
            try:
                await self._threads.run(address.ask, "DO 0")
            except SandboxError:
                return False
            return True

        places = [f"--datadir={folder}/data", f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--tmpdir={folder}"]
        argv = [str(find_server()), "--no-defaults", *_FLAGS, *places]
        process = await start_server(argv, folder, self._memory_mb, answers)
        return MariaDbServer(address, process)

    @property
    def _memory_mb(self) -> int:
        return 3 * self.limits.memory_mb

    async def _reach(self, url: str) -> MariaDbServer:
        server = MariaDbServer(address_of(url), None)
        await self._threads.run(partial(server.address.ask, "DO 0"))
        return server

    async def __aenter__(self) -> MariaDbEngine:
        """Install a private server's system tables, or reach the one by URL and drop what dead runs left there.

        Raises:
            ConfigError: there is no server program, the server by URL does not answer or is not fit.
        """
        self._databases.mkdir(parents=True, exist_ok=True)
        try:
            await (self._install() if self._url is None else self._occupy())
            rows = await self._threads.run(self._servers[0].address.ask, "SELECT VERSION(), @@lower_case_table_names")
        except SandboxError as error:
            await self.__aexit__()
            raise ConfigError(f"no MariaDB database can be opened: {error}. See docs/databases.md.") from error
        self.version = f"mariadb {rows[0][0]}, lower_case_table_names={rows[0][1]}"
        return self

    async def _install(self) -> None:
        find_server()
        await asyncio.to_thread(sweep)
        self._folder = own_folder("mariadb")
        folder = self._folder / "installed"
        folder.mkdir()
        give(folder)
        script = shutil.which("mariadb-install-db", path=PROGRAM_PATH)
        if script is None:
            raise ConfigError("mariadb-install-db is missing: `apt install mariadb-server`")
        options = "--no-defaults --force --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve"
        innodb = "--innodb-log-file-size=4M --innodb-use-native-aio=0 --innodb-flush-method=nosync"
        argv = [script, *options.split(), *innodb.split(), "--lower-case-table-names=1", f"--datadir={folder}/data"]
        await run_once(argv, folder, self._memory_mb)
        await self._grow()

    async def _occupy(self) -> None:
        server = await self._grow()
        found = {row[0] for row in await self._threads.run(server.address.ask, "SHOW ENGINES") if row[1] != "NO"}
        if found & _OUTSIDE_ENGINES:
            raise ConfigError(
                f"the MariaDB server by URL has {', '.join(sorted(found & _OUTSIDE_ENGINES))}, by which any login"
                " reaches files or other servers; uninstall it, or let Trajmill start a server of its own"
            )
        links = await self._threads.run(server.address.ask, "SELECT @@have_symlink")
        server.address = replace(server.address, follows_links=links[0][0] == "YES")
        await self._threads.run(server.occupy, self._marker)

    async def __aexit__(self, *exception: object) -> None:
        for server in self._servers:
            if server.is_alive:
                await self._threads.run(server.leave)
            await server.stop()
        self._servers = []
        self._threads.close()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
