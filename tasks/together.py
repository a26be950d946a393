"""Many things at once, and what is under way may end: an answer in flight is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def finish_all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for all, whatever becomes of some; then return their results in order, or raise the first failure."""
    running = [asyncio.ensure_future(one) for one in work]
    await asyncio.gather(*running, return_exceptions=True)
    return [one.result() for one in running]
