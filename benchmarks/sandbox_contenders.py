"""Who runs an episode of twenty commands: our sandbox, Docker with a persistent `docker exec`, a bare bash.

All on the same image: Docker imports it, the bare bash runs in a throw-away root of it that is set up once, unmeasured.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sandboxes.arguments import PATH
from sandboxes.base import Image
from sandboxes.binary import UNPRIVILEGED_ID, reachable_bwrap
from sandboxes.bubblewrap import Bubblewrap

COMMANDS = (
    "mkdir -p /root/files && cd /root/files",
    "export FOO=bar",
    "for i in $(seq 1 50); do echo line $i > f$i.txt; done",
    "ls | wc -l",
    "cat f1.txt",
    "echo $FOO; pwd",
    "grep -l 'line 3' *.txt | wc -l",
    "sed -i 's/line/LINE/' f2.txt",
    "cat f2.txt",
    "wc -c *.txt | tail -1",
    "find . -name 'f4*' | sort | head",
    "awk '{s+=$2} END{print s}' f*.txt",
    "useradd -m bob; tail -1 /etc/passwd",
    "chmod 640 f3.txt; stat -c %a f3.txt",
    "tar czf /tmp/a.tgz . ; ls -l /tmp/a.tgz | wc -l",
    "ps aux | wc -l",
    "cd /etc; ls | wc -l",
    "echo $OLDPWD",
    "rm -rf /root/files/f5*; ls /root/files | wc -l",
    "false",
)
"""What an agent does in one; the last fails, so that a lost exit code shows."""
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "USER": "root", "LANG": "C.UTF-8", "TERM": "dumb"}
"""What our shells have; a locale alone makes every program read a dozen files more."""
WIPE = "userdel -r bob; rm -rf /root/files /tmp/a.tgz"
DOCKER_LIMITS = ("--network", "none", "--memory", "512m", "--pids-limit", "64")


@dataclass(frozen=True)
class Times:
    """One episode, in seconds."""

    whole: float
    commands: tuple[float, ...]


class Contender(Protocol):
    """Runs episodes between `__aenter__` and `__aexit__`."""

    name: str

    async def episode(self) -> Times:
        """Live through one, from nothing to nothing."""


class Ours(AbstractAsyncContextManager["Ours"]):
    """A session with its persistent shell."""

    name = "Trajmill"

    def __init__(self, image: Image) -> None:
        self.sandbox = Bubblewrap(image)

    async def __aexit__(self, *_: object) -> None:
        """Leave the warden to its sandbox."""

    async def episode(self) -> Times:
        began, taken = time.perf_counter(), []
        session = await self.sandbox.start()
        for command in COMMANDS:
            asked = time.perf_counter()
            result = await session.exec(command)
            taken.append(time.perf_counter() - asked)
        await session.close()
        if result.exit_code != 1:
            raise RuntimeError(f"the last command ended with {result.exit_code}: {result.text}")
        return Times(time.perf_counter() - began, tuple(taken))


class Docker(AbstractAsyncContextManager["Docker"]):
    """A container for each episode, with one `docker exec -i bash` that reads commands and echoes a mark after each."""

    name = "Docker"

    def __init__(self, image: Image) -> None:
        self._image, self._tag = image, f"trajmill-bench:{image.digest[:12]}"
        self._number = 0

    async def __aenter__(self) -> Docker:
        if await _run("docker", "image", "inspect", self._tag, quiet=True):
            importing = f"tar -C {self._image.path} -c . | docker import - {self._tag}"
            if await _run("sh", "-c", importing, quiet=True):
                raise RuntimeError("docker import of the image failed")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the image for the next time."""

    async def episode(self) -> Times:
        began, taken = time.perf_counter(), []
        self._number += 1
        name = f"trajmill-bench-{os.getpid()}-{self._number}"
        if await _run("docker", "run", "-d", "--name", name, *DOCKER_LIMITS, self._tag, "sleep", "1000", quiet=True):
            raise RuntimeError("docker run failed")
        try:
            taken = await self._commands(name)
        finally:
            await _run("docker", "rm", "-f", name, quiet=True)
        return Times(time.perf_counter() - began, tuple(taken))

    async def _commands(self, container: str) -> list[float]:
        shell = await asyncio.create_subprocess_exec(
            *("docker", "exec", "-i", *(f"--env={name}={value}" for name, value in ENVIRONMENT.items())),
            *(container, "bash", "--norc"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert shell.stdin is not None and shell.stdout is not None
        taken, line = [], b""
        for number, command in enumerate(COMMANDS):
            asked = time.perf_counter()
            shell.stdin.write(f"{command}\necho mark-{number} $?\n".encode())
            while not (line := await shell.stdout.readline()).startswith(f"mark-{number} ".encode()):
                if not line:
                    raise RuntimeError(f"docker exec ended at {command!r}")
            taken.append(time.perf_counter() - asked)
        shell.stdin.close()
        await shell.wait()
        if line.split()[1] != b"1":
            raise RuntimeError(f"the last command said {line!r}")
        return taken


async def _run(*command: str, quiet: bool) -> int:
    sink = asyncio.subprocess.DEVNULL if quiet else None
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink)
    return await process.wait()


def docker_is_missing() -> str:
    """Return why Docker is left out; empty = its daemon answers."""
    try:
        told = subprocess.run(["docker", "version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no `docker`: `apt-get install docker.io`"
    if told.returncode:
        return "no daemon answers: `dockerd --bridge=none --iptables=false`, and DOCKER_HOST where it listens"
    return ""


class BareBash(AbstractAsyncContextManager["BareBash"]):
    """A bash for each episode in one root; a program beside it keeps the time."""

    name = "bare bash"

    def __init__(self, image: Image) -> None:
        self._image = image
        self._driver: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> BareBash:
        walls = ["--unshare-user", "--unshare-pid", "--unshare-net", "--uid", "0", "--gid", "0", "--die-with-parent"]
        files = ["--overlay-src", self._image.path, "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev"]
        user = {"user": UNPRIVILEGED_ID, "group": UNPRIVILEGED_ID, "extra_groups": []} if os.geteuid() == 0 else {}
        self._driver = await asyncio.create_subprocess_exec(
            *(str(reachable_bwrap(Path(self._image.path).parent)), *walls, *files, "--chdir", "/root"),
            *(part for name, value in ENVIRONMENT.items() for part in ("--setenv", name, value)),
            *("/usr/bin/python3", "-I", "-S", "-c", DRIVER, json.dumps(COMMANDS), WIPE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            cwd="/",
            **user,  # type: ignore[arg-type]
        )
        return self

    async def episode(self) -> Times:
        assert self._driver is not None and self._driver.stdin is not None and self._driver.stdout is not None
        self._driver.stdin.write(b"go\n")
        whole, *commands = json.loads(await self._driver.stdout.readline())
        return Times(whole, tuple(commands))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._driver is not None and self._driver.stdin is not None
        self._driver.stdin.close()
        await self._driver.wait()


DRIVER = """
import json, os, subprocess, sys, time
commands, wipe = json.loads(sys.argv[1]), sys.argv[2]
for _ in sys.stdin:
    began, taken = time.perf_counter(), []
    shell = subprocess.Popen(["bash", "--norc"], stdin=-1, stdout=-1, stderr=subprocess.STDOUT)  # -1: a pipe
    for number, command in enumerate(commands):
        asked, mark = time.perf_counter(), b"mark-%d " % number
        os.write(shell.stdin.fileno(), f"{command}\\necho mark-{number} $?\\n".encode())
        while not (line := shell.stdout.readline()).startswith(mark): pass
        taken.append(time.perf_counter() - asked)
    shell.stdin.close()
    shell.wait()
    whole = time.perf_counter() - began
    subprocess.run(["bash", "-c", wipe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(json.dumps([whole, *taken]), flush=True)
"""
