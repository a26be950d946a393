from __future__ import annotations

from collections import Counter

import pytest

from rehearsals.plan import SOLVER_FAULTS, TASK_FAULTS, model_seed, solver_fault, task_fault, thought_fault
from schemas.run_config import FaultsConfig

ALL = FaultsConfig(solver=1, task=1, leak=1)


def test_the_share_of_faults_is_the_configured_one():
    drawn = [solver_fault(f"problem {i}", 0, SOLVER_FAULTS, FaultsConfig(solver=0.2)) for i in range(10_000)]
    assert sum(fault is not None for fault in drawn) / 10_000 == pytest.approx(0.2, abs=0.015)


@pytest.mark.parametrize(("draw", "classes"), [(solver_fault, SOLVER_FAULTS), (task_fault, TASK_FAULTS)])
def test_the_draw_is_uniform_over_what_can_apply(draw, classes):
    counts = Counter(draw(f"problem {i}", 3, classes, ALL) for i in range(9000))
    assert set(counts) == set(classes)
    expected = 9000 / len(classes)
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 27, "27 is beyond the 99.9th percentile for 8 degrees of freedom"


def test_only_applicable_faults_are_drawn_in_whatever_order_they_are_named():
    some = ("gives_up", "wrong_value")
    for i in range(50):
        fault = solver_fault(f"p{i}", 0, some, ALL)
        assert fault in some
        assert fault == solver_fault(f"p{i}", 0, some[::-1], ALL)
    assert solver_fault("p", 0, (), ALL) is None


@pytest.mark.parametrize("other", [{"seed": 5}, {"faults": FaultsConfig(solver=1, seed=8)}, {"problem": "another"}])
def test_seed_problem_and_plan_each_decide(other):
    def drawn(n: int, **changes: object) -> list[str | None]:
        fields = {"problem": "p", "seed": 4, "faults": ALL} | changes
        return [
            solver_fault(f"{fields['problem']} {i}", fields["seed"], SOLVER_FAULTS, fields["faults"]) for i in range(n)
        ]

    assert drawn(60) == drawn(60)
    assert drawn(60) != drawn(60, **other)


def test_offline_b_draws_otherwise_than_offline_a():
    assert model_seed("offline-a", 4) == 4
    assert model_seed("offline-a", None) is None
    assert model_seed("offline-b", 4) != 4


def test_no_faults_means_none():
    none = FaultsConfig(solver=0, task=0, leak=0)
    for i in range(100):
        assert solver_fault(f"p{i}", 0, SOLVER_FAULTS, none) is None
        assert task_fault(f"p{i}", 0, TASK_FAULTS, none) is None
        assert thought_fault(f"p{i}", 0, none) is None
