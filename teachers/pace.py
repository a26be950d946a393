"""Pace: requests a minute, evenly spread."""

from __future__ import annotations

import asyncio


class Pace:
    """Gives every request its start; belongs to one event loop."""

    def __init__(self, requests_per_minute: int | None) -> None:
        self._interval_seconds = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next_start = 0.0

    async def wait(self) -> None:
        """Return when the next request may start."""
        if not self._interval_seconds:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next_start)
        self._next_start = start + self._interval_seconds
        if start > now:
            await asyncio.sleep(start - now)
