"""The default backend: bubblewrap. No daemon, no setuid program, no root; a session stands in 10 ms.

One pod (`pod.py`) per session; the shell and every script are a bwrap of their own on overlay layers: the image, frozen
layers, one that takes the writes. Two never write to one layer: the shell ends before a script writes to its files.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from sandboxes.arguments import EMPTY_HOME, MUST_BE_NO_LINK, RootView, bash_inside
from sandboxes.base import Capabilities, ExecResult, FileDifference, Image, Limits, Snapshot
from sandboxes.binary import reachable_bwrap
from sandboxes.comparison import (
    COMPARE_SECONDS,
    OUTPUT_BYTES,
    compared_view,
    comparison,
    layers_between,
    read_difference,
)
from sandboxes.diagnosis import diagnose
from sandboxes.ground import HOME, Ground
from sandboxes.held_memory import MEMORY_HELD
from sandboxes.pod import Pod
from sandboxes.program import Program, run_program
from sandboxes.shell import STATUS_FLOOD, Shell, Standing
from sandboxes.warden_process import WardenProcess
from schemas.errors import SandboxError
from schemas.task_spec import Script

START_SECONDS = 10.0
"""For a task's `start`: it leaves processes behind, it does not wait for them."""
TRANSFER_SECONDS = 10.0
FLOOD_PAUSE_SECONDS, FLOOD_PAUSE_AT_MOST_SECONDS = 0.1, 1.0
"""Before the shell after one that was killed for what it sent or held: ending and starting it takes from neighbours."""

DEFAULT_LIMITS = Limits()


class Bubblewrap:
    """Starts sessions on one image."""

    backend = "bubblewrap"

    def __init__(self, image: Image, limits: Limits = DEFAULT_LIMITS, *, cache: Path | None = None) -> None:
        """`cache` is where root keeps a bwrap that its unprivileged id can run; default: beside the image."""
        self.image = image
        self.limits = limits
        self._cache = cache or Path(image.path).parent
        self._warden: WardenProcess | None = None

    async def probe(self) -> Capabilities:
        """Start a session and run a script in it, with the real flags."""
        if sys.platform != "linux":
            return diagnose(f"bubblewrap is Linux only, this is {sys.platform}")
        try:
            session = await self.start()
            try:
                result = await session.run(Script(code="true"))
            finally:
                await session.close()
        except SandboxError as problem:
            return diagnose(str(problem))
        if result.exit_code != 0:
            return diagnose(f"`true` ended with {result.exit_code}: {result.text.strip()}")
        return Capabilities(usable=True, backend="bubblewrap", limits="rlimit", overlay=True)

    async def start(self, *, start: Script | None = None) -> PodSession:
        """Open a session; its shell starts with the first `exec`.

        Raises:
            SandboxError: the machine refuses; `probe` says what to do.
        """
        pod = await Pod.open(self._open_warden())
        return PodSession(pod, RootView(self.image.path, (), "", lent=pod.lend(self.image.path)), self.limits, start)

    def _open_warden(self) -> WardenProcess:
        if self._warden is None:
            self._warden = WardenProcess(reachable_bwrap(self._cache), Path(self.image.path), self.limits)
            weakref.finalize(self, self._warden.close)
        return self._warden


class PodSession:
    """One episode's files, with one persistent shell on them."""

    def __init__(self, pod: Pod, walls: RootView, limits: Limits, start: Script | None) -> None:
        """`walls` is the view of the bare image; what a session sees has layers above it."""
        self._pod, self._walls, self._limits = pod, walls, limits
        self._start = _as_bash(start)
        self._frozen: tuple[str, ...] = ()
        self._top = pod.add_layer(limits.disk_mb)
        self._shell: Shell | None = None
        self._place = Standing()
        self._stood = False
        self._floods = 0

    async def exec(self, command: str, *, timeout: float = 10.0) -> ExecResult:
        """Run a command in the persistent shell, which is started where there is none.

        Raises:
            SandboxError: the first shell, or the task's `start` in it, did not come up.
        """
        left = self._shell is not None and self._shell.left
        try:
            shell = await self._standing_shell()
        except SandboxError as problem:
            if not self._stood or self._pod.gone:
                raise
            words = f"{problem}\n".encode()  # the agent broke its own system, and may know so
            return ExecResult(output=words, exit_code=127, total_bytes=len(words), shell_restarted=True)
        result = await shell.exec(command.encode("utf-8", "replace"), timeout)
        self._place = shell.place
        self._floods += result.reason in (STATUS_FLOOD, MEMORY_HELD)
        return replace(result, shell_restarted=True) if left else result

    async def _standing_shell(self) -> Shell:
        if self._shell is None or not self._shell.alive:
            await self._end_shell()
            await asyncio.sleep(min(FLOOD_PAUSE_SECONDS * self._floods, FLOOD_PAUSE_AT_MOST_SECONDS))
            self._shell = Shell(self._pod, self._limits)
            await self._shell.open(replace(self._walls, frozen=self._frozen, top=self._top))
            await self._settle(self._shell)
            self._stood = True
        return self._shell

    async def _settle(self, shell: Shell) -> None:
        """Bring a new shell to where the last one stood."""
        if self._start:
            result = await shell.exec(self._start.encode("utf-8", "replace"), START_SECONDS)
            if not shell.alive:
                raise SandboxError(f"the task's start script ended the shell: {result.text.strip()}", transient=False)
        if self._place.cwd:
            await shell.exec(self._place.resume(), START_SECONDS)

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
        """Run a program in a fresh process.

        Without `on` it writes to the session's files; a live shell ends first, and the next one stands where it stood.
        A view that is kept takes its layer's room until the session closes.

        Raises:
            SandboxError: it did not come to run at all.
        """
        program = Program(script, arguments, _as_bash(start))
        if on is None:
            return await self._run_here(program, trusted_tools, timeout)
        async with self._layer(keep=keep) as layer:
            refused = await self._lay_ground(ground, on.layers, layer)
            if refused is not None:
                return refused
            home = EMPTY_HOME if ground is not None and ground.outputs is not None else HOME
            view = replace(self._view(on.layers, layer, trusted_tools), home=home)
            if ground is not None:
                view = replace(view, is_grounded=True, is_closed=ground.is_closed)
            result = await run_program(self._pod, view, self._limits, program, timeout)
        return replace(result, left=Snapshot((*on.layers, layer))) if keep else result

    async def diff(self, since: Snapshot, at: Snapshot) -> FileDifference:
        """Compare two snapshots in an untouched system, with both mounted beside it.

        Raises:
            SandboxError: `at` is not later than `since`, or the comparison could not run.
        """
        between = layers_between(since, at)
        if await self._pod.is_untouched(between):
            return FileDifference((), True)
        async with self._layer() as top:
            view = compared_view(self._walls, top, since, at)
            program = comparison(view)
            result = await run_program(self._pod, view, self._limits, program, COMPARE_SECONDS, OUTPUT_BYTES)
        return read_difference(result)

    async def _lay_ground(self, ground: Ground | None, lower: tuple[str, ...], layer: str) -> ExecResult | None:
        """Show the initial state where the agent's version does not count; return the result where that cannot be."""
        if ground is None:
            return None
        image, bash = self._walls.root, bash_inside(self._walls.image)
        problem = await self._pod.lay_ground(layer, image, bash, lower[len(ground.since) :], ground)
        return ExecResult(problem.encode("utf-8", "replace"), None, reason="state") if problem else None

    def _view(self, lower: tuple[str, ...], layer: str, trusted_tools: bool) -> RootView:
        """Return a view of frozen layers, whose links lead no trusted tool elsewhere."""
        if trusted_tools and lower:
            self._pod.straighten(layer, lower, MUST_BE_NO_LINK)
        return replace(self._walls, frozen=lower, top=layer, trusted_tools=trusted_tools)

    @contextlib.asynccontextmanager
    async def _layer(self, *, keep: bool = False) -> AsyncIterator[str]:
        layer = self._pod.add_layer(self._limits.disk_mb)
        try:
            yield layer
        finally:
            if not keep:
                with contextlib.suppress(SandboxError):  # a pod that is gone has no layers
                    self._pod.drop_layer(layer)

    async def _run_here(
        self, program: Program, trusted_tools: bool, timeout: float, keep_bytes: int | None = None
    ) -> ExecResult:
        await self._end_shell()
        view = replace(self._walls, frozen=self._frozen, top=self._top, trusted_tools=trusted_tools)
        return await run_program(self._pod, view, self._limits, program, timeout, keep_bytes)

    async def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file, and the folders above it; a live shell ends first.

        Raises:
            SandboxError: there is no room, or the path is not writable.
        """
        program = Program(PUT, (path, f"{mode:o}"), payload=data)
        result = await self._run_here(program, True, TRANSFER_SECONDS)
        if result.exit_code != 0:
            raise SandboxError(f"cannot write {path}: {result.text.strip()}", transient=False)

    async def get(self, path: str, max_bytes: int = 1 << 20) -> bytes:
        """Read a regular file from inside the walls, where no link leads out, in a view that is thrown away.

        A live shell ends first.

        Raises:
            SandboxError: not a regular file, or larger than `max_bytes`.
        """
        await self._end_shell()
        program = Program(GET, (path, str(max_bytes)))
        async with self._layer() as layer:
            view = self._view((*self._frozen, self._top), layer, True)
            result = await run_program(self._pod, view, self._limits, program, TRANSFER_SECONDS, max_bytes + 4096)
        if result.exit_code != 0:
            raise SandboxError(f"cannot read {path}: {result.text.strip()}", transient=False)
        return result.output

    async def snapshot(self) -> Snapshot:
        """Freeze the files; costs one mount, whatever their size."""
        await self._end_shell()
        self._frozen = (*self._frozen, self._top)
        self._top = self._pod.add_layer(self._limits.disk_mb)
        return Snapshot(self._frozen)

    async def _end_shell(self) -> None:
        if self._shell is not None and not self._shell.ended:
            await self._shell.end("close")

    async def close(self) -> None:
        """Kill everything; the files go with their pod."""
        if self._shell is not None:
            self._shell.release()
        await self._pod.close()


GET = Script(
    code="""
[ -f "$1" ] || { echo "not a regular file"; exit 1; }
[ "$(stat -Lc %s -- "$1")" -le "$2" ] || { echo "larger than $2 bytes"; exit 1; }
cat -- "$1"
"""
)
PUT = Script(
    code="""
mkdir -p -- "$(dirname -- "$1")" || exit 1
[ ! -e "$1" ] || [ -f "$1" ] || { echo "something is there that is not a regular file"; exit 1; }
cat <&8 >"$1" && chmod "$2" -- "$1"
"""
)


def _as_bash(script: Script | None) -> str:
    """Return a script as a line of the shell that it runs in."""
    if script is None:
        return ""
    return script.code if script.language == "bash" else f"python3 -c {shlex.quote(script.code)}"
