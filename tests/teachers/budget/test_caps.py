"""The laws of caps, under any interleaving: no cap is passed, all comes back, nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BudgetError
from schemas.run_config import BudgetConfig, StageBudget, StageBudgets
from teachers.budget.caps import NOTHING, PICOS, Amount, BudgetCaps, sum_from_floats

STAGES = ("generate_tasks", "collect_episodes", "curate_trajectories")


class Request(NamedTuple):
    """What becomes of one request: paid in part, in full or not at all, or given up after some turns of the loop."""

    need: Amount
    stage: str
    paid: float
    turns: int
    patience: int | None
    """Turns of the loop after which it is cancelled, waiting or in flight; None = never."""


AMOUNTS = st.builds(Amount, st.integers(1, 400), st.integers(0, PICOS))
REQUESTS = st.builds(
    Request,
    AMOUNTS,
    st.sampled_from(STAGES),
    st.sampled_from((0.0, 0.1, 0.5, 1.0)),
    st.integers(0, 4),
    st.none() | st.integers(0, 6),
)
STAGE_CAPS = st.builds(StageBudget, usd=st.none() | st.floats(0.3, 5), tokens=st.none() | st.integers(100, 3000))
CAPS = st.builds(
    BudgetConfig,
    usd=st.none() | st.floats(0.5, 12),
    tokens=st.none() | st.integers(200, 6000),
    stages=st.builds(StageBudgets, **dict.fromkeys(STAGES, STAGE_CAPS)),
)


def must_hold(budget_caps: BudgetCaps, budget: BudgetConfig) -> None:
    for stage, caps in [(None, budget), *((name, stage) for name, stage in budget.stages if stage != StageBudget())]:
        committed = budget_caps.committed(stage)
        assert caps.tokens is None or committed.tokens <= caps.tokens
        assert caps.usd is None or committed.picos <= caps.usd * PICOS


async def live(budget_caps: BudgetCaps, budget: BudgetConfig, request: Request) -> Amount:
    """Live one request's life; return what it paid."""
    await budget_caps.reserve(request.need, request.stage)
    paid = NOTHING
    try:
        must_hold(budget_caps, budget)
        for _ in range(request.turns):
            await asyncio.sleep(0)
        paid = Amount(int(request.need.tokens * request.paid), int(request.need.picos * request.paid))
    finally:
        budget_caps.settle(request.need, paid, request.stage)
        must_hold(budget_caps, budget)
    return paid


async def impatient(budget_caps: BudgetCaps, budget: BudgetConfig, request: Request) -> Amount:
    task = asyncio.ensure_future(live(budget_caps, budget, request))
    if request.patience is not None:
        for _ in range(request.patience):
            await asyncio.sleep(0)
        task.cancel()
    return await task


def play(budget_caps: BudgetCaps, budget: BudgetConfig, requests: list[Request]) -> list[Amount]:
    """Live requests at once in a loop of this thread; return what was paid by those that got through."""

    async def run() -> list[Amount | BaseException]:
        lives = (impatient(budget_caps, budget, request) for request in requests)
        return await asyncio.wait_for(asyncio.gather(*lives, return_exceptions=True), 300)

    ends = asyncio.run(run())
    strange = [end for end in ends if not isinstance(end, Amount | BudgetError | asyncio.CancelledError)]
    assert not strange
    return [end for end in ends if isinstance(end, Amount)]


@settings(max_examples=150, deadline=None)
@given(CAPS, st.lists(REQUESTS, max_size=40))
def test_whatever_becomes_of_requests_no_cap_is_passed_and_all_that_was_held_comes_back(budget, requests):
    budget_caps = BudgetCaps(budget)
    paid = play(budget_caps, budget, requests)
    assert (budget_caps.held, budget_caps.spent) == (NOTHING, sum(paid, NOTHING))


@settings(max_examples=25, deadline=None)
@given(CAPS, st.lists(st.lists(REQUESTS, max_size=25), min_size=2, max_size=3))
def test_the_same_over_threads_each_with_a_loop_of_its_own(budget, parts):
    budget_caps = BudgetCaps(budget)
    with ThreadPoolExecutor(len(parts)) as threads:
        paid = [amount for part in threads.map(lambda part: play(budget_caps, budget, part), parts) for amount in part]
    assert (budget_caps.held, budget_caps.spent) == (NOTHING, sum(paid, NOTHING))


async def test_who_waits_is_served_in_order_and_a_large_one_is_not_overtaken_for_ever():
    budget_caps, order = BudgetCaps(BudgetConfig(tokens=100)), []
    await budget_caps.reserve(Amount(60), STAGES[0])

    async def want(tokens: int) -> None:
        await budget_caps.reserve(Amount(tokens), STAGES[0])
        order.append(tokens)

    waiting = [asyncio.ensure_future(want(tokens)) for tokens in (90, 10, 20)]
    await asyncio.sleep(0)
    assert order == []  # 10 and 20 would fit, and 90 would wait as long as small ones keep coming
    budget_caps.settle(Amount(60), NOTHING, STAGES[0])
    await asyncio.wait(waiting[:2])
    assert order == [90, 10]
    budget_caps.settle(Amount(90), NOTHING, STAGES[0])
    await waiting[2]


async def test_who_gives_up_at_the_moment_of_being_served_gives_it_back():
    budget_caps = BudgetCaps(BudgetConfig(tokens=100))
    await budget_caps.reserve(Amount(100), STAGES[0])
    waiting = asyncio.ensure_future(budget_caps.reserve(Amount(100), STAGES[0]))
    await asyncio.sleep(0)
    budget_caps.settle(Amount(100), NOTHING, STAGES[0])  # granted here
    waiting.cancel()  # and given up before it has heard of it
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget_caps.held == NOTHING


async def test_who_gives_up_at_the_head_of_the_queue_lets_the_next_through():
    budget_caps = BudgetCaps(BudgetConfig(tokens=100))
    await budget_caps.reserve(Amount(60), STAGES[0])
    large = asyncio.ensure_future(budget_caps.reserve(Amount(90), STAGES[0]))
    small = asyncio.ensure_future(budget_caps.reserve(Amount(40), STAGES[0]))
    await asyncio.sleep(0)
    large.cancel()
    await small
    assert budget_caps.committed() == Amount(100)


async def test_a_stage_has_its_own_cap_and_the_message_names_it():
    stages = StageBudgets(curate_trajectories=StageBudget(usd=1.5))
    budget_caps = BudgetCaps(BudgetConfig(usd=10, stages=stages), {"generate_tasks": Amount.of(5, 2.0)})
    await budget_caps.reserve(Amount(10, PICOS), "curate_trajectories")
    budget_caps.settle(Amount(10, PICOS), Amount(8, PICOS), "curate_trajectories")
    message = (
        r"budget of \$1\.5 for curate_trajectories is used up: spent 8 tokens, \$1\.0000 .*generate_tasks: 5 tokens"
    )
    with pytest.raises(BudgetError, match=message) as told:
        await budget_caps.reserve(Amount(10, PICOS), "curate_trajectories")
    assert "Raise [budget.stages.curate_trajectories] usd or tokens and run again to go on" in str(told.value)
    await budget_caps.reserve(Amount(10, 7 * PICOS), "collect_episodes")  # others go on, up to the run's own cap
    with pytest.raises(BudgetError, match=r"budget of \$10 is used up: .*Raise \[budget\] usd or tokens"):
        await budget_caps.reserve(Amount(10, 8 * PICOS), "collect_episodes")


def test_many_small_payments_add_up_to_the_last_digit():
    budget_caps, step = BudgetCaps(BudgetConfig(usd=1)), Amount.of(1, 0.1)
    for _ in range(10):
        budget_caps.settle(NOTHING, step, STAGES[0])
    assert budget_caps.spent == Amount(10, PICOS)
    assert sum([0.1] * 10) != 1.0  # which is why it counts in whole numbers


def test_what_a_sum_of_floats_lost_is_rounded_up():
    assert sum_from_floats(3, 0.1 + 0.2) == Amount(3, 300_001 * 10**6)
    assert sum_from_floats(0, 0.0) == NOTHING


async def test_it_serves_a_loop_from_another_thread():
    budget_caps = BudgetCaps(BudgetConfig(tokens=10))
    await budget_caps.reserve(Amount(10), STAGES[0])
    waiting = asyncio.ensure_future(budget_caps.reserve(Amount(10), STAGES[0]))
    await asyncio.sleep(0)
    assert not waiting.done() and budget_caps.held == Amount(10)
    threading.Thread(target=budget_caps.settle, args=(Amount(10), NOTHING, STAGES[0])).start()
    await waiting
    assert (budget_caps.held, budget_caps.spent) == (Amount(10), NOTHING), "held for the one that waited"
