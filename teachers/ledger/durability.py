"""When an answer is durable: what a request took is given back then, not when its reply has come.

A request counts as in flight until its answer is on the disk. So a kill at any moment leaves no more of them to be paid
again than may be in flight, and where the ledger's disk or server is slow nothing is bought that cannot be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_answer: ContextVar[Future[Any] | None] = ContextVar("answer", default=None)


@contextmanager
def kept_with(answer: Future[Any]) -> Iterator[None]:
    """Name what this task's calls bring about: it is settled once it is durable, or will never be."""
    token = _answer.set(answer)
    try:
        yield
    finally:
        _answer.reset(token)


def once_durable(call: Callable[[], None]) -> None:
    """Call once the answer of this task is durable or given up, on whichever thread; at once where nobody keeps it."""
    answer = _answer.get()
    if answer is None:
        call()
    else:
        answer.add_done_callback(lambda _: call())
