"""Groups: a thread that handles together whatever has come in since it last looked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_LARGEST = 256


class Groups(Generic[_Item]):
    """Items in, groups out, in order; the thread starts with the first item."""

    def __init__(self, name: str, handle: Callable[[list[_Item]], None]) -> None:
        """Hand groups of at most 256 to `handle`, which may not raise."""
        self._name = name
        self._handle = handle
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, item: _Item) -> None:
        """Add an item; returns at once."""
        if self._thread is None:
            self._start()
        self._items.put(item)

    def close(self) -> None:
        """Return when all that came in before is handled; idempotent."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._items.put(None)
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (first := self._items.get()) is not None:
            group, is_last = self._gather(first)
            self._handle(group)
            if is_last:
                return

    def _gather(self, first: _Item) -> tuple[list[_Item], bool]:
        """Return the group, and whether the end came with it."""
        group = [first]
        while len(group) < _LARGEST and not self._items.empty():
            following = self._items.get()
            if following is None:
                return group, True
            group.append(following)
        return group, False
