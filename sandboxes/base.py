"""The seam: what a sandbox is, whichever backend builds the walls.

A `Sandbox` starts sessions; a `Session` is one episode's files with one persistent shell on them. Layers make the
rest cheap: `snapshot` freezes the files, `fork` opens a throw-away view of a snapshot (the reference, the
evaluator), `run` starts a fresh process that shares nothing with the agent's shell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from sandboxes.ground import Ground
from sandboxes.terminal import plain_text
from schemas.task_spec import Script


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use."""

    processes: int = 64
    data_mb: int = 256
    """Data segment of one process (RLIMIT_DATA)."""
    memory_mb: int = 512
    """Resident memory of all its processes together."""
    disk_mb: int = 64
    file_mb: int = 64
    cpu_seconds: int = 60
    """CPU of one process."""
    output_bytes: int = 16384
    """Output kept of one command; the rest is drained and counted."""


@dataclass(frozen=True)
class Capabilities:
    """What `probe` found."""

    usable: bool
    backend: str
    limits: str
    """What holds beside the pod's own limits: cgroup2 or cgroup1 (an engine's); rlimit = those alone."""
    overlay: bool
    reason: str = ""
    """Why it is not usable."""
    fix: str = ""
    """What to do about it."""


@dataclass(frozen=True)
class Image:
    """A base file system, unpacked once and never written again."""

    digest: str
    path: str
    kind: str
    """host (this machine's tools), directory or tarball."""


@dataclass(frozen=True)
class Snapshot:
    """Frozen layers above the image, oldest first; readable until its session closes."""

    layers: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class ExecResult:
    """One command's end."""

    output: bytes
    """stdout and stderr as they came, at most `output_bytes`."""
    exit_code: int | None
    """None = it did not end by itself."""
    truncated: bool = False
    total_bytes: int = 0
    timed_out: bool = False
    shell_restarted: bool = False
    """The shell died or was killed; a new one stands on the same files."""
    cwd: str | None = None
    seconds: float = 0.0
    reason: str = ""
    """Why it was killed: time, memory; status = it flooded the pipe that only the shell reports on; state = what the
    agent left cannot be looked at; empty = it ended by itself."""
    left: Snapshot | None = None
    """The files as a script that was run with `keep` left them."""

    @property
    def text(self) -> str:
        """Output as text: invalid UTF-8 replaced, terminal escapes and control characters stripped."""
        return plain_text(self.output)


@dataclass(frozen=True)
class Change:
    """What became of one path; times, owners and the number of hard links are not looked at."""

    path: str
    """Absolute; bytes that are no UTF-8 as Python's surrogate escapes."""
    change: Literal["added", "modified", "deleted"]
    kind: Literal["file", "dir", "link", "other"]
    """What stands there now (deleted: what stood there); other = pipe, socket, device."""
    mode: int = 0
    """Permission bits; 0 for links and for what was deleted."""
    sha256: str = ""
    """Of a file's bytes or a link's target; empty for everything else."""


@dataclass(frozen=True)
class FileDifference:
    """The changes between two snapshots, ordered by path."""

    changes: tuple[Change, ...]
    complete: bool = True
    """False = there is more than can be told: too many paths, too many bytes to hash, paths too deep to name."""


class Session(Protocol):
    """One episode's files. Owned by one coroutine; `close` is idempotent and kills everything."""

    async def exec(self, command: str, *, timeout: float = 10.0) -> ExecResult:
        """Run a command in the persistent shell; cwd, variables and functions carry over."""

    async def run(
        self,
        script: Script,
        *,
        arguments: tuple[str, ...] = (),
        start: Script | None = None,
        on: Snapshot | None = None,
        trusted_tools: bool = False,
        ground: Ground | None = None,
        keep: bool = False,
        timeout: float = 10.0,
    ) -> ExecResult:
        """Run a program in a fresh process, not in the agent's shell.

        `on` = None writes to the session's own files (initialisation). With a snapshot it works on a throw-away view
        of it; `keep` freezes that view instead, and the result's `left` names it. `start` runs first in the same
        process tree (bash). `trusted_tools` binds the image's own programs over whatever the layers hold: what a check
        must always use. `ground` says whose version of each path such a view shows; a state that leaves no room for it
        gives a result whose reason is `state`.
        """

    async def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file."""

    async def get(self, path: str, max_bytes: int = 1 << 20) -> bytes:
        """Read a regular file, never through a link to the outside.

        Raises:
            SandboxError: not a regular file, or too large.
        """

    async def snapshot(self) -> Snapshot:
        """Freeze the files as they are; ends the shell (the next `exec` starts one on a fresh layer)."""

    async def diff(self, since: Snapshot, at: Snapshot) -> FileDifference:
        """Tell what changed from one snapshot to a later one, by code that the agent cannot reach.

        A directory that was added or deleted is told with everything in it. What was written again as it was is no
        change. Bounded in paths and bytes; no link is followed.

        Raises:
            SandboxError: `at` is not later than `since`, or the comparison could not run.
        """

    async def close(self) -> None:
        """End every process and release every file; never raises."""


class Sandbox(Protocol):
    """A backend."""

    backend: str
    """Its name in configurations and ids."""
    image: Image
    """What its sessions start from."""
    limits: Limits

    async def probe(self) -> Capabilities:
        """Try the real thing and say what to do where it is refused; nothing falls back to something weaker."""

    async def start(self, *, start: Script | None = None) -> Session:
        """Open a session on the image; `start` runs in every shell that it opens.

        Raises:
            SandboxError: it could not be started.
        """
