"""Waiting that has no end as long as there is something to wait for, and says so when it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS, NEXT_SECONDS = 10.0, 30.0
"""After these a wait is told, and after each of those again."""


class Patience:
    """One wait; `look` between two looks at what is waited for."""

    def __init__(self, what: str, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`what` is slow, such as `Prefect's server`."""
        self._what, self._tell, self._clock = what, tell, clock
        self._began = clock()
        self._next = FIRST_SECONDS

    def look(self) -> None:
        """Say that it lasts, when it is time to."""
        waited = self._clock() - self._began
        if waited >= self._next:
            self._next = waited + NEXT_SECONDS
            self._tell(f"{self._what} is slow to start ({waited:.0f} s so far); waiting")
