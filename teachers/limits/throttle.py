"""The throttle of a lane: slows where refusals come with load, and not where they come at random.

Refusals are judged by a cumulative sum (Page 1954): each adds log(p1/p0), each answer takes log((1-p0)/(1-p1)) away,
down to zero, and above the threshold h they come with load. With p0 = 0.1, p1 = 0.3, h = 12, eleven refusals in a row
are enough, and any share above 0.19 in the end. Wald's bound for independent refusals: at most exp(-h) = 6e-6 alarms an
answer at a share of 0.1, and exp(-1.92 h) = 1e-10 at 0.05. A lone refusal is a tenth of an alarm.

An alarm stops the lane, and single requests try whether there is room again, ever more rarely. The first that is
answered ends the stop. The lane goes on at the rate at which answers had come, measured over twice the time that there
was no room, so that a window of the endpoint's is seen whole. It is raised gently while no more is refused than usual.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from teachers.limits.buckets import CATCH_UP_SECONDS, Bucket

_AT_RANDOM, _WITH_LOAD, _ALARM = 0.1, 0.3, 12.0
_REFUSED = math.log(_WITH_LOAD / _AT_RANDOM)
_ANSWERED = math.log((1 - _AT_RANDOM) / (1 - _WITH_LOAD))

_FIRST_TRY_SECONDS, _TRY_FACTOR, _LAST_TRY_SECONDS = 0.05, 1.3, 5.0
_LONGEST_STOP_SECONDS = 60.0
"""An endpoint that asks for more (Azure has asked for a day) is tried after this, by others than whom it asked."""

_HORIZON_SECONDS = 64.0
"""A minute's window of the endpoint's fits in."""
_BELOW = 0.95
"""Share of the measured rate at which a lane goes on: right at a limit, every jitter is refused."""
_LEAST_PER_SECOND = 2.0
"""Where nothing was answered in the whole horizon: an outage has ended."""
_GROWTH, _MOST_GROWTH = 0.02, 0.16
_QUIET_PERIODS = 10
"""Periods without a refusal too many after which a known limit is put to the test again."""


@dataclass(slots=True)
class _Stop:
    """No room: single requests try."""

    suspected: float
    """When the first refusal came."""
    since: float
    next_try: float
    gap_seconds: float = _FIRST_TRY_SECONDS

    def start(self, now: float) -> None:
        self.gap_seconds = min(self.gap_seconds * _TRY_FACTOR, _LAST_TRY_SECONDS)
        self.next_try = now + self.gap_seconds


class Throttle:
    """Free until an alarm, then stopped, then paced, and free again once the pace holds nobody up."""

    def __init__(self) -> None:
        self._score = 0.0
        self._suspected = 0.0
        self._since = -math.inf
        self._answered: deque[float] = deque(maxlen=4096)
        self._stop: _Stop | None = None
        self._pace: Bucket | None = None
        self._resumed = -math.inf
        self._growth = _GROWTH
        self._ceiling = math.inf
        self._quiet = 0
        self._usual = 0.0
        self._period_start: float | None = None
        self._period_answered = 0
        self._period_refused = 0

    @property
    def is_free(self) -> bool:
        """Whether nothing is held back."""
        return self._stop is None and self._pace is None

    @property
    def per_second(self) -> float | None:
        """Requests a second that are let through; 0 = stopped, None = free."""
        if self._stop is not None:
            return 0.0
        return None if self._pace is None else self._pace.per_second

    def wait_seconds(self, now: float) -> float:
        """Return how long until the next request may start."""
        if self._stop is not None:
            return max(self._stop.next_try - now, 0.0)
        return 0.0 if self._pace is None else self._pace.wait_seconds(1, now)

    def start(self, now: float) -> None:
        """Count a request that starts."""
        if self._stop is not None:
            self._stop.start(now)
        elif self._pace is not None:
            self._pace.take(1, now)

    def accept(self, started: float, now: float) -> None:
        """Hear of an answer to a request that started at `started`."""
        self._answered.append(now)
        if self._stop is not None:
            if started >= self._stop.since:
                self._resume(self._stop, now)
        elif started >= self._since:
            self._score = max(self._score - _ANSWERED, 0.0)
            self._period_answered += 1
            self._judge_period(now)

    def refuse(self, started: float, now: float, asked_seconds: float | None) -> None:
        """Hear of a refusal, and how long the endpoint asked to wait."""
        if started < self._since or self._stop is not None:
            return
        if not self._score:
            self._suspected = now
        self._score += _REFUSED
        self._period_refused += 1
        if self._score >= _ALARM:
            self._halt(now, asked_seconds)
        else:
            self._judge_period(now)

    def _halt(self, now: float, asked_seconds: float | None) -> None:
        wait = _FIRST_TRY_SECONDS if asked_seconds is None else min(asked_seconds, _LONGEST_STOP_SECONDS)
        self._stop = _Stop(self._suspected, now, now + wait)
        self._score = 0.0

    def _resume(self, stop: _Stop, now: float) -> None:
        measured = self._measure(stop, now)
        per_second = _BELOW * measured
        if self._pace is not None:
            is_sure = now - self._resumed >= 2
            self._ceiling, self._quiet = measured if is_sure else math.inf, 0
            per_second = min(per_second, 0.7 * self._pace.per_second)
        self._stop = None
        self._pace = Bucket(per_second, 1 + per_second * CATCH_UP_SECONDS, now, level=0.0)
        self._growth = _GROWTH
        self._resumed = self._since = now
        self._begin_period(now)

    def _measure(self, stop: _Stop, now: float) -> float:
        """Return the answers a second that there was room for.

        They are counted as they come: on a busy machine a request is sent long after it has started. The span is at
        least a second, the shortest window that endpoints count in, but never reaches behind the time at which this
        lane was last slowed: a burst that a bucket had saved up does not come twice.
        """
        horizon = min(max(2 * (now - stop.suspected), 1.0), _HORIZON_SECONDS)
        first = max(now - horizon, self._resumed)
        recent = [answered for answered in self._answered if first < answered < now]
        if not recent:
            return _LEAST_PER_SECOND
        least = 1.0 if self._pace is None else 0.25
        return len(recent) / max(now - min(recent), least)

    def _judge_period(self, now: float) -> None:
        """Once a second, or after twenty answers where they are rare, compare refusals with what is usual."""
        if self._period_start is None:
            self._period_start = now
        seconds, total = now - self._period_start, self._period_answered + self._period_refused
        if seconds < 1 or (total < 20 and seconds < 60):
            return
        share, expected = self._period_refused / total, self._usual * total
        is_clean = self._period_refused <= expected + 2 * math.sqrt(expected) + 1
        if is_clean and self._pace is None:  # a paced lane that grew used to refusals would bring ever more about
            self._usual = min(self._usual + 0.3 * (share - self._usual), _AT_RANDOM)
        if self._pace is not None:
            self._adjust(self._pace, is_clean, share - self._usual, total / seconds, now)
        self._begin_period(now)

    def _adjust(self, pace: Bucket, is_clean: bool, excess: float, sent_per_second: float, now: float) -> None:
        if not is_clean:
            self._ceiling = pace.per_second * (1 - excess)
            self._set(pace, self._ceiling * _BELOW, now)
            self._growth, self._quiet, self._since = _GROWTH, 0, now
            return
        self._quiet += 1
        if self._quiet >= _QUIET_PERIODS:
            self._ceiling, self._quiet = math.inf, 0
        if sent_per_second < pace.per_second / 2:
            self._pace, self._ceiling = None, math.inf
        elif pace.per_second < self._ceiling * 0.98:
            self._set(pace, min(pace.per_second * (1 + self._growth), self._ceiling * 0.98), now)
            self._growth = min(2 * self._growth, _MOST_GROWTH)

    def _set(self, pace: Bucket, per_second: float, now: float) -> None:
        pace.change(per_second, now)
        pace.capacity = 1 + per_second * CATCH_UP_SECONDS

    def _begin_period(self, now: float) -> None:
        self._period_start, self._period_answered, self._period_refused = now, 0, 0
