"""Tasks that independent attempts agree against: turned away, counted, not published, not attempted again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from environments.db.world import DbWorld
from reports import funnel as report
from reports.difficulty import difficulty, doubted, never_passed
from schemas.errors import NothingFound
from schemas.rejection import TAKEN_BACK, Rejection
from schemas.release import Release
from schemas.task_spec import TaskSpec
from tasks.collect.disputes import settle_disputes
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.collect.plan import Chance, plan_wave
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.publish.mixture import publish_release
from tasks.workshop import Workshop
from tests.tasks.pets import Answers, say, task

Shop = Callable[..., Workshop]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases", workers=1) as opened:
        yield opened


@pytest.fixture
def shop(open_shop: Shop, world: DbWorld) -> Shop:
    def opened(plans: Mapping[str, Answers], specs: Sequence[TaskSpec], **said: Any) -> Workshop:
        attempts = max((len(answers) for answers in plans.values()), default=1)
        chosen = {"collect__attempts": attempts, "teacher__solver_temperature": 0.7, **said}
        workshop = open_shop(teacher=say(plans), worlds={"db": world}, environments=["db"], **chosen)
        workshop.warehouse.land("task_specs", specs, key="specs")
        return workshop

    return opened


async def collect(workshop: Workshop) -> None:
    for wave in range(1, workshop.config.collect.attempts + 1):
        for part, index in plan_shards(workshop, "db", wave, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)
    await settle_disputes.fn(workshop.build)


def disputed(workshop: Workshop) -> list[str]:
    found: list[str] = workshop.warehouse.column("rejections", "source", "reason = 'disputed'")
    return found


CATS = task("How many cats are there?")
RENAME = task("Call Rex Max.", "UPDATE pets SET name = 'Maks' WHERE name = 'Rex'")
WRITE = "sql UPDATE pets SET name = 'Max' WHERE name = 'Rex' ; [\"done\"]"
CUT_OFF = WRITE.replace(" ; ", " ; sql SELECT 1 ; sql SELECT 1 ; sql SELECT 1 ; ")
WRITE_OTHERWISE = "sql UPDATE pets SET name = 'Max' WHERE age = 3 ; All is done."


@pytest.mark.parametrize(
    ("spec", "answers", "said", "expected"),
    [
        (CATS, ['["2"]', "2.0"], {}, True),
        (CATS, ['["2"]', "There are 2 cats."], {}, True),
        (CATS, ['["2"]', '["3"]'], {}, False),
        (CATS, ['["2"]'], {}, False),
        (CATS, ['["2"]', '["2"]', '["1"]'], {}, True),  # one passed, two agree against it
        (CATS, ['["2"]', '["2"]', '["1"]', '["1"]'], {}, True),
        (CATS, ['["2"]', '["2"]', '["1"]', '["1"]', '["1"]'], {}, False),  # more agree with the reference
        (CATS, ['["2"]', '["2"]', '["3"]', '["3"]', '["3"]'], {}, True),
        (CATS, ["[]", "[]"], {}, False),
        (CATS, ["I cannot tell.", "I cannot tell."], {}, False),
        (CATS, ['["2"]', '["2"]'], {"teacher__solver_temperature": 0.0}, False),  # asked twice, and not drawn
        (CATS, ['["2"]', '["2"]'], {"collect__disputed_by": 0}, False),
        (CATS, ['["2"]', '["2"]'], {"collect__disputed_by": 3}, False),
        (CATS, ['["2"]', '["2"]', '["2"]'], {"collect__disputed_by": 3}, True),
        (RENAME, [CUT_OFF, CUT_OFF], {}, False),  # both did the same, and neither came to an end
        (CATS.model_copy(update={"origin": "benchmark"}), ['["2"]', '["2"]'], {}, False),  # it measures
        (RENAME, [WRITE, WRITE_OTHERWISE], {}, True),
        (RENAME, ['["done"]', '["done"]'], {}, False),  # two that did nothing
        (RENAME, [WRITE, "sql UPDATE pets SET name = 'Mex' WHERE age = 3 ; [\"done\"]"], {}, False),
    ],
)
async def test_a_task_is_disputed_where_independent_attempts_agree_against_it(
    spec: TaskSpec, answers: list[str], said: dict[str, Any], expected: bool, shop: Shop
) -> None:
    origins = ["own", "benchmark"]
    workshop = shop({spec.instruction: answers}, [spec], collect__origins=origins, **said)
    await collect(workshop)
    assert workshop.warehouse.count("latest_episodes", "outcome NOT IN ('environment_error', 'teacher_error')") == len(
        answers
    )
    assert disputed(workshop) == [spec.task_id] * expected
    await settle_disputes.fn(workshop.build)
    assert disputed(workshop) == [spec.task_id] * expected, "what is settled stays so"


async def test_answers_from_the_same_cached_replies_are_one_voice(shop: Shop) -> None:
    workshop = shop({CATS.instruction: ['["2"]', '["2"]']}, [CATS])
    for part, index in plan_shards(workshop, "db", 1, "teacher", None):
        await collect_shard.fn(workshop.build, part, index)
    (first,) = workshop.warehouse.read("episodes")
    turns = workshop.warehouse.read("turns")
    again = {"episode_id": "0" * 32, "landing": "again"}
    workshop.warehouse.land("turns", [turn.model_copy(update=again) for turn in turns], key="again")
    workshop.warehouse.land("episodes", [first.model_copy(update={**again, "attempt": 2})], key="again")
    await settle_disputes.fn(workshop.build)
    assert disputed(workshop) == [], "equal request ids: the second attempt was never asked"


async def test_another_solver_at_temperature_0_is_independent(shop: Shop) -> None:
    plans, greedy = {CATS.instruction: ['["2"]']}, {"teacher__solver_temperature": 0.0, "collect__again": True}
    await collect(shop(plans, [CATS], **greedy))
    workshop = shop(plans, [CATS], build=2, teacher__solver="another", **greedy)
    await collect(workshop)
    assert workshop.warehouse.count("episodes") == 2 and disputed(workshop) == [CATS.task_id]


FINE, HARD = task("How many dogs are there?"), task("Which is the oldest?", "SELECT name FROM pets WHERE age = 7")
EASY = task("Who is three?", "SELECT name FROM pets WHERE age = 3")
TWIN = task("How many cats are there?", derivation="replay", origin="derived")
PLANS = {
    CATS.instruction: ['["2"]', "2", '["1"]'],
    FINE.instruction: ['["1"]', '["5"]', '["2"]'],
    EASY.instruction: ['["Rex"]'] * 3,
    HARD.instruction: ['["Rex"]', '["Kit"]', '["dog"]'],
}
SPECS = [CATS, TWIN, FINE, EASY, HARD]


def tasks_of(workshop: Workshop, release: Release) -> set[str]:
    shards = Path(release.path, "data", "messages").iterdir()
    ids = [one for shard in shards for one in pq.read_table(shard, columns=["id"])["id"].to_pylist()]
    return {*workshop.warehouse.column("trajectories", "task_id", "list_contains(?::VARCHAR[], trajectory_id)", (ids,))}


async def test_a_disputed_task_is_counted_left_out_and_attempted_no_more_until_a_person_takes_it_back(
    shop: Shop, open_shop: Shop, world: DbWorld
) -> None:
    workshop = shop(PLANS, SPECS)
    await collect(workshop)
    for index in range(count_shards(workshop)):
        await curate_shard.fn(workshop.build, index)
    assert disputed(workshop) == sorted([CATS.task_id, TWIN.task_id]), "and what is replayed from the same reference"
    (row,) = workshop.warehouse.read("rejections", "source = ? AND reason = 'disputed'", (CATS.task_id,))
    assert "2 attempts ended with '[\"2\"]', the reference with '[1]', 1 passed" in row.detail
    (counted,) = report.funnel(workshop.warehouse, 1).records()
    assert (counted["attempted"], counted["disputed"]) == (13, 2)
    assert [(r["reason"], r["tasks"]) for r in doubted(workshop.warehouse).records()] == [("disputed", 2)]

    first = await publish_release.fn(1, [])
    assert tasks_of(workshop, first) == {FINE.task_id, EASY.task_id}
    assert any(note.startswith("2 agent rows left out: independent attempts") for note in first.notes)

    later = open_shop(worlds={"db": world}, environments=["db"], build=2, collect__attempts=4, **DRAWN)
    assert {Chance.parse(one).task_id for one in plan_wave(later, "db", 4, "teacher", ["own", "derived"])} == {
        FINE.task_id,
        EASY.task_id,
        HARD.task_id,
    }
    back = {"stage": "review", "reason": TAKEN_BACK, "detail": "dogs were meant", "raw": "", "number": 1}
    rows = [Rejection.make(source=one.task_id, **back) for one in (CATS, TWIN)]
    later.warehouse.land("rejections", rows, key="back")
    await settle_disputes.fn(2)
    assert len(plan_wave(later, "db", 4, "teacher", ["own"])) == 4 and len(disputed(later)) == 2
    second = await publish_release.fn(2, [])
    assert tasks_of(later, second) == {FINE.task_id, EASY.task_id, CATS.task_id, TWIN.task_id}
    assert not any("independent attempts" in note for note in second.notes)


DRAWN = {"teacher__solver_temperature": 0.7}


async def test_difficulty_is_measured_and_a_recipe_keeps_a_band_of_it(
    shop: Shop, open_shop: Shop, world: DbWorld
) -> None:
    workshop = shop(PLANS, [FINE, EASY, HARD], collect__disputed_by=0)
    await collect(workshop)
    for index in range(count_shards(workshop)):
        await curate_shard.fn(workshop.build, index)
    rows = workshop.warehouse.query("SELECT task_id, attempts, passed, pass_rate, turns FROM task_difficulty")
    assert {row[0]: row[1:] for row in rows} == {
        FINE.task_id: (3, 1, 1 / 3, 2.0),
        EASY.task_id: (3, 3, 1.0, 2.0),
        HARD.task_id: (3, 0, 0.0, 2.0),
    }
    (told,) = difficulty(workshop.warehouse).records()
    assert [told[name] for name in ("tasks", "never passed", "sometimes", "always", "attempts")] == [3, 1, 1, 1, 9]
    (never,) = never_passed(workshop.warehouse)
    assert never.spec == HARD and never.record()["reasons"] == {"wrong_answer": 3}
    assert [one.answer for one in never.attempts] == ['["Rex"]', '["Kit"]', '["dog"]']

    async def published(**recipe: Any) -> Release:
        chosen = {f"mixture__{name}": value for name, value in recipe.items()}
        open_shop(worlds={"db": world}, environments=["db"], **DRAWN, **chosen, collect__attempts=3)
        return await publish_release.fn(1, [])

    everything = await published()
    assert tasks_of(workshop, everything) == {FINE.task_id, EASY.task_id}
    some = await published(pass_rate="0 < rate < 1")
    assert tasks_of(workshop, some) == {FINE.task_id}
    assert "1 agent row left out: the recipe takes tasks of 0 < rate < 1, measured by 2 attempts" in str(some.notes)
    assert tasks_of(workshop, await published(pass_rate="0.5 <= rate")) == {EASY.task_id}
    with pytest.raises(NothingFound, match="and 2 of these are of tasks with fewer"):
        await published(pass_rate="0 < rate < 1", min_attempts=4)
