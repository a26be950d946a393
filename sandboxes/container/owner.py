"""Whose a container is: the label by which one that outlived its process is found and removed."""

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
    if where.partition("/")[0] != BOOT.read_text().strip():
        return False
    return where != _where() or _started(int(pid)) == started


def _where() -> str:
    return f"{BOOT.read_text().strip()}/{Path('/proc/self/ns/pid').readlink().name}"


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; empty = it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
