"""Curation of a build: duplicates, the cap, leaks, outages; and at every stage what came in was kept or rejected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from environments.db.world import DbWorld
from schemas.episode import Episode, Solver, Turn
from schemas.errors import TeacherError
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from tasks.collect.episodes import STAGE as COLLECT
from tasks.curate.trajectories import STAGE as CURATE
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.workshop import Workshop
from teachers.ledger.ledger import Ledger
from teachers.scripted import Scripted
from warehouse.state import State
from warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from tests.conftest import Smoke
    from tests.small_build import Built


class Broken(Scripted):
    """Fails where the prompt speaks of one of these."""

    def __init__(self, *names: str) -> None:
        super().__init__(lambda request: self._answer(request.messages[-1].content))
        self._names = names

    def _answer(self, prompt: str) -> str:
        if any(name in prompt for name in self._names):
            raise TeacherError("no answer came", transient=True)
        return "I look at the table."


Shop = Callable[..., Workshop]


@pytest.fixture
def open_db(open_shop: Shop, tmp_path: Path) -> Shop:
    worlds = {"db": DbWorld.on_sqlite(tmp_path / "databases")}

    def open_one(teacher: Scripted | None = None, build: int = 1, **overrides: Any) -> Workshop:
        return open_shop(teacher=teacher, worlds=worlds, build=build, **overrides)

    return open_one


def make_spec(name: str) -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction=f"How many {name} are there?",
        setup=Setup(),
        check=Check(kind="label", expected=("412",)),
        origin="own",
        provenance=Provenance(source="test"),
    )


def land(shop: Workshop, spec: TaskSpec, *actions: str, thought: str | None = "I count.", **changes: Any) -> list[str]:
    """Land an episode for each of the statements, in one go; return the episodes' ids."""
    ids = [f"{spec.instruction} {number}" for number in range(len(actions))]
    turns = [
        Turn(
            episode_id=name,
            landing="l",
            index=index,
            observation=spec.instruction if index == 0 else "[(412,)]",
            thought=thought,
            thought_source="teacher" if thought else None,
            action=action if index == 0 else '["412"]',
            action_kind="sql" if index == 0 else "answer",
        )
        for name, action in zip(ids, actions, strict=True)
        for index in range(2)
    ]
    fields = {
        "task_id": spec.task_id,
        "environment": "db",
        "origin": "own",
        "solver": Solver(kind="teacher", model="m", solver_id="s"),
        "world_id": "w",
        "build": 1,
        "outcome": "finished",
        "verdict": "passed",
        "reward": 1.0,
        "answer": '["412"]',
        "n_turns": 2,
        "landing": "l",
    }
    episodes = [
        Episode.model_validate({**fields, "episode_id": name, "attempt": number, **changes})
        for number, name in enumerate(ids, start=1)
    ]
    shop.warehouse.land("task_specs", [spec], key=f"specs {spec.task_id}")
    shop.warehouse.land("turns", turns, key=f"turns {spec.task_id}")
    shop.warehouse.land("episodes", episodes, key=f"episodes {spec.task_id}")
    return ids


async def curate(shop: Workshop) -> None:
    for index in range(count_shards(shop)):
        await curate_shard.fn(shop.build, index)


def kept(shop: Workshop) -> list[str]:
    return sorted(shop.warehouse.column("trajectories", "episode_id"))


def rejected(shop: Workshop) -> dict[str, str]:
    rows = shop.warehouse.query("SELECT source, reason, stage FROM rejections")
    assert {stage for _, _, stage in rows} <= {"curate"}
    return {source.removesuffix(f"/{shop.curation_id}"): reason for source, reason, _ in rows}


async def test_what_was_seen_and_done_before_is_a_duplicate(open_db: Shop) -> None:
    shop = open_db()
    first, again, _ = land(shop, make_spec("cats"), "SELECT 1", "SELECT 1", "SELECT 2")
    await curate(shop)
    assert rejected(shop) == {again: "duplicate"} and first in kept(shop)


async def test_a_task_keeps_so_many_trajectories_and_the_rest_is_capped(open_db: Shop) -> None:
    shop = open_db(curate__per_task=2)
    cats = land(shop, make_spec("cats"), *(f"SELECT {n}" for n in range(5)))
    dogs = land(shop, make_spec("dogs"), "SELECT 1")
    await curate(shop)
    assert kept(shop) == sorted([*cats[:2], *dogs])
    assert rejected(shop) == dict.fromkeys(cats[2:], "capped")


async def test_the_next_build_remembers_duplicates_and_the_cap(open_db: Shop) -> None:
    shop = open_db(curate__per_task=2)
    spec = make_spec("cats")
    land(shop, spec, "SELECT 1")
    await curate(shop)
    later = open_db(curate__per_task=2, build=2)
    turns = later.warehouse.read("turns")
    episode = later.warehouse.read("episodes")[0]
    for name, action in (("same", "SELECT 1"), ("other", "SELECT 2"), ("third", "SELECT 3")):
        copies = [
            t.model_copy(update={"episode_id": name, "action": action if t.index == 0 else t.action}) for t in turns
        ]
        later.warehouse.land("turns", copies, key=f"turns {name}")
        again = episode.model_copy(update={"episode_id": name, "attempt": 2 + len(name)})
        later.warehouse.land("episodes", [again], key=f"episodes {name}")
    await curate(later)
    assert rejected(later) == {"same": "duplicate", "third": "capped"}


async def test_a_failed_episode_is_rejected_with_its_verdict(open_db: Shop) -> None:
    shop = open_db()
    land(shop, make_spec("cats"), "SELECT 1", verdict="failed", reward=0.0, verdict_detail="wrong_answer")
    await curate(shop)
    assert shop.warehouse.query("SELECT reason, detail FROM rejections") == [("failed", "wrong_answer")]


async def test_what_is_not_final_waits_and_is_not_rejected(open_db: Shop) -> None:
    shop = open_db()
    for number, changes in enumerate(
        ({"outcome": "environment_error"}, {"outcome": "teacher_error"}, {"verdict": "unknown"})
    ):
        land(shop, make_spec(f"cats {number}"), "SELECT 1", **changes)
    await curate(shop)
    assert (kept(shop), rejected(shop)) == ([], {})


async def test_a_thought_that_leaks_three_times_rejects_the_trajectory(open_db: Shop) -> None:
    teacher = Scripted(lambda request: "There must be 412 of them.")
    shop = open_db(teacher)
    (leaking,) = land(shop, make_spec("cats"), "SELECT 1", thought=None)
    await curate(shop)
    assert (kept(shop), rejected(shop)) == ([], {leaking: "thought_leak"})
    assert len(teacher.requests) == 3
    assert [(r.attempt, r.sampling.seed) for r in teacher.requests] == [(1, 1), (2, 2), (3, 3)]
    (detail,) = shop.warehouse.column("rejections", "detail")
    assert detail == "turn 0, 3 draws, the last: the number 412 was not visible yet"


async def test_a_clean_second_draw_keeps_the_trajectory_and_is_its_receipt(open_db: Shop) -> None:
    teacher = Scripted(["The given answer is 412.", "I look at the table.", "That is the count."])
    shop = open_db(teacher)
    (name,) = land(shop, make_spec("cats"), "SELECT 1", thought=None)
    await curate(shop)
    (trajectory,) = shop.warehouse.read("trajectories")
    assert (trajectory.episode_id, trajectory.backfilled) == (name, True)
    assert trajectory.completion_ids == tuple(request.request_hash for request in teacher.requests[1:])
    assert [m.content.split("\n")[0] for m in trajectory.messages if m.train] == [
        "I look at the table.",
        "That is the count.",
    ]


async def test_one_failed_request_rejects_one_trajectory_until_the_next_build(open_db: Shop) -> None:
    shop = open_db(Broken("dogs"))
    (cats,) = land(shop, make_spec("cats"), "SELECT 1", thought=None)
    (dogs,) = land(shop, make_spec("dogs"), "SELECT 1", thought=None)
    await curate(shop)
    assert (kept(shop), rejected(shop)) == ([cats], {dogs: "teacher_error"})
    later = open_db(Broken(), build=2)
    await curate(later)
    assert kept(later) == [cats, dogs]


async def test_a_teacher_that_answers_nobody_stops_the_run_and_nothing_is_rejected(open_db: Shop) -> None:
    shop = open_db(Broken("cats", "dogs"))
    names = [*land(shop, make_spec("cats"), "SELECT 1", thought=None), *land(shop, make_spec("dogs"), "SELECT 1")]
    with pytest.raises(TeacherError, match="no answer came"):
        await curate(shop)
    assert (kept(shop), rejected(shop)) == ([], {})
    await curate(open_db(Broken()))
    assert kept(shop) == sorted(names)


async def test_curating_again_changes_nothing(open_db: Shop) -> None:
    shop = open_db()
    land(shop, make_spec("cats"), "SELECT 1", "SELECT 1", "SELECT 2", "SELECT 3")
    await curate(shop)
    before = (kept(shop), rejected(shop))
    await curate(shop)
    await curate(open_db(build=2))
    assert (kept(shop), rejected(shop)) == before


def test_other_thresholds_are_another_curation(open_db: Shop) -> None:
    ids = {open_db(**{"curate__thresholds": {"db": threshold}}).curation_id for threshold in (1.0, 0.5)}
    assert len(ids) == 2


def planned(state: State, stage: str, part: str) -> list[str]:
    def unplanned() -> list[str]:
        raise AssertionError(f"{stage} of {part} was never planned")

    return state.plan(1, stage, part, unplanned)


def count_rows(files: Iterable[Path]) -> int:
    """Count what is in the chat files, line by line: both forms hold a row a line."""
    lines = (line for path in files for line in path.read_text(encoding="utf-8").splitlines())
    return sum(line.strip() not in ("", "[", "]") for line in lines)


class Sums:
    """What came in and what became of it, of one home's first build."""

    def __init__(self, home: Path) -> None:
        self.home, self.state = home, State(home)
        self._warehouse = Warehouse(home)

    def count(self, sql: str) -> int:
        return int(self._warehouse.query(f"SELECT count(*) FROM {sql}")[0][0])

    def rejections(self, *stages: str, made_up: bool | None = None) -> int:
        where = f"stage IN ({', '.join(repr(stage) for stage in stages)})"
        if made_up is not None:
            where += f" AND {'' if made_up else 'NOT'} starts_with(source, 'seed ')"
        return self.count(f"rejections WHERE {where}")


@pytest.fixture(params=["built", "smoke"])
def sums(request: pytest.FixtureRequest) -> Sums:
    build: Built | Smoke = request.getfixturevalue(request.param)
    return Sums(build.home)


def test_every_reply_of_generation_is_a_task_or_a_rejection(sums: Sums) -> None:
    replies = sums.count("completions WHERE purpose = 'generate_tasks'")
    admitted = sums.count("task_specs WHERE origin = 'self_instruct'")
    became = admitted + sums.rejections("generate", "admit", made_up=True)
    assert replies >= 4
    assert replies <= became <= 3 * replies, "three tasks were asked for in one reply at most"


def test_every_question_becomes_two_tasks_or_rejections(sums: Sums) -> None:
    derived = sums.count("task_specs WHERE origin = 'derived'")
    assert sums.count("(SELECT DISTINCT parents FROM task_specs WHERE origin = 'derived')") * 2 >= derived > 0
    assert (derived + sums.rejections("generate", "admit", made_up=False)) % 2 == 0


def test_every_planned_attempt_is_an_episode_kept_or_failed(sums: Sums) -> None:
    waves = range(1, 1 + sums.count("(SELECT DISTINCT attempt FROM episodes)"))
    chances = [
        c for w in ("os", "db") for wave in waves for c in planned(sums.state, COLLECT, f"{w} teacher wave {wave}")
    ]
    episodes = sums.count("latest_episodes")
    assert len(chances) == len(set(chances)) == episodes
    assert episodes == sums.count("episodes WHERE verdict = 'passed'") + sums.count("episodes WHERE verdict = 'failed'")


def test_every_final_episode_is_a_trajectory_or_a_rejection(sums: Sums) -> None:
    curation_id = sums._warehouse.query("SELECT DISTINCT curation_id FROM trajectories")[0][0]
    plan = planned(sums.state, CURATE, curation_id)
    assert len(plan) == sums.count("latest_episodes")
    assert len(plan) == sums.count("trajectories") + sums.rejections("curate")
    assert sums.count("trajectories t JOIN rejections r ON starts_with(r.source, t.episode_id)") == 0


def test_every_turn_belongs_to_an_episode_and_is_counted_there(sums: Sums) -> None:
    assert sums.count("turns") == sums._warehouse.query("SELECT sum(n_turns) FROM episodes")[0][0]
    assert sums.count("turns ANTI JOIN episodes USING (episode_id, landing)") == 0


def test_every_chat_is_kept_or_rejected(sums: Sums) -> None:
    files = sorted((sums.home / "general").rglob("chats-*"))
    assert len(files) == 2
    assert count_rows(files) == sums.count("conversations") + sums.rejections("ingest")


def test_every_completion_is_landed(sums: Sums) -> None:
    ledger = Ledger(sums.home / "ledger.sqlite")
    try:
        assert sums.count("completions") == ledger.totals().requests
    finally:
        ledger.close()


def test_every_rejection_says_why_and_of_what(built: Built) -> None:
    rows = built.warehouse.query("SELECT stage, reason, detail, source, raw FROM rejections")
    assert Counter(stage for stage, *_ in rows).keys() == {"generate", "admit", "curate", "ingest"}
    for _, reason, detail, source, raw in rows:
        assert reason and detail and source and raw, (reason, source)
    assert all(json.loads(raw)["task_id"] for stage, *_, raw in rows if stage == "curate")
