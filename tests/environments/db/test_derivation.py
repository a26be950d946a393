"""Questions with gold SQL become two tasks each, or one rejection with a reason."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from environments.admission import admit
from environments.db.author import describe_database
from environments.db.derivation import derive_tasks
from environments.db.store import store_database
from environments.db.world import DbWorld
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec


@dataclass(frozen=True)
class Asked:
    sql: str
    database: Path | None
    question_id: str = "dev/7"
    question: str = "Which cats are there?"
    evidence: str = ""
    database_name: str = "shelter"
    difficulty: int | None = 2
    source: str = "dev.json:1"
    license: str = "CC-BY-SA-4.0"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases", workers=1) as opened:
        yield opened


@pytest.fixture
def shelter(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "shelter.sqlite")
    connection.execute("CREATE TABLE pets (name TEXT, kind TEXT)")
    connection.executemany("INSERT INTO pets VALUES (?, ?)", [("Rex", "dog"), ("Ada", "cat"), ("Kit", "cat")])
    connection.commit()
    connection.close()
    return tmp_path / "shelter.sqlite"


async def derive(world: DbWorld, tmp_path: Path, *asked: Asked) -> list[TaskSpec | Rejection]:
    return [item async for item in derive_tasks(asked, world.engine, tmp_path / "databases")]


async def test_a_question_is_asked_in_both_ways(world: DbWorld, shelter: Path, tmp_path: Path) -> None:
    asked = Asked("SELECT name FROM pets WHERE kind = 'cat' ORDER BY name", shelter, evidence="cats are kind = 'cat'")
    replay, interact = await derive(world, tmp_path, asked)
    assert isinstance(replay, TaskSpec) and isinstance(interact, TaskSpec)
    assert (replay.derivation, interact.derivation) == ("replay", "interact")
    assert replay.task_id != interact.task_id
    assert interact.instruction == "Which cats are there?\ncats are kind = 'cat'"
    assert not interact.check.ordered  # the gold orders, the question does not
    assert (interact.parents, interact.difficulty, interact.license) == (("dev/7",), 2, "CC-BY-SA-4.0")
    for spec in (replay, interact):
        assert all(probe.passed for probe in await admit(world, spec))


@pytest.mark.parametrize(
    ("question", "is_ordered"),
    [
        ("List the names of the cats in alphabetical order.", True),
        ("Which cats are there, sorted by name?", True),
        ("Which cats are there, from the oldest to the youngest?", True),
        ("Name the cats, oldest first.", True),
        ("按名字排序列出所有的猫。", True),
        ("Which cats are there?", False),
        ("What are the two oldest cats?", False),
        ("What sort of cats is in order 3?", False),
    ],
)
async def test_order_counts_where_the_question_asks_for_one(
    world: DbWorld, shelter: Path, tmp_path: Path, question: str, is_ordered: bool
) -> None:
    asked = Asked("SELECT name FROM pets WHERE kind = 'cat' ORDER BY name", shelter, question=question)
    for spec in await derive(world, tmp_path, asked):
        assert isinstance(spec, TaskSpec) and spec.check.ordered is is_ordered


@pytest.mark.parametrize(("sql", "repeats"), [("SELECT kind FROM pets", True), ("SELECT name FROM pets", False)])
async def test_a_gold_that_repeats_rows_makes_a_task_of_sets(
    world: DbWorld, shelter: Path, tmp_path: Path, sql: str, repeats: bool
) -> None:
    for spec in await derive(world, tmp_path, Asked(sql, shelter)):
        assert isinstance(spec, TaskSpec) and spec.check.distinct is repeats


async def test_an_empty_result_is_an_answer(world: DbWorld, shelter: Path, tmp_path: Path) -> None:
    for spec in await derive(world, tmp_path, Asked("SELECT name FROM pets WHERE kind = 'fish'", shelter)):
        assert isinstance(spec, TaskSpec)
        probes = await admit(world, spec)
        assert all(probe.passed for probe in probes), probes
        assert spec.model_copy(update={"probes": probes}).is_guessable


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT name FROM cats", "sql_fails"),
        ("SELECT hex(zeroblob(900))", "result_too_long"),
        ("SELECT 1; SELECT 2", "not_one_statement"),
        ("SELECT FROM WHERE", "sql_unreadable"),
        ("DELETE FROM pets", "not_a_select"),
    ],
)
async def test_a_bad_gold_query_is_one_rejection(
    world: DbWorld, shelter: Path, tmp_path: Path, sql: str, reason: str
) -> None:
    (rejection,) = await derive(world, tmp_path, Asked(sql, shelter))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.source) == (reason, "dev.json:1")


async def test_a_missing_or_broken_database_is_a_rejection(world: DbWorld, tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    found = await derive(
        world, tmp_path, Asked("SELECT 1", None), Asked("SELECT 1", broken), Asked("SELECT 1", tmp_path)
    )
    assert [item.reason for item in found if isinstance(item, Rejection)] == [
        "missing_database",
        "unreadable_database",
        "unreadable_database",
    ]


async def test_a_database_is_described_by_schema_and_samples(world: DbWorld, shelter: Path, tmp_path: Path) -> None:
    card = await describe_database(world.engine, store_database(shelter, tmp_path / "databases"), "shelter")
    assert "CREATE TABLE pets" in card.schema
    assert card.samples[0].rows == (("Rex", "dog"), ("Ada", "cat"), ("Kit", "cat"))
