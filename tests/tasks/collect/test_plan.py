"""What a build collects: another prompt, model or default opens no task that was attempted to an end, `again` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from environments.base import Place
from environments.registry import Worlds, make_world
from schemas.episode import Episode, Solver, make_episode_id
from schemas.task_spec import TaskSpec
from tasks.collect.plan import Chance, count_open, plan_wave
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

Shop = Callable[..., Workshop]
FINISHED = {"outcome": "finished", "verdict": "failed"}
OUTAGE = {"outcome": "teacher_error", "verdict": "unknown"}
PASSED = {"outcome": "finished", "verdict": "passed"}


@pytest.fixture
def specs(make_specs: Callable[[int], list[TaskSpec]]) -> list[TaskSpec]:
    return make_specs(2)


@pytest.fixture
def shop(open_shop: Shop, specs: list[TaskSpec], tmp_path: Path) -> Shop:
    """A home with two tasks."""

    def opened(*became: tuple[str, int, int, dict[str, str]], **overrides: Any) -> Workshop:
        """`became`: solver (`mine`, or another's id), attempt, try, end of an episode of the first task."""
        workshop = open_shop(environments=["os"], **overrides)
        workshop.worlds = Worlds({"os": make_world("os", Place(workshop.config, workshop.home, tmp_path))})
        workshop.warehouse.land("task_specs", specs, key="tasks")
        workshop.warehouse.land("episodes", [episode_of(workshop, specs[0], *one) for one in became], key=str(became))
        return workshop

    return opened


def episode_of(
    workshop: Workshop, spec: TaskSpec, solver: str, attempt: int, try_number: int, end: dict[str, str]
) -> Episode:
    mine = workshop.solver_rules(spec).solver
    by = (
        mine if solver == "mine" else Solver(kind="reference" if solver == "reference" else "teacher", solver_id=solver)
    )
    return Episode.model_validate(
        {
            "episode_id": make_episode_id(spec.task_id, by.solver_id, "world", attempt),
            "task_id": spec.task_id,
            "environment": spec.environment,
            "origin": spec.origin,
            "solver": by,
            "world_id": "world",
            "build": 1,
            "attempt": attempt,
            "try_number": try_number,
            "reward": 0.0,
            "n_turns": 1,
            "landing": "landing",
            **end,
        }
    )


def planned(workshop: Workshop, spec: TaskSpec, waves: Sequence[int] = (1, 2, 3)) -> list[tuple[int, int]]:
    """Return attempt and try of what is planned for a task."""
    found = [Chance.parse(line) for w in waves for line in plan_wave(workshop, "os", w, "teacher", ["own"])]
    return sorted((chance.attempt, chance.try_number) for chance in found if chance.task_id == spec.task_id)


@pytest.mark.parametrize(
    ("became", "overrides", "expected"),
    [
        ([], {}, [(1, 1)]),
        ([("mine", 1, 1, FINISHED)], {}, []),
        ([("earlier", 1, 1, FINISHED)], {}, []),
        ([("earlier", 1, 1, FINISHED)], {"collect__attempts": 3}, []),
        ([("earlier", 1, 1, FINISHED)], {"collect__again": True}, [(1, 1)]),
        ([("earlier", 1, 1, FINISHED)], {"collect__again": True, "collect__attempts": 2}, [(1, 1), (2, 1)]),
        ([("earlier", 1, 1, PASSED)], {"collect__again": True, "collect__until_passed": True}, [(1, 1)]),
        ([("earlier", 1, 1, FINISHED), ("mine", 1, 1, FINISHED)], {"collect__again": True}, []),
        ([("mine", 1, 1, FINISHED)], {"collect__attempts": 3}, [(2, 1), (3, 1)]),
        ([("mine", 1, 1, FINISHED)], {"collect__attempts": 3, "collect__until_passed": True}, [(2, 1), (3, 1)]),
        ([("mine", 1, 1, PASSED)], {"collect__attempts": 3, "collect__until_passed": True}, []),
        ([("earlier", 1, 1, OUTAGE)], {}, [(1, 2)]),
        ([("earlier", 1, 2, OUTAGE)], {"collect__max_tries": 2}, []),
        ([("earlier", 1, 1, OUTAGE), ("mine", 1, 2, OUTAGE)], {}, [(1, 3)]),
        ([("earlier", 1, 2, OUTAGE)], {"collect__max_tries": 2, "collect__again": True}, [(1, 1)]),
        ([("reference", 1, 1, PASSED)], {}, [(1, 1)]),
    ],
)
def test_who_has_attempted_a_task_to_an_end_closes_it_unless_again_is_said(
    became: list[tuple[str, int, int, dict[str, str]]],
    overrides: dict[str, Any],
    expected: list[tuple[int, int]],
    shop: Shop,
    specs: list[TaskSpec],
) -> None:
    workshop = shop(*became, **overrides)
    waves = range(1, workshop.config.collect.attempts + 1)
    assert planned(workshop, specs[0], waves) == expected
    untouched = planned(workshop, specs[1], waves)
    assert untouched == [(wave, 1) for wave in waves], "the other task waits for all of its attempts"
    assert count_open(workshop, "os") == (1 + bool(expected), 0), "an estimate counts what is planned"


@pytest.mark.parametrize(
    "changed",
    [
        {"teacher__solver": "offline-b"},
        {"teacher__solver_temperature": 0.5},
        {"teacher__max_output_tokens": 99},
        {"teacher__name": "other"},
        {"seed": 3},
        {"collect__dialect": "tools"},
    ],
)
def test_no_change_of_the_solver_buys_by_itself(changed: dict[str, Any], shop: Shop, specs: list[TaskSpec]) -> None:
    shop(("mine", 1, 1, FINISHED))
    assert planned(shop(**changed), specs[0], [1]) == []
    assert planned(shop(collect__again=True, **changed), specs[0], [1]) == [(1, 1)]


def test_a_stored_plan_stands_whatever_the_solver_has_become(shop: Shop, specs: list[TaskSpec]) -> None:
    from tasks.collect.episodes import plan_shards

    shards = plan_shards(shop(), "os", 1, "teacher", ["own"])
    workshop = shop(("earlier", 1, 1, FINISHED), teacher__solver="offline-b")
    assert plan_shards(workshop, "os", 1, "teacher", ["own"]) == shards == [("os teacher wave 1", 0)]


def test_planning_reads_no_whole_task(shop: Shop, specs: list[TaskSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = shop(("mine", 1, 1, FINISHED), collect__attempts=2)
    monkeypatch.setattr(Warehouse, "read", lambda *_, **__: pytest.fail("of a hundred thousand tasks it is a gigabyte"))
    assert planned(workshop, specs[1]) == [(1, 1), (2, 1)]
