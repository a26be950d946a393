"""Second opinions on database tasks: which answers are the same by the judge of values, which states."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from environments.agreement import find_agreements
from environments.base import Action, judge_episode
from environments.db.world import DbWorld
from environments.endings import Ending
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

SETUP = Setup(
    tables=(
        TableData(
            name="pets",
            columns=(Column(name="name"), Column(name="kind"), Column(name="age", type="REAL")),
            rows=(("Rex", "dog", 3.25), ("Ada", "cat", 7.5), ("Kit", "cat", 5.0)),
        ),
    ),
    database_name="shelter",
)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path_factory.mktemp("home") / "databases", workers=1) as opened:
        yield opened


def task(sql: str, **check: object) -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="The pets of the shelter.",
        setup=SETUP,
        reference=(Script(code=sql),),
        check=Check.model_validate({"kind": "rows", **check}),
        origin="own",
        provenance=Provenance(source="test"),
    )


NAMES = task("SELECT name FROM pets WHERE age > 6")
ORDERED = task("SELECT name FROM pets ORDER BY age LIMIT 1", ordered=True)
PAIRS = task("SELECT kind, count(*) FROM pets WHERE age > 6 GROUP BY kind")
RESULT = task("SELECT kind, count(*) FROM pets WHERE age > 6 GROUP BY kind", kind="result")
MEAN = task("SELECT avg(age) FROM pets WHERE kind = 'cat'")
CHANGE = task("UPDATE pets SET age = age + 1 WHERE name = 'Rex'", kind="state")


@pytest.mark.parametrize(
    ("spec", "one", "other", "expected"),
    [
        (NAMES, '["Rex", "Kit"]', '["Kit", "Rex"]', True),
        (NAMES, '["Rex", "Kit"]', "Rex, Kit", True),
        (NAMES, '["Rex", "Kit"]', "- Kit\n- Rex", True),
        (NAMES, '["Rex", "Kit"]', '["Rex"]', False),
        (NAMES, '["Rex", "Kit"]', '["Rex", "Kit", "Kit"]', False),
        (NAMES, '["rex"]', '["Rex"]', False),
        (ORDERED, '["Rex", "Kit"]', '["Kit", "Rex"]', False),
        (ORDERED, '["Rex", "Kit"]', "Rex\nKit", True),
        (PAIRS, '[["cat", 2], ["dog", 1]]', "dog: 1, cat: 2", True),
        (PAIRS, '[["cat", 2], ["dog", 1]]', '[["dog", 1], ["cat", 3]]', False),
        (PAIRS, '[["cat", 2], ["dog", 1]]', '[[2, "cat"], [1, "dog"]]', True),
        (RESULT, '[["cat", 2], ["dog", 1]]', '[[2, "cat"], [1, "dog"]]', False),
        (MEAN, "[33.333333]", "33.3", True),
        (MEAN, "33.3", "[33.333333]", True),
        (MEAN, '["6"]', "6.0", True),
        (MEAN, "[6]", "[7]", False),
        (MEAN, "[1174]", "1,174", True),
        (NAMES, "007", "7", False),  # text is text
    ],
)
async def test_answers_are_the_same_by_the_judge_of_values_and_its_rules_of_order(
    world: DbWorld, spec: TaskSpec, one: str, other: str, expected: bool
) -> None:
    assert await world.same_outcome(spec, Ending(one), Ending(other)) == expected
    assert await world.same_outcome(spec, Ending(other), Ending(one)) == expected


async def ended(world: DbWorld, spec: TaskSpec, statements: Sequence[str], answer: str) -> tuple[str, Ending]:
    async with world.open(spec) as environment:
        await environment.reset()
        for sql in statements:
            await environment.step(Action("sql", sql))
        await environment.step(Action("answer", answer))
        verdict = await judge_episode(environment)
        return verdict.name, Ending(answer, await environment.work() or await environment.fingerprint())


@pytest.mark.parametrize(
    ("spec", "attempts", "groups"),
    [
        (  # the same wrong state, whatever was said and however it was come by
            CHANGE,
            [
                (["UPDATE pets SET age = 4 WHERE name = 'Rex'"], '["done"]'),
                (["CREATE TEMP TABLE t (x)", "UPDATE pets SET age = 4.0 WHERE kind = 'dog'"], "set"),
                (["UPDATE pets SET age = 9 WHERE name = 'Rex'"], '["done"]'),
            ],
            ((0, 1), (2,)),
        ),
        (CHANGE, [(["SELECT 1 FROM pets"], '["done"]'), (["DELETE FROM pets WHERE 0"], '["done"]')], ()),
        (  # a question's right answer with an unasked write: it is the reference's
            NAMES,
            [(["SELECT name FROM pets", "DELETE FROM pets"], '["Ada"]')] * 2,
            (),
        ),
        (
            NAMES,
            [(["SELECT name FROM pets"], '["Ada", "Kit"]'), (["SELECT * FROM pets"], "Kit, Ada")],
            ((0, 1),),
        ),
        (NAMES, [(["SELECT name FROM pets"], "[]"), (["SELECT name FROM pets"], "[]")], ()),
    ],
)
async def test_attempts_agree_by_what_they_did(
    world: DbWorld,
    spec: TaskSpec,
    attempts: list[tuple[list[str], str]],
    groups: tuple[tuple[int, ...], ...],
) -> None:
    played = [await ended(world, spec, statements, answer) for statements, answer in attempts]
    assert {verdict for verdict, _ in played} == {"failed"}
    assert (await find_agreements(world, spec, [ending for _, ending in played])).groups == groups
