"""The worlds there are: opened for a run, and their families for the offline teacher. A new world adds a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from environments.base import Home
from environments.db.rehearsal import DbRehearsal
from environments.db.world import DbHome
from environments.os.rehearsal import OsRehearsal
from environments.os.world import OsHome
from sandboxes.base import Sandbox
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.configured import open_sandbox
from sandboxes.images import host_image
from schemas.errors import ConfigError
from schemas.run_config import RunConfig, SandboxConfig

NO_SERVERS: Mapping[str, str] = {}


@asynccontextmanager
async def open_worlds(
    config: RunConfig, home: Path, cache: Path, servers: Mapping[str, str] = NO_SERVERS
) -> AsyncIterator[Mapping[str, Home]]:
    """Open the configured worlds; `servers` are URLs of database servers by dialect.

    Raises:
        ConfigError: a world's sandbox or engine does not work on this machine; the text says what to do.
    """
    async with AsyncExitStack() as stack:
        opened: dict[str, Home] = {}
        for name in config.environments:
            opened[name] = await stack.enter_async_context(_make(name, config, home, cache, servers))
        yield opened


async def probe_worlds(config: RunConfig, cache: Path) -> None:
    """Try the sandboxes that the configured worlds need.

    Raises:
        ConfigError: it does not work on this machine; the text says what to do.
    """
    for sandbox in _needed_sandboxes(config, cache):
        found = await sandbox.probe()
        if not found.usable:
            raise ConfigError(f"no sandbox on this machine ({found.backend}): {found.reason}. {found.fix}")


def _needed_sandboxes(config: RunConfig, cache: Path) -> Iterator[Sandbox]:
    """Yield what the worlds run on; the databases' worker sits behind bubblewrap, whatever the shells sit behind."""
    if "os" in config.environments:
        yield open_sandbox(config.collect.sandbox, cache)[0]
    if "db" in config.environments and ("os" not in config.environments or config.collect.sandbox != SandboxConfig()):
        yield Bubblewrap(host_image(cache))


def rehearsals() -> Sequence[OsRehearsal | DbRehearsal]:
    """Return every world's families."""
    return (OsRehearsal(), DbRehearsal())


def databases_of(home: Path) -> Path:
    """Return the folder of a home's SQLite files and SQL dumps, each named by its sha256."""
    return home / "databases"


def _make(name: str, config: RunConfig, home: Path, cache: Path, servers: Mapping[str, str]) -> Home:
    collect = config.collect
    if name == "os":
        sandbox, image = open_sandbox(collect.sandbox, cache)
        timeout, turns = collect.command_timeout_seconds, collect.max_turns.get("os", 8)
        names = collect.sandbox.stands_for
        return OsHome(sandbox, image.digest, command_timeout=timeout, max_turns=turns, image_names=names)
    timeout, turns = collect.statement_timeout_seconds, collect.max_turns.get("db", 15)
    return DbHome.on_engines(databases_of(home), servers, statement_timeout=timeout, max_turns=turns)
