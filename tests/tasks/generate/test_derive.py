"""Questions with gold SQL, taken in their order: each build takes those that no earlier one took."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from environments.base import Place
from environments.db.author import DbAuthor
from environments.db.config import DbConfig
from environments.db.world import DbWorld
from schemas.errors import ConfigError
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from tasks.generate.rounds import derive_all, derive_tasks
from tasks.workshop import Workshop

Open = Callable[..., AbstractAsyncContextManager[DbWorld]]


@pytest.fixture
def open_db(tmp_path: Path) -> Open:
    """Open the database world as a run does, with its section of the configuration."""

    @asynccontextmanager
    async def opened(**said: object) -> AsyncIterator[DbWorld]:
        place = Place(RunConfig(), tmp_path / "home", tmp_path / "cache")
        async with DbWorld.at(place, DbConfig.model_validate(said)) as world:
            yield world

    return opened


def author_of(world: DbWorld) -> DbAuthor:
    assert isinstance(world.author, DbAuthor)
    return world.author


def sources(specs: list[TaskSpec]) -> set[str]:
    return {spec.provenance.source for spec in specs}


async def test_a_question_becomes_two_tasks_one_replayed_and_one_solved_alone(
    open_shop: Callable[..., Workshop], open_db: Open
) -> None:
    async with open_db(questions=3) as db:
        specs, rejected = await derive_all(open_shop(worlds={"db": db}))
    assert (len(specs), rejected) == (6, [])
    assert sorted(spec.derivation or "" for spec in specs) == ["interact"] * 3 + ["replay"] * 3
    assert len(sources(specs)) == 3 and {spec.origin for spec in specs} == {"derived"}


async def test_the_next_build_takes_the_next_questions(open_shop: Callable[..., Workshop], open_db: Open) -> None:
    async with open_db(questions=4) as db:
        open_shop(worlds={"db": db})
        assert (await derive_tasks.fn(1))["admitted"] == 8
        shop = open_shop(worlds={"db": db}, build=2)
        second, _ = await derive_all(shop)
        taken = frozenset(sources(shop.warehouse.read("task_specs")))
        assert author_of(db).derivable(taken) == 4, "an estimate counts the same"
    assert len(second) == 8 and not sources(second) & sources(shop.warehouse.read("task_specs"))


async def test_when_every_question_is_taken_nothing_is_derived_and_nothing_fails(
    open_shop: Callable[..., Workshop], open_db: Open
) -> None:
    async with open_db(questions=1000) as db:
        open_shop(worlds={"db": db})
        landed = await derive_tasks.fn(1)
        shop = open_shop(worlds={"db": db}, build=2)
        assert await derive_tasks.fn(2) == {"admitted": 0, "rejected": 0}
    assert shop.warehouse.count("task_specs") == landed["admitted"] >= 80
    assert landed["rejected"] == shop.warehouse.count("rejections")


async def test_one_sqlite_file_gives_databases_and_no_questions(
    open_shop: Callable[..., Workshop], open_db: Open, tmp_path: Path
) -> None:
    path = tmp_path / "mine.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    async with open_db(bird=str(path)) as db:
        assert [name for name, _ in author_of(db).stored_databases()] == ["mine"]
        assert await derive_all(open_shop(worlds={"db": db})) == ([], [])


async def test_a_folder_without_databases_is_told(open_db: Open, tmp_path: Path) -> None:
    async with open_db(bird=str(tmp_path / "empty")) as db:
        with pytest.raises(ConfigError, match=r"no \.sqlite file under .*empty; worlds\.db\.bird"):
            author_of(db).stored_databases()
