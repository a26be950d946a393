"""What programs leave by themselves: no part of the work, unless the reference leaves it too or the task names it.

One table; docs/os-tasks.md shows it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

from sandboxes.base import Change

SCRATCH = ("/tmp", "/var/tmp", "/run")

BY_PRODUCTS = {
    SCRATCH: "everybody: scratch",
    ("/root/.cache", "/var/cache"): "pip, man, fontconfig and others: caches",
    ("__pycache__", "*.pyc", "*.pyo"): "Python",
    (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"): "pytest, checkers",
    (".ipynb_checkpoints",): "Jupyter",
    (".*_history", ".*_hist", ".history"): "bash, Python, sqlite3, psql, gdb, node",
    (".lesshst", ".wget-hsts"): "less, wget",
    (".viminfo", ".viminf?.tmp", ".netrwhist", ".*.sw?", "4913"): "vim, and other editors' swap files",
    ("*~", ".#*", "#*#"): "nano, emacs, patch: the last version",
    ("/root/.local/share/nano", "/root/.local/share/mc", "/root/.config/mc"): "nano, mc",
    ("/root/.config/htop", "/root/.config/procps", "/root/.selected_editor"): "htop, top, sensible-editor",
    ("/root/.npm", "/root/.node-gyp", "/root/.pki", "/root/.dbus"): "npm, curl, D-Bus",
    ("/root/.gnupg/*.lock", "/root/.gnupg/random_seed"): "gpg",
    ("*-journal", "*-wal", "*-shm"): "SQLite",
    (".nfs*", "nohup.out"): "NFS, nohup",
    (".git/index", ".git/gc.log", ".git/COMMIT_EDITMSG", ".git/ORIG_HEAD"): "git, by looking too",
    ("/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"): "useradd, usermod and the like",
    ("/var/log/lastlog", "/var/log/faillog", "/var/log/wtmp", "/var/log/btmp"): "useradd, login",
    ("/etc/ld.so.cache", "/var/lib/man-db"): "ldconfig, man",
}
"""Places, absolute or a name in any folder (`*` and `?` stand for what is no slash; what lies below belongs to it), and
who leaves them."""

_NAMEABLE = 4
"""Letters of a place without `*` from which on its name in a task's words says that such paths count."""


def without_by_products(changes: Iterable[Change], wanted: Collection[str], instruction: str) -> list[Change]:
    """Return the changes that count: of `wanted` paths, and of all that no program leaves by itself."""
    changes = list(changes)
    is_left = by_product_of(instruction)
    left = [change.path for change in changes if change.path not in wanted and is_left(change.path)]
    kept = [change for change in changes if change.path not in set(left)]
    work = [c.path for c in kept if (c.change, c.kind) != ("added", "dir")]
    return [c for c in kept if c.path in wanted or not _is_there_for(c, left, work)]


def _is_there_for(change: Change, left: Sequence[str], work: Sequence[str]) -> bool:
    """Whether a new settings folder in the home holds nothing but what a program left."""
    if (change.change, change.kind) != ("added", "dir") or not change.path.startswith("/root/."):
        return False
    below = f"{change.path}/"
    return any(path.startswith(below) for path in left) and not any(path.startswith(below) for path in work)


@lru_cache(maxsize=64)
def by_product_of(instruction: str) -> Callable[[str], bool]:
    """Return what tells a by-product by its path, for a task of these words."""
    places = [place for row in BY_PRODUCTS for place in row if not _is_named(place, instruction)]
    found = re.compile("|".join(map(_pattern, places)))

    def is_by_product(path: str) -> bool:
        name = posixpath.basename(path)
        return found.match(path) is not None and not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", instruction)

    return is_by_product


def _is_named(place: str, instruction: str) -> bool:
    if place in SCRATCH:  # a task that names a file there names no other
        return False
    literal = max(re.split(r"[*?]", place.removeprefix("/root/")), key=len)
    return len(literal) >= _NAMEABLE and literal in instruction


def _pattern(place: str) -> str:
    text = re.escape(place).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return rf"{'' if place.startswith('/') else '(?:.*/)'}{text}(?:/|$)"
