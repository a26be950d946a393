"""Refusals with load are told from refusals at random, and a lane finds a limit that nobody tells it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from schemas.run_config import ModelLimits
from teachers.limits.lanes import Lane
from teachers.limits.throttle import Throttle

Server = Callable[[], Awaitable[bool]]
"""Whether a request is answered; takes the time that it takes."""


class Drive(NamedTuple):
    seconds: float
    sent: int
    refused: int
    lane: Lane


async def drive(server: Server, requests: int, in_flight: int = 64) -> Drive:
    """Send requests through a lane until all are answered."""
    loop = asyncio.get_running_loop()
    lane, dice, counts = Lane(ModelLimits(concurrency=in_flight), "sim", loop.time), random.Random(1), Counter()

    async def ask() -> None:
        again = False
        while True:
            ticket = await lane.enter(again=again)
            counts["sent"] += 1
            answered = await server()
            if answered:
                lane.accept(ticket)
            else:
                counts["refused"] += 1
                lane.refuse(ticket)
            lane.leave(ticket)
            if answered:
                return
            again = True
            await asyncio.sleep(dice.random() * 0.1)

    started = loop.time()
    await asyncio.gather(*(ask() for _ in range(requests)))
    return Drive(loop.time() - started, counts["sent"], counts["refused"], lane)


def window(
    limit: int, seconds: float, *, refusals_count: bool = False, fixed: bool = False, late: bool = False
) -> Server:
    """Answers `limit` requests in any `seconds` (`fixed`: in each), 0.2 s each; refuses at once, or as `late`."""
    begun: deque[float] = deque()

    async def serve() -> bool:
        now = asyncio.get_running_loop().time()
        while begun and (now // seconds != begun[0] // seconds if fixed else now - begun[0] >= seconds):
            begun.popleft()
        has_room = len(begun) < limit
        if has_room or refusals_count:
            begun.append(now)
        await asyncio.sleep(0.2 if has_room or late else 0.001)
        return has_room

    return serve


def tokens(per_second: float, burst: float) -> Server:
    """A token bucket, full at first."""
    held = [burst, 0.0]

    async def serve() -> bool:
        now = asyncio.get_running_loop().time()
        held[:] = [min(burst, held[0] + (now - held[1]) * per_second), now]
        has_room = held[0] >= 1
        held[0] -= has_room
        await asyncio.sleep(0.2 if has_room else 0.001)
        return has_room

    return serve


@pytest.mark.parametrize(
    ("server", "ideal_seconds", "at_most", "share"),
    [
        pytest.param(window(150, 1), 13.3, 1.15, 0.05, id="any second"),
        pytest.param(window(150, 1, late=True), 13.3, 1.15, 0.05, id="any second, refused as late as answered"),
        pytest.param(window(150, 1, fixed=True), 13.3, 1.15, 0.05, id="each second"),
        pytest.param(window(150, 1, refusals_count=True), 13.3, 1.3, 0.05, id="any second, refusals counted"),
        pytest.param(window(40, 1), 50, 1.15, 0.05, id="far below what is in flight"),
        pytest.param(window(290, 1), 6.9, 1.25, 0.05, id="hardly below what is asked for"),
        pytest.param(window(600, 60), 180, 1.25, 0.08, id="any minute"),
        pytest.param(tokens(100, 300), 17, 1.15, 0.05, id="a bucket with a burst"),
        pytest.param(tokens(10, 300), 170, 1.25, 0.08, id="a bucket that hardly fills"),
    ],
)
def test_a_limit_that_no_header_tells_is_found_and_nearly_used_up(simulate, server, ideal_seconds, at_most, share):
    done = simulate(lambda: drive(server, 2000))
    assert done.seconds / ideal_seconds <= at_most
    assert done.refused <= share * 2000


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_ten_thousand_answers_with_refusals_at_random_slow_nothing(share):
    for seed in range(5):
        dice, throttle = random.Random(seed), Throttle()
        for i in range(10_000):
            now = i / 300
            if dice.random() < share:
                throttle.refuse(now - 0.2, now, 1.0)
            else:
                throttle.accept(now - 0.2, now)
            assert throttle.is_free


@pytest.mark.parametrize(("share", "answers"), [(1.0, 11), (0.5, 60), (0.3, 300)])
def test_refusals_with_load_are_noticed_soon(share, answers):
    for seed in range(20):
        dice, throttle = random.Random(seed), Throttle()
        for i in range(1000):
            throttle.accept(i / 300 - 0.2, i / 300)
        for i in range(1000, 1000 + answers):
            throttle.refuse(i / 300, i / 300, None) if dice.random() < share else throttle.accept(i / 300, i / 300)
            if not throttle.is_free:
                break
        assert not throttle.is_free


def test_a_lone_refusal_and_ten_in_a_row_slow_nothing():
    throttle = Throttle()
    for i in range(10):
        throttle.refuse(i / 10, i / 10, None)
    assert throttle.is_free
    throttle.refuse(1, 1, None)
    assert throttle.per_second == 0


def test_with_load_the_lane_stops_for_as_long_as_the_endpoint_asks_and_then_tries_singly():
    throttle = Throttle()
    for _ in range(11):
        throttle.refuse(5, 5, 3.0)
    assert throttle.wait_seconds(5) == 3
    assert throttle.wait_seconds(8) == 0
    throttle.start(8)
    assert 0 < throttle.wait_seconds(8) < 0.1, "one at a time"
    throttle.accept(8, 8.2)
    assert throttle.per_second and throttle.wait_seconds(8.2) > 0


def test_what_was_sent_before_the_stop_is_not_held_against_the_lane_again():
    throttle = Throttle()
    for _ in range(11):
        throttle.refuse(5, 5, None)
    throttle.start(6)
    throttle.accept(6, 6.2)
    rate = throttle.per_second
    for _ in range(60):
        throttle.refuse(5, 6.3, None)
    assert throttle.per_second == rate


def test_a_lane_whose_limit_was_lifted_is_free_again(simulate, caplog):
    caplog.set_level("INFO")

    async def run() -> Lane:
        lane, loop = (
            Lane(ModelLimits(concurrency=8), "m at sim", asyncio.get_running_loop().time),
            asyncio.get_running_loop(),
        )
        for _ in range(12):
            lane.leave(ticket := await lane.enter())
            lane.refuse(ticket)
        assert lane.slowed_to == 0
        for _ in range(400):
            ticket = await lane.enter()
            lane.accept(ticket)
            lane.leave(ticket)
            await asyncio.sleep(max(0.0, 0.25 - loop.time() % 0.25))
        return lane

    assert simulate(run).slowed_to is None
    said = [record.message for record in caplog.records if record.name == "teachers.limits.lanes"]
    assert len(said) == 2 and "slowed to" in said[0] and "no longer slowed" in said[1]
