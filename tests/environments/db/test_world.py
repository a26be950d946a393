"""Episodes of the database world: what is seen, what is right, what is let in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from environments.admission import admit
from environments.base import Action, Step, answer_in, judge_episode
from environments.db.trials import CHEATS
from environments.db.world import DbWorld
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

SETUP = Setup(
    tables=(
        TableData(
            name="pets",
            columns=(Column(name="name"), Column(name="kind"), Column(name="age", type="INTEGER")),
            rows=(("Rex", "dog", 3), ("Ada", "cat", 7), ("Kit", "cat", 5)),
        ),
    ),
    database_name="shelter",
)


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path_factory.mktemp("home") / "databases", workers=1) as opened:
        yield opened


pytestmark = pytest.mark.asyncio(loop_scope="module")


def task(*reference: str, check: Check | None = None, setup: Setup = SETUP) -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="Do it.",
        setup=setup,
        reference=tuple(Script(code=sql) for sql in reference),
        check=check or Check(kind="state"),
        origin="own",
        provenance=Provenance(source="test"),
    )


CATS = task("SELECT name FROM pets WHERE kind = 'cat'", check=Check(kind="rows"))
OLDEST = task("SELECT name FROM pets ORDER BY age DESC", check=Check(kind="rows", ordered=True))
COUNT = "SELECT count(*) FROM pets WHERE age > 50"
BIRTHDAY = task("UPDATE pets SET age = age + 1 WHERE name = 'Rex'")


async def play(world: DbWorld, spec: TaskSpec, sql: Sequence[str], answer: str | None = '["done"]') -> Verdict:
    async with world.open(spec) as environment:
        await environment.reset()
        for statement in sql:
            await environment.step(Action("sql", statement))
        if answer is not None:
            assert (await environment.step(Action("answer", answer))).terminated
        return await environment.verify()


async def test_the_first_observation_words_the_task_with_its_schema(world: DbWorld) -> None:
    async with world.open(CATS) as environment:
        seen = (await environment.reset()).observation
    assert seen.startswith("Do it.")
    assert "`shelter`" in seen and 'CREATE TABLE "pets"' in seen
    request = world.dialects["react"].render(CATS, (), seen)
    assert [message.role for message in request] == ["user", "assistant", "user"]
    assert request[-1].content == seen


async def test_rows_errors_and_empty_results_are_observed(world: DbWorld) -> None:
    async with world.open(CATS) as environment:
        await environment.reset()
        seen = [
            (await environment.step(Action("sql", sql))).observation
            for sql in ("SELECT name, age FROM pets WHERE age = 3", "DELETE FROM pets", "SELECT * FROM cats")
        ]
    assert seen == ["1 row (name, age):\n[('Rex', 3)]", "3 rows changed", "Error: no such table: cats"]


async def test_a_read_may_use_a_temporary_table(world: DbWorld) -> None:
    sql = ["CREATE TEMP TABLE cats AS SELECT * FROM pets WHERE kind = 'cat'", "SELECT name FROM cats"]
    assert (await play(world, CATS, sql, '["Ada", "Kit"]')).name == "passed"


@pytest.mark.parametrize("answer", ['["Ada", "Kit"]', "Kit, Ada", "[('Ada',), ('Kit',)]"])
async def test_a_right_read_passes(world: DbWorld, answer: str) -> None:
    verdict = await play(world, CATS, ["SELECT name FROM pets WHERE kind = 'cat'"], answer)
    assert (verdict.name, verdict.reward) == ("passed", 1.0)


@pytest.mark.parametrize(
    ("spec", "sql", "answer", "reason"),
    [
        (CATS, ["SELECT * FROM pets"], '["Ada"]', "wrong_answer"),
        (CATS, ["SELECT * FROM pets"], None, "no_answer"),
        (CATS, [], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["SELECT 'Ada'"], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["SELECT name FROM cats"], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["SELECT name FROM pragma_table_info('pets')"], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["CREATE TEMP TABLE t AS SELECT 'Ada'", "SELECT * FROM t"], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["SELECT sql FROM sqlite_schema"], '["Ada", "Kit"]', "answered_without_acting"),
        (CATS, ["SELECT name FROM pets WHERE 1 = 0"], '["Ada", "Kit"]', "answered_without_acting"),
        (OLDEST, ["SELECT * FROM pets"], '["Rex", "Kit", "Ada"]', "wrong_order"),
        (CATS, ["SELECT * FROM pets", "DELETE FROM pets WHERE kind = 'dog'"], '["Ada", "Kit"]', "unasked_write"),
        (CATS, ["SELECT * FROM pets", "CREATE TABLE cats AS SELECT * FROM pets"], '["Ada", "Kit"]', "unasked_write"),
    ],
)
async def test_a_wrong_read_fails_and_says_why(
    world: DbWorld, spec: TaskSpec, sql: list[str], answer: str | None, reason: str
) -> None:
    verdict = await play(world, spec, sql, answer)
    assert (verdict.name, verdict.reward) == ("failed", 0.0)
    assert verdict.detail.startswith(f"{reason}:")


@pytest.mark.parametrize(("reference", "answer"), [("SELECT name FROM pets WHERE age > 50", "[]"), (COUNT, "0")])
async def test_to_have_asked_is_enough_where_nothing_is_the_answer(world: DbWorld, reference: str, answer: str) -> None:
    spec = task(reference, check=Check(kind="rows"))
    assert (await play(world, spec, ["SELECT name FROM pets WHERE age > 40 + 10"], answer)).name == "passed"
    assert (await play(world, spec, [], answer)).detail.startswith("answered_without_acting:")
    label = task(check=Check(kind="label", expected=("0",)))
    assert (await play(world, label, ["SELECT name FROM pets WHERE age > 50"], "0")).name == "passed"


@pytest.mark.parametrize(
    "sql",
    [
        ["UPDATE pets SET age = 4 WHERE name = 'Rex'"],
        ["BEGIN", "UPDATE pets SET age = 4 WHERE name = 'Rex'", "COMMIT"],
        ["DELETE FROM pets WHERE name = 'Rex'", "INSERT INTO pets VALUES ('Rex', 'dog', 4)"],
        ["CREATE TABLE t (a)", "DROP TABLE t", "UPDATE pets SET age = 4 WHERE age = 3"],
    ],
)
async def test_a_right_write_passes_however_it_was_made(world: DbWorld, sql: list[str]) -> None:
    assert (await play(world, BIRTHDAY, sql)).name == "passed"


@pytest.mark.parametrize(
    ("sql", "detail"),
    [
        ([], 'table pets holds other values; - ["tRex", "tdog", "n4"]; + ["tRex", "tdog", "n3"]'),
        (["SELECT * FROM pets"], "holds other values"),
        (["UPDATE pets SET age = 4"], "holds other values"),
        (
            ["UPDATE pets SET age = 4 WHERE name = 'Rex'", "DELETE FROM pets WHERE name = 'Kit'"],
            "has 2 rows, expected 3",
        ),
        (["BEGIN", "UPDATE pets SET age = 4 WHERE name = 'Rex'", "ROLLBACK"], "holds other values"),
        (["BEGIN", "UPDATE pets SET age = 4 WHERE name = 'Rex'"], "holds other values"),
        (["UPDATE pets SET age = 4 WHERE name = 'Rex'", "CREATE TABLE t (a)"], "table t should not be there"),
        (
            ["UPDATE pets SET age = 4 WHERE name = 'Rex'", "CREATE INDEX i ON pets (age)"],
            "the schema differs at index i",
        ),
        (["DROP TABLE pets"], "table pets is missing"),
    ],
)
async def test_a_wrong_write_fails_by_state_whatever_is_claimed(world: DbWorld, sql: list[str], detail: str) -> None:
    verdict = await play(world, BIRTHDAY, sql)
    assert verdict.name == "failed"
    assert verdict.detail.startswith("wrong_state:") and detail in verdict.detail


async def test_the_parts_of_a_state_say_whether_data_or_schema_is_wrong(world: DbWorld) -> None:
    verdict = await play(
        world, BIRTHDAY, ["UPDATE pets SET age = 4 WHERE name = 'Rex'", "CREATE INDEX i ON pets (age)"]
    )
    assert {part.name: part.value for part in verdict.parts} == {"data": 1.0, "schema": 0.0}


async def test_a_check_that_cannot_run_is_not_a_failed_episode(world: DbWorld) -> None:
    for spec, why in (
        (task("SELECT * FROM cats", check=Check(kind="rows")), "no such table"),
        (task(check=Check(kind="rows")), "no reference"),
        (task("SELECT 1", check=Check(kind="chain")), "no check 'chain'"),
    ):
        with pytest.raises(CheckError, match=why):
            await play(world, spec, ["SELECT * FROM pets"])


@pytest.mark.parametrize("check", [Check(kind="label", expected=("2",) * 50_000), Check(kind="rows")])
async def test_a_long_answer_is_compared_while_others_go_on(world: DbWorld, check: Check) -> None:
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    spec = task("SELECT 2 FROM pets", check=check)
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("sql", "SELECT * FROM pets"))
        await environment.step(Action("answer", ",".join("1" * 50_000)))
        other = asyncio.create_task(go_on())
        assert (await judge_episode(environment)).name == "failed"
        other.cancel()
    assert turns > 1


async def test_the_reference_is_replayed_as_turns_that_end_in_its_own_answer(world: DbWorld) -> None:
    async with world.open(CATS) as environment:
        await environment.reset()
        turns = await environment.follow()
        verdict = await environment.verify()
    assert [action.kind for action, _ in turns] == ["sql", "answer"]
    assert turns[0][1] == Step("2 rows (name):\n[('Ada',), ('Kit',)]")
    assert turns[-1][1].terminated and answer_in(turns) == '["Ada", "Kit"]'
    assert verdict.name == "passed"


async def test_a_label_is_never_replayed(world: DbWorld) -> None:
    spec = task(check=Check(kind="label", expected=("Ada",)))
    async with world.open(spec) as environment:
        await environment.reset()
        with pytest.raises(EnvironmentFault, match="no reference"):
            await environment.follow()
    (probe,) = await admit(world, spec)
    assert (probe.name, probe.passed) == ("has_reference", False)


@pytest.mark.parametrize("spec", [CATS, OLDEST, BIRTHDAY], ids=["read", "ordered", "write"])
async def test_an_honest_task_is_admitted(world: DbWorld, spec: TaskSpec) -> None:
    probes = await admit(world, spec)
    assert all(probe.passed for probe in probes), probes
    names = [probe.name for probe in probes]
    assert {"reference_passes_1", "reference_passes_2", "nothing_fails"} <= set(names)
    cheats = CHEATS if spec is BIRTHDAY else ()  # an answer is compared with rows that no statement of theirs can reach
    tried = ["unearned_answer_fails", *cheats]
    assert [name for name in names if name in CHEATS or name == "unearned_answer_fails"] == tried


@pytest.mark.parametrize(
    ("sql", "is_guessable"),
    [
        ("SELECT count(*) FROM pets WHERE kind = 'dog'", True),
        ("SELECT age FROM pets WHERE name = 'Rex'", True),
        ("SELECT name FROM pets WHERE kind = 'dog'", False),
        ("SELECT kind, count(*) FROM pets GROUP BY kind", False),
    ],
)
async def test_a_question_with_a_common_answer_is_tagged(world: DbWorld, sql: str, is_guessable: bool) -> None:
    spec = task(sql, check=Check(kind="rows"))
    tried = spec.model_copy(update={"probes": await admit(world, spec)})
    assert all(probe.passed for probe in tried.probes)
    assert tried.is_guessable is is_guessable


@pytest.mark.parametrize(
    ("spec", "failing"),
    [
        (task("UPDATE cats SET age = 1"), "reference_passes_1"),
        (task("UPDATE pets SET age = 9 WHERE name = 'Nobody'"), "nothing_fails"),
        (task("UPDATE pets SET age = 3 WHERE name = 'Rex'"), "nothing_fails"),
        (task("BEGIN", "DELETE FROM pets"), "nothing_fails"),
        (task("UPDATE pets SET age = abs(random()) % 3"), "reference_is_stable"),
        (task("INSERT INTO pets VALUES (datetime('now'), 'x', 1)"), "reference_is_stable"),
        (task("SELECT name FROM pets LIMIT 1", check=Check(kind="rows")), "no_tie_decides"),
        (task("SELECT 'qzxv no such value' FROM pets LIMIT 1", check=Check(kind="rows")), "any_answer_fails"),
        (task("SELECT 1", check=Check(kind="rows")), "reference_passes_1"),
    ],
)
async def test_a_dishonest_task_is_turned_away_by_name(world: DbWorld, spec: TaskSpec, failing: str) -> None:
    probes = await admit(world, spec)
    assert probes[-1].name == failing and not probes[-1].passed, probes


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT name FROM pets WHERE age > 99", "[]"),
        ("SELECT max(age) FROM pets WHERE age > 99", "[null]"),
        ("SELECT count(*) FROM pets WHERE age > 99", "[0]"),
        ("SELECT avg(age) / 3000 FROM pets", "[0.0016666666666666668]"),
    ],
)
async def test_nothing_null_zero_and_little_may_be_the_answer(world: DbWorld, sql: str, answer: str) -> None:
    spec = task(sql, check=Check(kind="rows"))
    probes = await admit(world, spec)
    assert all(probe.passed for probe in probes), probes
    assert (await play(world, spec, [sql], answer)).name == "passed"
    for other in {"[]", "[null]", "[0]"} - {answer}:
        assert (await play(world, spec, [sql], other)).name == "failed"


async def test_a_default_of_the_schema_that_reads_the_clock_is_not_stable(world: DbWorld, tmp_path: Path) -> None:
    stamped = Column(name="at", type="TEXT DEFAULT CURRENT_TIMESTAMP")
    table = TableData(name="log", columns=(Column(name="what"), stamped), rows=(("a", "2020-01-01"),))
    probes = await admit(world, task("INSERT INTO log (what) VALUES ('b')", setup=Setup(tables=(table,))))
    assert (probes[-1].name, probes[-1].passed) == ("reference_is_stable", False)


async def test_the_world_id_counts_limits_and_engine(world: DbWorld, tmp_path: Path) -> None:
    other = DbWorld.on_sqlite(tmp_path, statement_timeout=9)
    assert other.world_id != world.world_id
    assert "sqlite" in world.describe()["image"]
    assert json.dumps(dict(world.describe()))
