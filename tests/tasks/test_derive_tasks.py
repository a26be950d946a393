"""Questions with gold SQL, taken in their order: each build takes those that no earlier one took."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from environments.db.world import DbHome
from schemas.errors import ConfigError
from schemas.task_spec import TaskSpec
from tasks.derive_tasks import derive_questions, stored_databases
from tasks.generate_tasks import derive_tasks
from tasks.workshop import Workshop


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[DbHome]:
    async with DbHome.on_sqlite(tmp_path / "home" / "databases", workers=1) as home:
        yield home


def sources(specs: list[TaskSpec]) -> set[str]:
    return {spec.provenance.source for spec in specs}


async def test_a_question_becomes_two_tasks_one_replayed_and_one_solved_alone(
    open_shop: Callable[..., Workshop], db: DbHome
) -> None:
    specs, rejected = await derive_questions(open_shop(worlds={"db": db}, generate__db__questions=3))
    assert (len(specs), rejected) == (6, [])
    assert sorted(spec.derivation or "" for spec in specs) == ["interact"] * 3 + ["replay"] * 3
    assert len(sources(specs)) == 3 and {spec.origin for spec in specs} == {"derived"}


async def test_the_next_build_takes_the_next_questions(open_shop: Callable[..., Workshop], db: DbHome) -> None:
    open_shop(worlds={"db": db}, generate__db__questions=4)
    assert (await derive_tasks.fn(1))["admitted"] == 8
    second, _ = await derive_questions(open_shop(worlds={"db": db}, build=2, generate__db__questions=4))
    shop = open_shop(worlds={"db": db}, build=2)
    assert len(second) == 8 and not sources(second) & sources(shop.warehouse.read("task_specs"))


async def test_when_every_question_is_taken_nothing_is_derived_and_nothing_fails(
    open_shop: Callable[..., Workshop], db: DbHome
) -> None:
    open_shop(worlds={"db": db}, generate__db__questions=1000)
    landed = await derive_tasks.fn(1)
    shop = open_shop(worlds={"db": db}, build=2, generate__db__questions=1000)
    assert await derive_tasks.fn(2) == {"admitted": 0, "rejected": 0}
    assert shop.warehouse.count("task_specs") == landed["admitted"] >= 80
    assert landed["rejected"] == shop.warehouse.count("rejections")


async def test_one_sqlite_file_gives_databases_and_no_questions(
    open_shop: Callable[..., Workshop], db: DbHome, tmp_path: Path
) -> None:
    path = tmp_path / "mine.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
    shop = open_shop(worlds={"db": db}, generate__db__bird=str(path))
    assert [name for name, _ in stored_databases(shop)] == ["mine"]
    assert await derive_questions(shop) == ([], [])


async def test_a_folder_without_databases_is_told(
    open_shop: Callable[..., Workshop], db: DbHome, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"no \.sqlite file under .*empty; generate\.db\.bird"):
        stored_databases(open_shop(worlds={"db": db}, generate__db__bird=str(tmp_path / "empty")))
