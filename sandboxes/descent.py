"""Root's way into a jail, a small program of its own: `python -I -S descent.py ID POINT PATHS -- COMMAND`.

The jailed worker must be nobody on the host, yet see folders that may lie under a closed /root. So this opens a user
and a mount namespace that know two ids, root and the one to drop to; as root it binds the paths at POINT/0, POINT/1,
..., where everybody can reach them; then it becomes the other id for good and turns into COMMAND. Needs no more
privilege than a container's root has. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

NEW_NAMESPACES = 0x00020000 | 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
BIND, RECURSIVE_PRIVATE = 0x1000 | 0x4000, 0x4000 | (1 << 18)
SET_DUMPABLE = 4  # prctl

libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _map_from_outside(identity: str) -> None:
    """Enter the namespaces; a child that stayed outside writes the maps, which only the outside may."""
    entered, say_entered = os.pipe()
    mapped, say_mapped = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(say_entered)
        os.read(entered, 1)
        for name in ("gid_map", "uid_map"):
            Path(f"/proc/{os.getppid()}/{name}").write_text(f"0 0 1\n{identity} {identity} 1\n")
        os._exit(0)
    _checked(libc.unshare(NEW_NAMESPACES), "unshare user and mount namespaces")
    os.write(say_entered, b".")
    os.close(say_mapped)
    os.read(mapped, 1)  # ends when the child has, well or not
    if os.waitpid(child, 0)[1] != 0:
        raise OSError("the ids of the jail could not be mapped")


def _lend(paths: Sequence[str], point: str) -> None:
    _checked(libc.mount(None, b"/", None, RECURSIVE_PRIVATE, None), "make mounts private")
    sources = [os.open(path, os.O_PATH) for path in paths]  # POINT may cover some of them
    _checked(libc.mount(b"tmpfs", point.encode(), b"tmpfs", 6, b"size=1m,mode=755"), f"mount tmpfs on {point}")
    for number, source in enumerate(sources):
        target = Path(point, str(number))
        if Path(paths[number]).is_dir():
            target.mkdir()
        else:
            target.touch()
        done = libc.mount(f"/proc/self/fd/{source}".encode(), str(target).encode(), None, BIND, None)
        _checked(done, f"bind {paths[number]}")
        os.close(source)


def main(identity: str, point: str, *rest: str) -> None:
    """Lend the paths, drop root, become the command."""
    end = rest.index("--")
    _map_from_outside(identity)
    _lend(rest[:end], point)
    os.setgroups([])
    os.setresgid(*(int(identity),) * 3)
    os.setresuid(*(int(identity),) * 3)
    libc.prctl(SET_DUMPABLE, 1, 0, 0, 0)
    os.execve(rest[end + 1], rest[end + 1 :], {})


if __name__ == "__main__":
    main(*sys.argv[1:])
