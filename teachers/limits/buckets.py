"""A token bucket: so much a minute, evenly, and no more at once than its capacity."""

from __future__ import annotations

CATCH_UP_SECONDS = 0.03
"""Timers ring late; a paced lane makes up for so much of a delay."""
_ROUNDING = 1e-6
"""What a timer that rang a moment early may still lack."""


class Bucket:
    """Fills at `per_second` up to `capacity`. In any span of S seconds it gives at most `per_second * S + capacity`.

    A need above the capacity is let through a full bucket and leaves a debt, so that nothing is too large to be served;
    the bound then counts the largest need for the capacity.
    """

    def __init__(self, per_second: float, capacity: float, now: float, level: float | None = None) -> None:
        """Make a bucket that holds `level` at `now`; None = it is full."""
        self.per_second = per_second
        self.capacity = capacity
        self._level = capacity if level is None else level
        self._at = now

    def wait_seconds(self, need: float, now: float) -> float:
        """Return how long until `need` may be taken; 0 = now."""
        short = min(need, self.capacity) - self.level(now)
        return short / self.per_second if short > _ROUNDING else 0.0

    def take(self, need: float, now: float) -> None:
        """Take `need`, down into debt."""
        self._level = self.level(now) - need

    def give_back(self, amount: float) -> None:
        """Put back what was taken and not needed; a negative amount takes more."""
        self._level = min(self.capacity, self._level + amount)

    def lower_to(self, level: float, now: float) -> None:
        """Hold no more than `level`: somebody who knows better says so."""
        self._level = min(self.level(now), level)

    def change(self, per_second: float, now: float) -> None:
        """Go on at another rate, with what there is."""
        self._level = self.level(now)
        self.per_second = per_second

    def level(self, now: float) -> float:
        """Fill up to `now` and return what it holds; negative = a debt."""
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.per_second)
            self._at = now
        return self._level
