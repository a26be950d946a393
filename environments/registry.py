"""The worlds there are: every folder beside this file that has a `world.py`, and what installed packages announce.

A package announces a world by an entry point of the group `trajmill.worlds`, whose name is the world's and whose value
is its `World` class. Nothing here names one.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import environments
from environments.base import Dialect, Place, World
from formats.catalogue import Importer, find_importers
from rehearsals.base import Rehearsal
from schemas.errors import ConfigError
from schemas.run_config import RunConfig

ENTRY_POINTS = "trajmill.worlds"
NO_SERVERS: Mapping[str, str] = {}


def world_names() -> tuple[str, ...]:
    """Return the names of all worlds, ours first."""
    return tuple(dict.fromkeys((*_folders(), *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))))


@functools.cache
def _folders() -> tuple[str, ...]:
    found = (path.parent.name for root in environments.__path__ for path in sorted(Path(root).glob("*/world.py")))
    return tuple(dict.fromkeys(found))


def world_class(name: str) -> type[World]:
    """Return a world's class; only that world is imported.

    Raises:
        ConfigError: there is no such world, or what its package announces is none.
    """
    if name in _folders():
        found: Any = importlib.import_module(f"environments.{name}.world").WORLD
    else:
        points = [point for point in entry_points(group=ENTRY_POINTS) if point.name == name]
        if not points:
            raise ConfigError(f"there is no world {name!r}; there are {', '.join(world_names())}")
        try:
            found = points[0].load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"the world {name!r} is announced as {points[0].value}, which fails: {error}") from error
    if not (isinstance(found, type) and issubclass(found, World)):
        raise ConfigError(f"what announces itself as the world {name!r} is no World class but {found!r}")
    if found.name != name:
        raise ConfigError(f"the world {name!r} is announced under another name than its own, {found.name!r}")
    return found


def check_contract_of(name: str) -> int | None:
    """Return the contract of a world's checks, without opening it; None = the world is not installed here."""
    try:
        return world_class(name).check_contract
    except ConfigError:
        return None


def default_worlds() -> tuple[str, ...]:
    """Return the worlds that are part of every build whose configuration names none."""
    packages = {name: importlib.import_module(f"environments.{name}") for name in _folders()}
    placed = {name: getattr(package, "PLACE_IN_EVERY_BUILD", 0) for name, package in packages.items()}
    return tuple(sorted((name for name, place in placed.items() if place), key=placed.__getitem__))


def worlds_of(config: RunConfig) -> tuple[str, ...]:
    """Return the names of a configuration's worlds."""
    return default_worlds() if config.environments is None else config.environments


def make_world(name: str, place: Place) -> World:
    """Return a world of a run, with its section of the configuration, not yet entered.

    A world of one dialect is spoken to in that one, whatever the others of the run are.

    Raises:
        ConfigError: there is no such world, or its section is wrong.
    """
    made = world_class(name)
    world = made.at(place, place.config.section(name, made.Config))
    chosen = place.config.collect.dialect
    names = (chosen,) if isinstance(chosen, str) else chosen
    if names is not None and len(world.dialects) > 1 and not any(one in world.dialects for one in names):
        known = ", ".join(world.dialects)
        raise ConfigError(f"collect.dialect is {chosen!r}; the {name} world has {known}")
    return world


class Worlds(Mapping[str, World]):
    """The worlds of a run: looked at for nothing, entered when they are first used."""

    def __init__(
        self, worlds: Mapping[str, World], make: Callable[[str], World] | None = None, *, entered: bool = False
    ) -> None:
        """`make` makes one that is not part of the run; `entered` worlds are somebody else's to leave."""
        self._worlds, self._make, self._stack = dict(worlds), make, AsyncExitStack()
        self._entered = set(self._worlds) if entered else set()
        self._entering = asyncio.Lock()

    def __getitem__(self, name: str) -> World:
        if name not in self._worlds:
            raise ConfigError(
                f"the world {name!r} is not part of this run; add it to `environments` ({', '.join(self)})"
            )
        return self._worlds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._worlds)

    def __len__(self) -> int:
        return len(self._worlds)

    def dialect(self, name: str, dialect: str) -> Dialect:
        """Return one of a world's dialects, whether or not it is part of the run: episodes stay worded as they were.

        Raises:
            ConfigError: there is no such world, or it has no dialect of that name.
        """
        known = (self._make(name) if self._make and name not in self._worlds else self[name]).dialects
        if dialect not in known:
            raise ConfigError(f"the {name} world has no dialect {dialect!r}; it has {', '.join(known)}")
        return known[dialect]

    async def enter(self, name: str) -> World:
        """Return a world, opened.

        Raises:
            ConfigError: it does not work on this machine; the text says what to do.
        """
        world = self[name]
        async with self._entering:
            if name not in self._entered:
                await self._stack.enter_async_context(world)
                self._entered.add(name)
        return world

    async def close(self) -> None:
        """Leave what was entered."""
        await self._stack.aclose()


@asynccontextmanager
async def open_worlds(
    config: RunConfig, home: Path, cache: Path, servers: Mapping[str, str] = NO_SERVERS
) -> AsyncIterator[Worlds]:
    """Yield the configured worlds; `servers` are URLs of database servers by dialect.

    Raises:
        ConfigError: an unknown world, or a wrong section of one.
    """
    place = Place(config, home, cache, servers)
    make = partial(make_world, place=place)
    worlds = Worlds({name: make(name) for name in worlds_of(config)}, make)
    try:
        yield worlds
    finally:
        await worlds.close()


async def probe_worlds(config: RunConfig, home: Path, cache: Path) -> None:
    """Try what the configured worlds need.

    Raises:
        ConfigError: it does not work on this machine; the text says what to do.
    """
    for name in worlds_of(config):
        world = make_world(name, Place(config, home, cache))
        if config.teacher.kind == "offline" and world.author is not None and world.rehearsal() is None:
            raise ConfigError(
                f"the offline teacher knows nothing of the {name} world (it has no rehearsal): configure [teacher] "
                "with a model (docs/own-model.md)"
            )
        await world.probe()


def importers(*, installed: bool = True) -> dict[str, Importer]:
    """Return the formats that can be read, by name: our own, those of the worlds, and those of installed packages.

    Raises:
        ConfigError: two have one name, or one of an installed package cannot be loaded.
    """
    packages = (f"environments.{world}.importers" for world in dict.fromkeys((*default_worlds(), *_folders())))
    of_worlds = [one for name in packages if find_spec(name) for one in importlib.import_module(name).IMPORTERS]
    return find_importers(of_worlds, installed=installed)


def rehearsals() -> Sequence[Rehearsal]:
    """Return every world's part of the offline teacher."""
    found = (world_class(name).rehearsal() for name in world_names())
    return [rehearsal for rehearsal in found if rehearsal is not None]
