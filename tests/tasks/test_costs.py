"""What a build will cost, from what it will ask and what earlier ones took."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.configuration import load_config
from reports.costs import Asked, Estimate, Load, Yield, estimate, read_yield
from schemas.completion import CompletionRequest
from schemas.message import Message

PRICED = {"teacher.prices": {"offline-a": {"prompt": 2.0, "completion": 10.0}}}
REQUEST = CompletionRequest(
    purpose="generate_tasks",
    teacher="t",
    model="offline-a",
    messages=(Message(role="user", content="x" * 4000),),
)


def made(asked: dict[str, Asked], known: Yield | None = None, **overrides: Any) -> Estimate:
    config = load_config("smoke", PRICED | {key.replace("__", "."): value for key, value in overrides.items()})
    return estimate(config, asked, known)


def test_what_is_asked_times_what_it_took_before() -> None:
    asked = {"os": Asked((REQUEST,) * 10, opening_tokens=100, open_tasks=2)}
    known = Yield(
        per_generation={"offline-a": Load(1, 900, 50)},
        admitted={"os": 0.8},
        per_episode={"os": Load(3, 2000, 100)},
        passed={"os": 0.75},
    )
    generated, solved, backfilled = made(asked, known).rows
    assert generated.likely == Load(10, 10_000, 500)  # its prompts are rendered, so they are not guessed
    assert generated.likely_usd == pytest.approx(10_000 * 2e-6 + 500 * 1e-5)
    assert solved.likely == Load(30, 20_000, 1_000)  # eight of ten come in, two waited
    assert backfilled.likely == Load(0, 0, 0)
    assert [row.stage for row in (generated, solved, backfilled)] == [
        "generate_tasks",
        "collect_episodes",
        "curate_trajectories",
    ]


def test_attempts_that_end_with_the_first_that_passes_are_counted_by_how_often_it_passes() -> None:
    asked, known = {"os": Asked((), 100, open_tasks=10)}, Yield(per_episode={"os": Load(1, 10, 1)}, passed={"os": 0.5})
    assert made(asked, known, collect__attempts=3).rows[1].likely.requests == 30
    assert made(asked, known, collect__attempts=3, collect__until_passed=True).rows[1].likely.requests == 17.5


def test_a_world_with_a_solver_of_its_own_is_priced_at_that_ones_price() -> None:
    asked = {name: Asked((), 100, open_tasks=10) for name in ("os", "db")}
    known = Yield(per_episode={name: Load(1, 10, 1) for name in asked})
    found = made(asked, known, teacher__solvers={"db": "offline-b"}).rows
    solved = {row.model: row.likely.requests for row in found if row.stage == "collect_episodes"}
    assert solved == {"offline-a": 10, "offline-b": 10}


def test_a_cap_on_tasks_caps_the_episodes() -> None:
    asked, known = {"os": Asked((), 100, open_tasks=10)}, Yield(per_episode={"os": Load(2, 10, 1)})
    assert made(asked, known, collect__tasks=4).rows[1].likely.requests == 8


def test_a_mixture_is_estimated_call_by_call() -> None:
    agents = {"proposers": ["offline-a", "offline-b"], "aggregator": "offline-a"}
    alone = made({"os": Asked((REQUEST,) * 10, 100)}).rows[0].likely
    rows = [
        row
        for row in made(
            {"os": Asked((REQUEST,) * 10, 100)}, teacher__mixtures={"both": agents}, teacher__generator="both"
        ).rows
        if row.stage == "generate_tasks"
    ]
    assert {row.model: row.likely.requests for row in rows} == {"offline-a": 20, "offline-b": 10}
    shown = 2 * alone.completion_tokens  # the aggregator reads two proposals
    assert sum(row.likely.prompt_tokens for row in rows) == 3 * alone.prompt_tokens + shown


def test_a_world_s_own_solver_has_a_row_of_its_own() -> None:
    asked = {world: Asked((), 100, 10, 0, 0, 8) for world in ("os", "db")}
    rows = [row for row in made(asked, teacher__solvers={"db": "offline-b"}).rows if row.stage == "collect_episodes"]
    assert [row.model for row in rows] == ["offline-a", "offline-b"]
    (together,) = [row for row in made(asked).rows if row.stage == "collect_episodes"]
    assert sum(row.at_most.requests for row in rows) == together.at_most.requests


def test_a_batch_is_estimated_at_its_price() -> None:
    asked = {"os": Asked((REQUEST,) * 10, 100)}
    whole, half = made(asked).rows[0], made(asked, teacher__mode="batch").rows[0]
    assert half.likely_usd == pytest.approx(whole.likely_usd / 2)


@pytest.mark.parametrize(("cap", "verdict"), [(1e9, "holds"), (0.05, "may be reached"), (0.001, "will be reached")])
def test_it_says_beside_each_cap_whether_it_holds(cap: float, verdict: str) -> None:
    (found,) = made({"os": Asked((REQUEST,) * 10, 100)}, budget__stages__generate_tasks__usd=cap).caps
    assert (found.section, found.verdict) == ("budget.stages.generate_tasks", verdict)


@given(
    st.integers(0, 60),
    st.integers(0, 900),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 4),
    st.integers(64, 4096),
)
def test_without_an_earlier_build_what_is_likely_is_under_the_bound(
    requests: int, opening: int, questions: int, waiting: int, attempts: int, most: int
) -> None:
    asked = {w: Asked((REQUEST,) * requests, opening, questions, waiting, 0, 8) for w in ("os", "db")}
    config = {"collect__attempts": attempts, "teacher__max_output_tokens": most, "collect__max_tokens": 2048}
    for row in made(asked, **config).rows[:2]:
        if row.stage == "collect_episodes" or most >= 190:
            assert all(likely <= bound for likely, bound in zip(row.likely, row.at_most, strict=True))


def test_what_builds_yielded_is_read_from_the_tables(built: Any) -> None:
    known, warehouse = read_yield(built.warehouse), built.warehouse
    episodes = [e for e in warehouse.read("latest_episodes") if e.solver.kind == "teacher" and e.environment == "os"]
    mean = sum(e.usage.requests for e in episodes) / len(episodes)
    assert known.per_episode["os"].requests == pytest.approx(mean)
    assert known.passed["os"] == pytest.approx(sum(e.verdict == "passed" for e in episodes) / len(episodes))
    made_up = warehouse.count("task_specs", "origin = 'self_instruct' AND environment = 'os'")
    assert known.admitted["os"] == pytest.approx(made_up / 28)  # the fixture asks for 28
    replays = warehouse.count("latest_episodes", "solver.kind = 'reference'")
    backfills = warehouse.count("completions", "purpose = 'curate_trajectories'")
    assert known.backfills == pytest.approx(backfills / replays)
