"""Worlds are found as folders and as what packages announce; a run enters those that it uses, once."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from environments.base import Environment, Place, World
from environments.db.world import DbWorld
from environments.os.world import OsWorld
from environments.registry import (
    Worlds,
    check_contract_of,
    default_worlds,
    make_world,
    open_worlds,
    rehearsals,
    world_class,
    world_names,
    worlds_of,
)
from schemas.errors import ConfigError
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec

SHELF = """
from environments.base import World
from schemas.record import Record


class ShelfConfig(Record):
    boards: int = 3


class Shelf(World):
    name = "shelf"
    Config = ShelfConfig
    max_turns = 5
    dialects = {"react": "the shelf's words"}

    def open(self, spec):
        raise NotImplementedError
"""


class Door(World):
    """Counts who goes in and out."""

    name = "door"
    max_turns = 1

    def __init__(self) -> None:
        super().__init__()
        self.dialects = {}
        self.went: list[str] = []

    def open(self, spec: TaskSpec) -> Environment:
        raise NotImplementedError

    async def __aenter__(self) -> Door:
        await asyncio.sleep(0)
        self.went.append("in")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.went.append("out")


class Stuck(Door):
    async def __aenter__(self) -> Door:
        raise ConfigError("the door is stuck; oil it")


@pytest.fixture
def announce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Install a package by its folder alone: a module and a dist-info that announces it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, target: str) -> None:
        (tmp_path / "a_shelf.py").write_text(SHELF)
        info = tmp_path / "a_shelf-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-shelf\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[trajmill.worlds]\n{name} = {target}\n")

    yield install
    sys.modules.pop("a_shelf", None)


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    def make(**fields: Any) -> Place:
        return Place(RunConfig.model_validate(fields), tmp_path, tmp_path / "cache")

    return make


def test_a_folder_with_a_world_is_found() -> None:
    assert {"os", "db"} <= set(world_names())
    assert (world_class("os"), world_class("db")) == (OsWorld, DbWorld)
    assert not {"dialects", "families"} & set(world_names())


def test_an_unknown_world_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"there is no world 'moon'; there are .*db.*os"):
        world_class("moon")


def test_worlds_of_every_build_stand_in_their_order() -> None:
    places = [importlib.import_module(f"environments.{name}").PLACE_IN_EVERY_BUILD for name in default_worlds()]
    assert default_worlds()[:2] == ("os", "db") and places == sorted(set(places))
    assert worlds_of(RunConfig()) == default_worlds()
    assert worlds_of(RunConfig(environments=("db",))) == ("db",)


def test_what_an_installed_package_announces_is_a_world(
    announce: Callable[[str, str], None], place: Callable[..., Place]
) -> None:
    assert "shelf" not in world_names()
    announce("shelf", "a_shelf:Shelf")
    assert world_names()[-1] == "shelf" and "shelf" not in default_worlds()
    world = make_world("shelf", place(worlds={"shelf": {"boards": 5}}))
    assert (type(world).__module__, world.name, world.config.boards) == ("a_shelf", "shelf", 5)
    with pytest.raises(ConfigError, match="no_such_key"):
        make_world("shelf", place(worlds={"shelf": {"no_such_key": 1}}))


def test_the_world_of_a_package_plays_no_part_in_the_rehearsal_unless_it_has_one(
    announce: Callable[[str, str], None],
) -> None:
    before = len(rehearsals())
    announce("shelf", "a_shelf:Shelf")
    assert len(rehearsals()) == before >= 2


@pytest.mark.parametrize("target", ["a_shelf:ShelfConfig", "a_shelf:SHELVES"])
def test_what_announces_itself_as_a_world_and_is_none_is_told(
    announce: Callable[[str, str], None], target: str
) -> None:
    announce("shelf", target)
    with pytest.raises(ConfigError, match="'shelf'"):
        world_class("shelf")


def test_a_package_cannot_take_the_name_of_a_world_of_ours(announce: Callable[[str, str], None]) -> None:
    announce("os", "a_shelf:Shelf")
    assert world_class("os") is OsWorld
    assert world_names().count("os") == 1


async def test_a_world_is_entered_when_it_is_first_used_and_once() -> None:
    used, idle = Door(), Door()
    worlds = Worlds({"used": used, "idle": idle})
    assert worlds["used"] is used and list(worlds) == ["used", "idle"] and used.went == []
    entered = await asyncio.gather(*(worlds.enter("used") for _ in range(3)))
    assert entered == [used] * 3
    assert (used.went, idle.went) == (["in"], [])
    await worlds.close()
    await worlds.close()
    assert (used.went, idle.went) == (["in", "out"], [])


async def test_worlds_that_somebody_else_entered_are_left_alone() -> None:
    door = Door()
    worlds = Worlds({"door": door}, entered=True)
    assert await worlds.enter("door") is door
    await worlds.close()
    assert door.went == []


async def test_a_world_that_cannot_be_entered_is_tried_again_and_never_left() -> None:
    stuck = Stuck()
    worlds = Worlds({"door": stuck})
    for _ in range(2):
        with pytest.raises(ConfigError, match="oil it"):
            await worlds.enter("door")
    await worlds.close()
    assert stuck.went == []


async def test_worlds_are_left_when_the_run_ends_by_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    monkeypatch.setattr("environments.registry.make_world", lambda name, place: door)
    with pytest.raises(RuntimeError, match="stop"):
        async with open_worlds(RunConfig(environments=("os",)), tmp_path, tmp_path) as worlds:
            await worlds.enter("os")
            raise RuntimeError("stop")
    assert door.went == ["in", "out"]


async def test_a_world_that_is_not_part_of_the_run_is_told() -> None:
    worlds = Worlds({"door": Door()})
    with pytest.raises(ConfigError, match=r"'moon' is not part of this run; add it to `environments` \(door\)"):
        await worlds.enter("moon")


async def test_episodes_of_a_world_that_left_the_run_are_worded_as_they_were(tmp_path: Path) -> None:
    config = RunConfig(environments=("db",))
    async with open_worlds(config, tmp_path, tmp_path / "cache") as worlds:
        assert worlds.dialect("os", "tools").name == "tools"
        assert worlds.dialect("db", "react") is worlds["db"].dialects["react"]
        with pytest.raises(ConfigError, match="the os world has no dialect 'smoke'; it has react, tools"):
            worlds.dialect("os", "smoke")
        with pytest.raises(ConfigError, match="there is no world 'moon'"):
            worlds.dialect("moon", "react")
    with pytest.raises(ConfigError, match="not part of this run"):
        Worlds({}).dialect("os", "react")


async def test_an_unknown_world_of_a_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no world 'moon'"):
        async with open_worlds(RunConfig(environments=("moon",)), tmp_path, tmp_path):
            pass


def test_the_contract_of_a_world_s_checks_is_known_without_opening_it(announce: Callable[[str, str], None]) -> None:
    announce("shelf", "a_shelf:Shelf")
    assert [check_contract_of(name) for name in ("os", "db", "shelf", "moon")] == [3, 3, 1, None]


def test_of_a_world_that_cannot_be_loaded_nothing_is_known(announce: Callable[[str, str], None]) -> None:
    announce("shelf", "a_shelf:Gone")
    assert check_contract_of("shelf") is None
