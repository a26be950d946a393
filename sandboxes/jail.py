"""A long-lived worker of ours behind walls: it is trusted, what it parses is not (hostile SQL, for one).

It sees the interpreter, the system's libraries and the paths it was given, all read-only; no network, no home, no
environment. Root drops its id here too, by way of `descent.py`, since the interpreter may lie under a closed /root.
Mapping root into the jail would be simpler, but the kernel takes such a process for root wherever only the id counts
(/proc/sys, RLIMIT_NPROC). The way costs 15 ms a worker, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandboxes.arguments import NAMESPACES, NO_MORE_DEVICES, NO_MORE_SETTINGS, mount_point, resource_limits
from sandboxes.base import Limits
from sandboxes.binary import UNPRIVILEGED_ID, reachable_bwrap, runs_as_root
from sandboxes.descriptors import memory_file
from sandboxes.seccomp import open_filter
from schemas.errors import SandboxError
from schemas.settings import default_cache

PIPES: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
NOBODY = "65534"
SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache")
LIMIT = """
import os, resource, sys
for item in sys.argv[1].split(","):
    name, value = item.split("=")
    kind = getattr(resource, f"RLIMIT_{name}")
    ceiling = resource.getrlimit(kind)[1]
    bound = int(value) if ceiling == resource.RLIM_INFINITY else min(int(value), ceiling)
    resource.setrlimit(kind, (bound, bound))
os.execv(sys.argv[2], sys.argv[2:])
"""


async def jail(
    argv: Sequence[str],
    *,
    read_only: Sequence[Path],
    writable: Sequence[Path] = (),
    pass_fds: Sequence[int] = (),
    allowed: frozenset[str] = frozenset(),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    cache: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a program behind walls, with stdin, stdout and stderr as pipes; it dies with this process.

    `argv[0]` is an absolute path; our own interpreter (also a virtual environment's) is there in any case, to be run
    with -I -S. The paths of `read_only` appear under their own names; as root they must be readable for others.

    Raises:
        SandboxError: there is no bwrap, or a path does not exist. What the machine refuses shows as an early end,
            with bwrap's words on stderr.
    """
    bwrap = reachable_bwrap(cache or default_cache())
    paths = _lent_paths([*read_only, *writable])
    point = mount_point(bwrap)
    sources = [f"{point}/{at}" if runs_as_root() else str(path) for at, path in enumerate(paths)]
    with contextlib.ExitStack() as stack:
        filter_program = _kept(stack, open_filter(allowed))
        arguments = [*_walls(limits), *_binds(sources, paths, writable), "--seccomp", str(filter_program)]
        hidden = _kept(stack, memory_file("\0".join(arguments).encode()))
        walls = [str(bwrap), "--args", str(hidden), "--", *_limited(argv, limits)]
        return await asyncio.create_subprocess_exec(
            *(_descended(walls, paths, point) if runs_as_root() else walls),
            **PIPES,
            pass_fds=(filter_program, hidden, *pass_fds),
            env={},
            cwd="/",
            start_new_session=True,
        )


def _lent_paths(read_only: Sequence[Path]) -> list[Path]:
    paths = dict.fromkeys([Path("/usr"), Path(sys.base_prefix).resolve(), *(path.absolute() for path in read_only)])
    for path in paths:
        if not path.exists():
            raise SandboxError(f"cannot lend {path} to a worker: it does not exist", transient=False)
    return list(paths)


def _limited(argv: Sequence[str], limits: Limits) -> list[str]:
    interpreter = _interpreter()
    program = [interpreter if argv[0] == sys.executable else argv[0], *argv[1:]]
    return [interpreter, "-I", "-S", "-c", LIMIT, resource_limits(limits), *program]


def _interpreter() -> str:
    """Return the real path of the interpreter that runs us; a virtual environment's is a link to it."""
    return str(Path(sys.executable).resolve())


def _descended(walls: Sequence[str], paths: Sequence[Path], point: str) -> list[str]:
    program = [_interpreter(), "-I", "-S", str(Path(__file__).with_name("descent.py"))]
    return [*program, str(UNPRIVILEGED_ID), point, *map(str, paths), "--", *walls]


def _walls(limits: Limits) -> list[str]:
    tmp = ["--size", str(limits.disk_mb << 20), "--perms", "1777", "--tmpfs", "/tmp"]
    return [
        *NAMESPACES,
        "--uid",
        NOBODY,
        "--gid",
        NOBODY,
        "--chdir",
        "/tmp",
        "--proc",
        "/proc",
        *NO_MORE_SETTINGS,
        "--dev",
        "/dev",
        *NO_MORE_DEVICES,
        *tmp,
    ]


def _binds(sources: Sequence[str], paths: Sequence[Path], writable: Sequence[Path]) -> list[str]:
    arguments: list[str] = []
    for source, path in zip(sources, paths, strict=True):
        arguments += ["--bind" if path in writable else "--ro-bind", source, str(path)]
    for name in SYSTEM_FOLDERS:
        if Path(name).is_symlink():
            arguments += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).exists():
            arguments += ["--ro-bind", name, name]
    return [*arguments, "--remount-ro", "/"]


def _kept(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor
