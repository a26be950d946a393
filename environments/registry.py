"""The worlds there are: opened for a run, and their families for the offline teacher. A new world adds a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from environments.base import Home
from environments.db.rehearsal import DbRehearsal
from environments.db.world import DbHome
from environments.os.rehearsal import OsRehearsal
from environments.os.world import OsHome
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.errors import ConfigError
from schemas.run_config import RunConfig


@asynccontextmanager
async def open_worlds(config: RunConfig, home: Path, cache: Path) -> AsyncIterator[Mapping[str, Home]]:
    """Open the configured worlds.

    Raises:
        ConfigError: a world's sandbox or engine does not work on this machine; the text says what to do.
    """
    async with AsyncExitStack() as stack:
        opened: dict[str, Home] = {}
        for name in config.environments:
            opened[name] = await stack.enter_async_context(_make(name, config, home, cache))
        yield opened


async def probe_worlds(config: RunConfig, cache: Path) -> None:
    """Try the sandbox that the configured worlds need.

    Raises:
        ConfigError: it does not work on this machine; the text says what to do.
    """
    if not config.environments:
        return
    found = await Bubblewrap(host_image(cache)).probe()
    if not found.usable:
        raise ConfigError(f"no sandbox on this machine ({found.backend}): {found.reason}. {found.fix}")


def rehearsals() -> Sequence[OsRehearsal | DbRehearsal]:
    """Return every world's families."""
    return (OsRehearsal(), DbRehearsal())


def databases_of(home: Path) -> Path:
    """Return the folder of a home's SQLite files, each named by its sha256."""
    return home / "databases"


def _make(name: str, config: RunConfig, home: Path, cache: Path) -> Home:
    collect = config.collect
    if name == "os":
        image = host_image(cache)
        timeout, turns = collect.command_timeout_seconds, collect.max_turns.get("os", 8)
        return OsHome(Bubblewrap(image), image.digest, command_timeout=timeout, max_turns=turns)
    timeout, turns = collect.statement_timeout_seconds, collect.max_turns.get("db", 15)
    return DbHome.on_sqlite(databases_of(home), statement_timeout=timeout, max_turns=turns)
