"""Threads in which a driver waits for its server; as many as there are databases open, and a few for looking on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_MOST = 64


class Threads:
    """Runs blocking calls beside the loop."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=_MOST, thread_name_prefix=name)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run one call and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def run_out(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run one call, and wait for its end also where nobody wants it any more: what comes next must not meet it."""
        running = asyncio.ensure_future(self.run(work, *arguments))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # taken, so that nobody is told
            raise

    def close(self) -> None:
        """Wait for the calls that run."""
        self._pool.shutdown(wait=True)
