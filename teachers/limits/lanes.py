"""Lanes: one for each endpoint and model, with requests a minute, tokens a minute and requests in flight, together.

Whoever wants to send stands in line for a ticket; those who try again go before those who have not been out yet, and
within each the order is kept, so a large request is not overtaken for ever. A lane is the process's: teachers opened in
several threads or event loops for the same account share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakValueDictionary

from schemas.run_config import ModelLimits, TeacherConfig
from teachers.limits.buckets import CATCH_UP_SECONDS, Bucket
from teachers.limits.headers import MINUTE, Quota, Told
from teachers.limits.throttle import Throttle

_log = logging.getLogger(__name__)


class Ticket:
    """The right to send one request; belongs to the task that entered."""

    __slots__ = ("again", "loop", "number", "started", "tokens", "tokens_before", "turn")

    def __init__(self, tokens: int, again: bool) -> None:
        self.tokens = tokens
        self.again = again
        self.started = math.nan
        """When the lane let it in, by the lane's clock; nan = it is in line."""
        self.number = 0
        """How many the lane had let in with this one, and how many tokens."""
        self.tokens_before = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.turn: asyncio.Future[None] | None = None


class Lane:
    """In any 60 seconds at most a minute's limit starts, plus one request and a second's worth of tokens.

    A request larger than a second's worth of tokens waits for that much and leaves a debt. Tokens are counted as set
    aside (the prompt's, estimated, and the maximum of the reply) until the answer says what it took. What the endpoint
    says in its headers holds besides, all of what it says is left being free to use at once.
    """

    def __init__(self, limits: ModelLimits, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """Open the lane; `limits` names the number in flight."""
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._free = limits.concurrency or 1
        self._again: deque[Ticket] = deque()
        self._line: deque[Ticket] = deque()
        self._throttle = Throttle()
        now = clock()
        self._requests = _requests_bucket(limits.requests_per_minute, now)
        self._tokens = _tokens_bucket(limits.tokens_per_minute, now)
        self._told_requests: Bucket | None = None
        self._told_tokens: Bucket | None = None
        self._started = 0
        self._started_tokens = 0
        self._answered_at = -math.inf
        self._alarm: tuple[asyncio.AbstractEventLoop, float] | None = None

    @property
    def slowed_to(self) -> float | None:
        """Requests a minute while refusals hold the lane back; 0 = stopped, None = they do not."""
        per_second = self._throttle.per_second
        return None if per_second is None else per_second * 60

    @property
    def counts_tokens(self) -> bool:
        """Whether the size of a request matters."""
        return self._tokens is not None or self._told_tokens is not None

    async def enter(self, tokens: int = 0, *, again: bool = False) -> Ticket:
        """Wait until a request of so many tokens may be sent; it must be ended with `leave`, whatever happens."""
        ticket = Ticket(tokens, again)
        with self._lock:
            now = self._clock()
            if not self._line and not self._again and self._free and not self._wait_seconds(ticket, now):
                self._admit(ticket, now)
                return ticket
            ticket.loop = asyncio.get_running_loop()
            ticket.turn = ticket.loop.create_future()
            (self._again if again else self._line).append(ticket)
            self._serve(now)
        try:
            await ticket.turn
        except asyncio.CancelledError:
            self._withdraw(ticket)
            raise
        return ticket

    def leave(self, ticket: Ticket, *, used: int | None = None) -> None:
        """Let the next one in; `used` = the tokens that the answer took, None = nobody knows."""
        with self._lock:
            self._free += 1
            if used is not None:
                self._give_back(ticket.tokens - used)
            self._serve(self._clock())

    def accept(self, ticket: Ticket, told: Told | None = None) -> None:
        """Hear that the endpoint answered, and what it said of its limits."""
        with self._lock:
            now = self._answered_at = self._clock()
            was_stopped = self._throttle.per_second == 0
            was_free = self._throttle.is_free
            self._throttle.accept(ticket.started, now)
            if told is not None:
                self._learn(ticket, told, now)
        if was_stopped and self._throttle.per_second:
            _log.info("%s refuses with load; slowed to %.1f requests a minute", self.name, self.slowed_to)
        elif not was_free and self._throttle.is_free:
            _log.info("%s takes what it is sent; no longer slowed", self.name)

    def refuse(self, ticket: Ticket, asked_seconds: float | None = None, told: Told | None = None) -> bool:
        """Hear that the endpoint refused for lack of room. Return whether that is the lane's doing, not the request's.

        It is while the lane is slowed and something else was answered since the request was sent.
        """
        with self._lock:
            now = self._clock()
            self._throttle.refuse(ticket.started, now, asked_seconds)
            if told is not None:
                self._learn(ticket, told, now)
            return not self._throttle.is_free and self._answered_at > ticket.started

    def is_alone(self, ticket: Ticket) -> bool:
        """Whether nothing at all was answered since a request was sent: then it is the endpoint that fails."""
        return self._answered_at <= ticket.started

    def _wait_seconds(self, ticket: Ticket, now: float) -> float:
        wait = 0.0 if self._throttle.is_free else self._throttle.wait_seconds(now)
        for bucket in (self._requests, self._told_requests):
            if bucket is not None:
                wait = max(wait, bucket.wait_seconds(1, now))
        for bucket in (self._tokens, self._told_tokens):
            if bucket is not None:
                wait = max(wait, bucket.wait_seconds(ticket.tokens, now))
        return wait

    def _admit(self, ticket: Ticket, now: float) -> None:
        ticket.started = now
        self._free -= 1
        self._started += 1
        self._started_tokens += ticket.tokens
        ticket.number, ticket.tokens_before = self._started, self._started_tokens
        self._throttle.start(now)
        for bucket in (self._requests, self._told_requests):
            if bucket is not None:
                bucket.take(1, now)
        for bucket in (self._tokens, self._told_tokens):
            if bucket is not None:
                bucket.take(ticket.tokens, now)

    def _serve(self, now: float) -> None:
        """Let in whom the limits allow, in order; where the first must wait for time to pass, set the clock."""
        while self._free and (line := self._again or self._line):
            ticket = line[0]
            assert ticket.loop is not None and ticket.turn is not None
            if ticket.turn.cancelled() or ticket.loop.is_closed():
                line.popleft()
                continue
            wait = self._wait_seconds(ticket, now)
            if wait:
                self._ring_after(ticket.loop, now, wait)
                return
            line.popleft()
            self._admit(ticket, now)
            _run_on(ticket.loop, _wake, ticket.turn)

    def _ring_after(self, loop: asyncio.AbstractEventLoop, now: float, wait: float) -> None:
        """Serve again after a while, on the loop of whoever waits."""
        if self._alarm is None or self._alarm[0] is not loop or not now < self._alarm[1] <= now + wait:
            self._alarm = (loop, now + wait)
            _run_on(loop, loop.call_later, wait, self._ring, self._alarm)

    def _ring(self, alarm: tuple[asyncio.AbstractEventLoop, float]) -> None:
        with self._lock:
            if self._alarm is alarm:
                self._alarm = None
            self._serve(self._clock())

    def _withdraw(self, ticket: Ticket) -> None:
        """Take back a ticket whose task was cancelled, whether it was in line or just let in."""
        with self._lock:
            if not math.isnan(ticket.started):
                self._free += 1
                self._give_back(ticket.tokens)
                if self._requests is not None:
                    self._requests.give_back(1)
            self._serve(self._clock())

    def _give_back(self, tokens: int) -> None:
        for bucket in (self._tokens, self._told_tokens):
            if bucket is not None and tokens:
                bucket.give_back(tokens)

    def _learn(self, ticket: Ticket, told: Told, now: float) -> None:
        """Mirror what the endpoint counts: what was left when the request came in, less what started since."""
        requests, tokens = self._started - ticket.number, self._started_tokens - ticket.tokens_before
        seconds = now - ticket.started
        self._told_requests = _mirrored(self._told_requests, told.requests, requests, seconds, now)
        self._told_tokens = _mirrored(self._told_tokens, told.tokens, tokens, seconds, now)


_LANES: WeakValueDictionary[tuple[str, str | None, str, str], Lane] = WeakValueDictionary()
_LANES_LOCK = threading.Lock()


def lane_of(url: str, api_key: str | None, model: str, limits: ModelLimits) -> Lane:
    """Return the process's lane to a model for an account; it lasts as long as somebody holds it."""
    key = (url, api_key, model, limits.model_dump_json())
    with _LANES_LOCK:
        lane = _LANES.get(key)
        if lane is None:
            lane = _LANES[key] = Lane(limits, f"{model} at {url}")
        return lane


def slowed_lanes() -> dict[str, float]:
    """Return, by model and address, the requests a minute to which refusals slow the process's lanes; 0 = stopped."""
    with _LANES_LOCK:
        lanes = list(_LANES.values())
    return {lane.name: lane.slowed_to for lane in lanes if lane.slowed_to is not None}


def limits_for(config: TeacherConfig, model: str) -> ModelLimits:
    """Return a model's limits: its own, and the teacher's where it has none."""
    own = config.limits.get(model, ModelLimits())
    return ModelLimits(
        requests_per_minute=own.requests_per_minute or config.requests_per_minute,
        tokens_per_minute=own.tokens_per_minute or config.tokens_per_minute,
        concurrency=own.concurrency or config.concurrency,
    )


def _requests_bucket(per_minute: int | None, now: float) -> Bucket | None:
    if not per_minute:
        return None
    return Bucket(per_minute / MINUTE, 1 + per_minute / MINUTE * CATCH_UP_SECONDS, now, level=1.0)


def _tokens_bucket(per_minute: int | None, now: float) -> Bucket | None:
    return Bucket(per_minute / MINUTE, max(per_minute / MINUTE, 1.0), now) if per_minute else None


def _mirrored(bucket: Bucket | None, quota: Quota | None, since: int, seconds: float, now: float) -> Bucket | None:
    """Return the bucket of a quota, which `since` was taken from in the `seconds` since the endpoint counted."""
    if quota is None:
        return bucket
    if bucket is None or bucket.capacity != quota.limit:
        bucket = Bucket(quota.per_second, quota.limit, now)
    elif bucket.per_second != quota.per_second:
        bucket.change(quota.per_second, now)
    if quota.remaining is not None:
        bucket.lower_to(quota.remaining + quota.per_second * seconds - since, now)
    return bucket


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _run_on(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: object) -> None:
    """Call on a loop's own thread: at once where that is this one."""
    if loop is _running_loop():
        call(*args)
    else:
        with contextlib.suppress(RuntimeError):  # closed this very moment, its tasks with it
            loop.call_soon_threadsafe(call, *args)


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
