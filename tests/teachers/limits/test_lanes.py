"""Whatever is sent: no limit is passed, nobody starves, every waiter ends, no slot is lost."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.run_config import ModelLimits, TeacherConfig
from teachers.limits.headers import MINUTE, Quota, Told
from teachers.limits.lanes import Lane, lane_of, limits_for, slowed_lanes

SIZES = st.lists(st.integers(1, 4000), min_size=1, max_size=60)


def most_in_any_minute(starts: list[tuple[float, int]]) -> tuple[int, int]:
    """Return requests and tokens of the fullest 60 seconds."""
    spans = [[size for other, size in starts if at <= other < at + 60] for at, _ in starts]
    return max(map(len, spans)), max(map(sum, spans))


@settings(max_examples=60, deadline=None)
@given(
    sizes=SIZES,
    requests=st.none() | st.integers(1, 6000),
    tokens=st.none() | st.integers(100, 600_000),
    concurrency=st.integers(1, 20),
    seed=st.integers(0, 999),
)
def test_no_minute_and_no_moment_holds_more_than_the_limits(simulate, sizes, requests, tokens, concurrency, seed):
    async def run() -> None:
        loop, dice = asyncio.get_running_loop(), random.Random(seed)
        limits = ModelLimits(requests_per_minute=requests, tokens_per_minute=tokens, concurrency=concurrency)
        lane, starts, in_flight = Lane(limits, clock=loop.time), [], 0

        async def send(size: int) -> None:
            nonlocal in_flight
            await asyncio.sleep(dice.random() * 90)
            ticket = await lane.enter(size, again=dice.random() < 0.2)
            starts.append((loop.time(), size))
            in_flight += 1
            assert in_flight <= concurrency
            await asyncio.sleep(dice.random() * 5)
            in_flight -= 1
            lane.leave(ticket, used=size)

        await asyncio.gather(*map(send, sizes))
        most_requests, most_tokens = most_in_any_minute(starts)
        if requests:
            assert most_requests <= requests + 1 + requests / 60 * 0.03 + 1e-3
        if tokens:
            assert most_tokens <= tokens + max(tokens / 60, *sizes, 1) + 1
        assert len(starts) == len(sizes), "every waiter ended"

    simulate(run)


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, tokens=st.integers(1000, 600_000), concurrency=st.integers(1, 20), seed=st.integers(0, 999))
def test_tokens_that_are_given_back_let_no_more_be_used_than_was_set_aside(simulate, sizes, tokens, concurrency, seed):
    async def run() -> None:
        loop, dice = asyncio.get_running_loop(), random.Random(seed)
        lane, starts = Lane(ModelLimits(tokens_per_minute=tokens, concurrency=concurrency), clock=loop.time), []

        async def send(size: int) -> None:
            await asyncio.sleep(dice.random() * 60)
            ticket = await lane.enter(size)
            used = dice.randint(1, size)
            starts.append((loop.time(), used))
            await asyncio.sleep(dice.random() * 90)
            lane.leave(ticket, used=used)

        await asyncio.gather(*map(send, sizes))
        in_flight = sum(sorted(sizes)[-concurrency:])
        assert most_in_any_minute(starts)[1] <= tokens + max(tokens / 60, *sizes) + in_flight + 1

    simulate(run)


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 999))
def test_cancelled_waiters_and_senders_leave_no_slot_behind(simulate, sizes, seed):
    async def run() -> None:
        loop, dice = asyncio.get_running_loop(), random.Random(seed)
        lane = Lane(ModelLimits(requests_per_minute=600, concurrency=3), clock=loop.time)

        async def send(size: int) -> None:
            ticket = await lane.enter(size)
            try:
                await asyncio.sleep(dice.random())
            finally:
                lane.leave(ticket)

        tasks = [asyncio.create_task(send(size)) for size in sizes]
        for task in tasks:
            loop.call_later(dice.random() * 5, task.cancel) if dice.random() < 0.6 else None
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(60):
            assert len([await lane.enter() for _ in range(3)]) == 3

    simulate(run)


def test_a_ticket_that_is_granted_and_cancelled_at_the_same_moment_is_given_back(simulate):
    async def run() -> None:
        lane = Lane(ModelLimits(concurrency=1), clock=asyncio.get_running_loop().time)
        held = await lane.enter()
        waiter = asyncio.create_task(lane.enter())
        await asyncio.sleep(0)
        lane.leave(held)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert waiter.cancelled()
        ticket = await lane.enter()
        assert ticket.number == 3, "the slot is free again"

    simulate(run)


def test_those_who_try_again_go_first_and_the_others_in_order(simulate):
    async def run() -> list[str]:
        lane, order = Lane(ModelLimits(concurrency=1), clock=asyncio.get_running_loop().time), []
        held = await lane.enter()

        async def send(name: str, again: bool) -> None:
            ticket = await lane.enter(again=again)
            order.append(name)
            lane.leave(ticket)

        waiting = [asyncio.create_task(send(name, name.isupper())) for name in "abXcY"]
        await asyncio.sleep(1)
        lane.leave(held)
        await asyncio.gather(*waiting)
        return order

    assert simulate(run) == ["X", "Y", "a", "b", "c"]


def test_a_large_request_is_not_overtaken_by_small_ones(simulate):
    async def run() -> list[int]:
        lane, order = (
            Lane(ModelLimits(tokens_per_minute=6000, concurrency=99), clock=asyncio.get_running_loop().time),
            [],
        )

        async def send(size: int) -> None:
            lane.leave(await lane.enter(size), used=size)
            order.append(size)

        await asyncio.gather(*map(send, (90, 5000, 1, 2, 3)))
        return order

    assert simulate(run) == [90, 5000, 1, 2, 3]


def test_what_an_answer_did_not_need_is_given_back(simulate):
    async def run() -> float:
        loop = asyncio.get_running_loop()
        lane = Lane(ModelLimits(tokens_per_minute=60_000, concurrency=1), clock=loop.time)
        started = loop.time()
        for _ in range(20):
            lane.leave(await lane.enter(1000), used=10)
        return loop.time() - started

    assert simulate(run) < 1


def answer(left: int, limit: int = 60) -> Told:
    return Told(requests=Quota(limit, MINUTE, left))


def test_what_the_endpoint_says_is_left_may_be_used_at_once_and_no_more(simulate):
    async def run() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        lane, starts = Lane(ModelLimits(concurrency=100), clock=loop.time), []
        first = await lane.enter()
        await asyncio.sleep(0.1)
        lane.accept(first, answer(40))
        lane.leave(first)

        async def send() -> None:
            lane.leave(await lane.enter())
            starts.append(loop.time())

        begun = loop.time()
        await asyncio.gather(*(send() for _ in range(60)))
        return sum(at < begun + 0.01 for at in starts), round(max(starts) - begun)

    assert simulate(run) == (40, 20)


def test_the_lower_of_the_configured_and_the_told_limit_holds(simulate):
    async def run() -> float:
        loop = asyncio.get_running_loop()
        lane = Lane(ModelLimits(requests_per_minute=60, concurrency=9), clock=loop.time)
        started = loop.time()
        for _ in range(11):
            ticket = await lane.enter()
            lane.accept(ticket, answer(900, 1000))
            lane.leave(ticket)
        return loop.time() - started

    assert simulate(run) == pytest.approx(10, abs=0.1)


def test_a_model_takes_its_own_limits_over_those_of_the_teacher():
    config = TeacherConfig.model_validate(
        {
            "requests_per_minute": 500,
            "concurrency": 8,
            "limits": {"large": {"requests_per_minute": 60, "concurrency": 2}},
        }
    )
    assert limits_for(config, "small") == ModelLimits(requests_per_minute=500, concurrency=8)
    assert limits_for(config, "large") == ModelLimits(requests_per_minute=60, concurrency=2)


def test_the_lane_of_an_account_and_a_model_is_the_processs():
    limits = ModelLimits(concurrency=4)
    lane = lane_of("http://a/v1", "key", "m", limits)
    assert lane_of("http://a/v1", "key", "m", limits) is lane
    assert lane_of("http://a/v1", "key", "n", limits) is not lane
    assert lane_of("http://a/v1", "other key", "m", limits) is not lane
    assert lane.slowed_to is None and lane.name not in slowed_lanes()
    for _ in range(11):
        lane.refuse(asyncio.run(_ticket(lane)))
    assert slowed_lanes()[lane.name] == 0


async def _ticket(lane: Lane):
    ticket = await lane.enter()
    lane.leave(ticket)
    return ticket


def test_event_loops_of_several_threads_share_a_lane_and_none_starves():
    lane, in_flight, most, done, lock = (
        Lane(ModelLimits(requests_per_minute=60_000, concurrency=3)),
        0,
        0,
        [],
        threading.Lock(),
    )

    async def send() -> None:
        nonlocal in_flight, most
        ticket = await lane.enter()
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        await asyncio.sleep(0.002)
        with lock:
            in_flight -= 1
        lane.leave(ticket)

    async def work(name: int) -> None:
        await asyncio.gather(*(send() for _ in range(50)))
        done.append(name)

    threads = [threading.Thread(target=lambda name=name: asyncio.run(work(name)), daemon=True) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2, 3]
    assert most == 3


def test_a_loop_that_ends_with_waiters_holds_nobody_up(simulate):
    async def give_up() -> Lane:
        lane = Lane(
            ModelLimits(requests_per_minute=120, concurrency=1), clock=lambda: asyncio.get_running_loop().time()
        )
        held = await lane.enter()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.gather(*(lane.enter() for _ in range(5)))
        lane.leave(held)
        return lane

    lane = simulate(give_up)

    async def come_next() -> float:
        started = asyncio.get_running_loop().time()
        lane.leave(await lane.enter())
        return asyncio.get_running_loop().time() - started

    assert simulate(come_next) <= 0.6, "one request's share of a minute, not six"
