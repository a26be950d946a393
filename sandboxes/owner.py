"""Whose a container or a folder is: the label by which what outlived its process is found and removed."""

from __future__ import annotations

import os
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def owner_of_mine() -> str:
    """Return this process as a label: boot, PID namespace, id and start; ids are used again, this is not."""
    return f"{_where()}/{os.getpid()}/{_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Return whether the process of a label may still live; one of another PID namespace cannot be judged from here."""
    where, pid, started = owner.rsplit("/", 2)
    if where.partition("/")[0] != _boot():
        return False
    return where != _where() or _started(int(pid)) == started


def _where() -> str:
    namespace = Path("/proc/self/ns/pid").readlink().name  # pid:[4026531836]
    return f"{_boot()}/{namespace[len('pid:[') : -1]}"


def _boot() -> str:
    """Return enough of the boot's id: a folder's name holds it, and a socket's path has 107 bytes."""
    return BOOT.read_text()[-13:].strip()


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty = it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
