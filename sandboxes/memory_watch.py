"""Which jobs of a pod hold more than all of them may; asked by the pod's first process four times a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sandboxes.held_memory import (
    LOCK_BYTES,
    MOST_LOCKS,
    MOST_MAPPINGS,
    MOST_WATCHES,
    Process,
    kernel_held,
    locks,
    paged,
    processes,
    slab_bytes,
    socket_buffers,
    tree,
)

Parts = dict[str, list[Process]]


class MemoryWatch:
    """Counts cheaply first, and each job exactly only where all together may hold too much."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._slab = slab_bytes()
        """The least that the kernel's records have taken since locks were last looked at."""

    def largest(self, pids: Mapping[str, int]) -> Iterator[str]:
        """Yield the job, by its name, that holds most of whatever all jobs hold too much of."""
        known, locked = processes(), self._look_at_locks()
        parts = {name: tree(pid, known) for name, pid in pids.items()}
        pages = sum(one.resident for one in known.values()) + sum(map(socket_buffers, parts.values()))
        kept = kernel_held(known.values())
        held = pages + kept.bytes + locked.total() * LOCK_BYTES
        few = kept.mappings <= MOST_MAPPINGS and kept.watches <= MOST_WATCHES and locked.total() <= MOST_LOCKS
        if held <= self._memory_bytes and few:
            return
        for counted, most in self._count(parts, locked):
            if sum(counted.values()) > most:
                yield max(counted, key=counted.__getitem__)

    def _look_at_locks(self) -> Counter[int]:
        """Count locks where the kernel's records have grown by as much as those that may be; else none."""
        slab = slab_bytes()
        if slab <= self._slab + MOST_LOCKS * LOCK_BYTES:
            self._slab = min(self._slab, slab)
            return Counter()
        locked = locks()
        if locked.total() <= MOST_LOCKS:
            self._slab = slab
        return locked

    def _count(self, parts: Parts, locked: Counter[int]) -> Iterator[tuple[dict[str, int], int]]:
        """Yield what each job has, and how much all may: bytes, mappings, watches, locks."""
        kept = {name: kernel_held(part) for name, part in parts.items()}
        ranges = {name: sum(locked[one.pid] for one in part) for name, part in parts.items()}
        bytes_held = {
            name: paged(part) + socket_buffers(part) + kept[name].bytes + ranges[name] * LOCK_BYTES
            for name, part in parts.items()
        }
        yield bytes_held, self._memory_bytes
        yield {name: found.mappings for name, found in kept.items()}, MOST_MAPPINGS
        yield {name: found.watches for name, found in kept.items()}, MOST_WATCHES
        yield ranges, MOST_LOCKS
