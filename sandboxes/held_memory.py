"""What a job's processes hold, read from /proc by the pod that watches them. It imports nothing of ours.

The kernel keeps more for a process than its pages: sockets' buffers, pipes, shared pages that were let go of, records
of mappings, of epoll's entries and of file locks. Each is counted by its largest size, by what /proc lists of it.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MEMORY_HELD = "memory"
"""Why the job is killed that holds most where all of them hold too much."""
SOCKET_BYTES = 416 << 10
"""What a socket's buffer may hold in the kernel, where no process shows it: twice net.core.wmem_max's default."""
PIPE_BYTES = 64 << 10
"""The seccomp filter lets none become larger."""
WATCH_BYTES, MOST_WATCHES = 192, 300_000
"""Of one file that an epoll watches (184 bytes: epoll(7)); it stays watched when its number means another file. Of more
than the most it is not told how many more there are: to list them takes time."""
NAME_BYTES = 512
"""Of one name of a folder that is held open on an overlay, which keeps a list of them; a tmpfs folder's own size says
20 bytes a name."""
LOCK_BYTES, MOST_LOCKS = 256, 20_000
"""A lock of a range of a file; of more than the most it is not told how many more there are."""
MAPPING_BYTES, MOST_MAPPINGS = 256, 200_000
"""A record of a mapping (struct vm_area_struct, with its place in the tree); likewise, as listing takes time."""
_STATUS = re.compile(r"^(PPid|VmRSS|VmPTE):\s*(\d+)", re.MULTILINE)
_SLAB = re.compile(r"^SUnreclaim:\s*(\d+)", re.MULTILINE)
FEW_DESCRIPTORS = 16
"""Of a process that has no more the list is not read: 64 such processes hold 32 MB in pipes at most."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as /proc/<pid>/status has it."""

    pid: int
    parent: int
    place: str
    """Of what shows its memory: of a process whose first thread has ended that is another thread's."""
    resident: int
    """Bytes, page tables (VmPTE) among them: who only reads has little else."""


class Held(NamedTuple):
    """What the kernel keeps for some processes beside their pages."""

    bytes: int
    mappings: int
    watches: int
    """Files that epolls watch."""


def processes() -> dict[int, Process]:
    """Read every process of the pod."""
    found = (_process(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return {one.pid: one for one in found if one is not None}


def _process(name: str) -> Process | None:
    place = f"/proc/{name}"
    status = _numbers(place)
    if not status:
        return None
    parent = status["PPid"]
    if "VmRSS" not in status:
        for thread in _listed(f"{place}/task"):
            of_thread = _numbers(f"{place}/task/{thread}")
            if "VmRSS" in of_thread:
                place, status = f"{place}/task/{thread}", of_thread
                break
    return Process(int(name), parent, place, status.get("VmRSS", 0) + status.get("VmPTE", 0) << 10)


def _numbers(place: str) -> dict[str, int]:
    """Return what a status says of its parent, and of its memory in kilobytes."""
    return {name: int(number) for name, number in _STATUS.findall(_read(f"{place}/status"))}


def tree(pid: int, known: dict[int, Process]) -> list[Process]:
    """Return a process and all below it, whichever of its threads made them."""
    below: dict[int, list[Process]] = {}
    for one in known.values():
        below.setdefault(one.parent, []).append(one)
    found = [known[pid]] if pid in known else []
    for one in found:
        found += below.get(one.pid, [])
    return found


def kernel_held(some: Iterable[Process]) -> Held:
    """Return what the kernel keeps for processes beside their pages, what several share once."""
    shared: dict[str, int] = {}
    mappings = 0
    for one in some:
        if mappings <= MOST_MAPPINGS:
            maps = _read(f"{one.place}/maps")
            mappings += maps.count("\n")
            _add_shared_mappings(maps, shared)
        _add_descriptors(one, shared)
    watches = 0
    for epoll in (place for place, size in shared.items() if size == 0):
        watches += _read(epoll).count("tfd:")
        if watches > MOST_WATCHES:
            break
    held = sum(shared.values()) + mappings * MAPPING_BYTES + watches * WATCH_BYTES
    return Held(held, mappings, watches)


def _add_shared_mappings(maps: str, shared: dict[str, int]) -> None:
    """Count mappings without a file whole: the kernel keeps pages that no process shows."""
    if "/dev/zero (deleted)" not in maps:
        return
    for line in maps.splitlines():
        if line.endswith("/dev/zero (deleted)"):
            place, _, _, _, inode = line.split()[:5]
            begin, end = (int(address, 16) for address in place.split("-"))
            shared[inode] = max(shared.get(inode, 0), end - begin)


def _add_descriptors(one: Process, shared: dict[str, int]) -> None:
    folder = f"{one.place}/fd"
    try:
        count = os.stat(folder).st_size  # noqa: PTH116 (since Linux 6.2, 0 before)
    except OSError:
        return
    if 0 < count <= FEW_DESCRIPTORS:
        return
    for number in _listed(folder):
        kind, _, name = _link(f"{folder}/{number}").partition(":")
        if kind == "pipe":
            shared[name] = PIPE_BYTES
        elif name == "[eventpoll]":
            shared[f"{one.place}/fdinfo/{number}"] = 0  # what it holds is read there
        elif kind.startswith("/") and (size := _folder_bytes(f"{folder}/{number}")):
            shared[f"{one.pid}/{number}"] = size


def _folder_bytes(path: str) -> int:
    try:
        told = os.stat(path)  # noqa: PTH116
    except OSError:
        return 0
    return told.st_size // 20 * NAME_BYTES if stat.S_ISDIR(told.st_mode) else 0


def paged(some: Iterable[Process]) -> int:
    """Return the pages of processes, those that several share divided among them."""
    rollups = ((one, _read(f"{one.place}/smaps_rollup")) for one in some)
    return sum(_tables(one) + _proportional(text) for one, text in rollups)


def _tables(one: Process) -> int:
    return _numbers(one.place).get("VmPTE", 0) << 10


def _proportional(rollup: str) -> int:
    return sum(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))


def socket_buffers(job: Sequence[Process]) -> int:
    """Return what the sockets of a job's own network namespace may hold; its bwrap, the first, is outside of it."""
    firsts = (_read(f"{one.place}/net/sockstat").partition("\n")[0] for one in job[1:2])
    return sum(int(first.split()[2]) * SOCKET_BYTES for first in firsts if first)


def slab_bytes() -> int:
    """Return what the machine's kernel keeps in records of all kinds, locks among them."""
    found = _SLAB.search(_read("/proc/meminfo"))
    return int(found[1]) << 10 if found else 0


def locks() -> Counter[int]:
    """Return how many ranges of files each process of this PID namespace has locked.

    Not to be asked often: it waits some ten milliseconds, and whoever locks a file on this machine waits with it.
    """
    counted: Counter[int] = Counter()
    try:
        with open("/proc/locks", errors="replace") as file:  # noqa: PTH123
            for line in file:
                fields = line.split()
                counted[int(fields[5 if fields[1] == "->" else 4])] += 1
                if counted.total() > MOST_LOCKS:
                    break
    except OSError:
        pass
    return counted


def children(pid: int) -> list[int]:
    """Return the processes that a process's threads have made and that are still there."""
    threads = _listed(f"/proc/{pid}/task")
    return [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _listed(folder: str) -> Iterator[str]:
    try:
        yield from os.listdir(folder)  # noqa: PTH208
    except OSError:
        return


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:  # noqa: PTH123 (four times a second: pathlib is slower)
            return file.read()
    except OSError:
        return ""
