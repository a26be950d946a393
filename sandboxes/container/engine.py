"""An engine's command line, docker or podman: what we ask of it, and the walls that it builds around a container.

The command line rather than a client library: both engines share it, and it finds the daemon as the user's own does.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from sandboxes.base import Limits
from sandboxes.seccomp import DENIED
from schemas.errors import SandboxError

COMMAND_SECONDS = 60.0
OWNER_LABEL = "trajmill.owner"

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SETPCAP", "DAC_OVERRIDE", "DAC_READ_SEARCH")
"""What the container's first process needs to build walls in it: mounts and namespaces; a loopback in each network
namespace; an empty bounding set; overlayfs's work folder, whose mode is 0; reading what an agent closed to itself, when
two snapshots are compared. Nothing that an agent starts has any: bwrap drops them all, for good."""
KEEPER_CALLS = frozenset({"mount", "umount2", "pivot_root", "unshare", "setns", "chroot"})
"""Of the calls that no task needs (`seccomp.py`), those that building walls needs. The agent's filter denies them."""
SPARE_PROCESSES = 14
"""Beside the agent's: the keeper, and two bwraps for each job."""
MOST_CPUS = 2
MOST_OF_A_KIND = 4096
"""Descriptors and processes before the pod sets its own, lower bounds; podman asks for more than it may set where root
lacks CAP_SYS_RESOURCE."""
OPTIONS = {
    # Mounting is what the first process is for: AppArmor's default profile for containers forbids it. /proc is covered
    # in part by default, and then the kernel lets nobody mount a fresh one in a user namespace (podman).
    "docker": ("--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
    "podman": ("--security-opt", "apparmor=unconfined", "--security-opt", "unmask=ALL", "--pull", "never"),
}
LIMITS_TOLD = {
    "docker": "{{.CgroupVersion}} {{.MemoryLimit}} {{.PidsLimit}}",
    "podman": "{{.Host.CgroupsVersion}} {{.Host.CgroupControllers}}",
}


class Engine:
    """`docker` or `podman`, as the user's own shell finds it."""

    def __init__(self, name: str, options: tuple[str, ...] = ()) -> None:
        """`options` stand before every subcommand (podman: `--cgroup-manager cgroupfs` and the like)."""
        self.name = name
        self._options = options

    def command(self, *arguments: str) -> list[str]:
        """Return a whole command line.

        Raises:
            SandboxError: the program is not installed.
        """
        program = shutil.which(self.name)
        if program is None:
            raise SandboxError(f"no program {self.name} in {os.environ.get('PATH', '')}", transient=False)
        return [program, *self._options, *arguments]

    async def ask(self, *arguments: str) -> str:
        """Run a command and return what it printed.

        Raises:
            SandboxError: it failed, or did not answer.
        """
        return await asyncio.to_thread(self.ask_now, *arguments)

    def ask_now(self, *arguments: str, given: IO[bytes] | None = None) -> str:
        """Run a command here and now; `given` is its input."""
        try:
            done = subprocess.run(
                self.command(*arguments), stdin=given, capture_output=True, timeout=COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise SandboxError(f"{self.name} {arguments[0]}: no answer in {COMMAND_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise SandboxError(f"{self.name} {arguments[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
        return done.stdout.decode("utf-8", "replace")

    def limits_kind(self) -> str:
        """Return which kind of limits it holds: cgroup2 or cgroup1.

        Without a cgroup nothing would bound the processes of one container: the kernel counts those of a user, in all.

        Raises:
            SandboxError: it is not there, or has no right to cgroups.
        """
        told = self.ask_now("info", "--format", LIMITS_TOLD[self.name]).split()
        held = {word.strip("[]") for word in told[1:]}
        if {"memory", "pids"} <= held or held == {"true"}:
            return f"cgroup{told[0].lstrip('v')}"
        raise SandboxError(
            f"{self.name} has no cgroup for memory and processes here: {' '.join(told)}", transient=False
        )

    def walls(self, limits: Limits, profile: Path) -> list[str]:
        """Return the options of a container that an episode runs in.

        Memory stops at twice what all jobs together may hold, and the layers (they lie in memory): the pod ends the
        largest job long before, and says so; the engine's bound holds if it does not come to that.
        """
        memory = f"{2 * limits.memory_mb + 4 * limits.disk_mb}m"
        return [
            *("--network", "none", "--ipc", "private", "--read-only", "--user", "0:0", "--log-driver", "none"),
            *("--cap-drop", "ALL", *(part for name in CAPABILITIES for part in ("--cap-add", name))),
            *("--security-opt", "no-new-privileges", "--security-opt", f"seccomp={profile}"),
            *("--security-opt", "label=disable", *OPTIONS[self.name]),
            *("--pids-limit", str(limits.processes + SPARE_PROCESSES), "--memory", memory, "--memory-swap", memory),
            *("--cpus", str(min(MOST_CPUS, os.cpu_count() or 1))),
            *(f"--ulimit={name}={MOST_OF_A_KIND}:{MOST_OF_A_KIND}" for name in ("nofile", "nproc")),
        ]


def write_profile(path: Path) -> None:
    """Write the container's seccomp profile: what our own filter denies, but for what building walls needs.

    The kernel counts inotify by user, and user 0 is the machine's own root: none is to be had, as if all were taken.
    """
    denials = ((sorted(DENIED.keys() - KEEPER_CALLS), errno.EPERM), (["inotify_init", "inotify_init1"], errno.EMFILE))
    calls = [{"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number} for names, number in denials]
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls}))
