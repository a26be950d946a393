"""Our end of a pod: open it, mount layers, spawn jobs, hear how they ended.

The walls stand in `arguments.py`; what runs behind them in `shell.py` and `program.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandboxes.descriptors import memory_file
from sandboxes.ground import Ground
from sandboxes.seccomp import open_filter
from sandboxes.warden_process import WardenProcess
from schemas.errors import SandboxError

READY_SECONDS = 20.0
"""A pod takes 3 ms; a machine that needs this long is out of something."""
KILL_SECONDS = 20.0
INODES = 65536


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    exit_code: int
    reason: str
    """Why it was killed: time, memory, status, close; empty = by itself."""


class Job:
    """A bwrap in a pod."""

    def __init__(self, name: str, ended: asyncio.Future[Ended]) -> None:
        self.name = name
        self.ended = ended


class Pod:
    """One session's namespaces: layers of files and the jobs on them. Belongs to the running event loop."""

    def __init__(self, channel: socket.socket, point: str) -> None:
        self.point = point
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._jobs: dict[str, Job] = {}
        self._looks: dict[str, asyncio.Future[bool]] = {}
        self._grounds: dict[str, asyncio.Future[str]] = {}
        self._numbers = 0
        self._init: int | None = None
        self._failure: SandboxError | None = None
        channel.setblocking(False)
        self._loop.add_reader(channel, self._hear)

    @classmethod
    async def open(cls, warden: WardenProcess) -> Pod:
        """Take a pod from the warden and wait until it stands.

        Raises:
            SandboxError: the kernel or its policy refused; `probe` says what to do.
        """
        pod = cls(warden.take_pod(), warden.point)
        await pod.stand()
        return pod

    async def stand(self) -> None:
        """Wait until it stands; one that does not is closed."""
        try:
            await asyncio.wait_for(self._ready, READY_SECONDS)
        except TimeoutError:
            await self.close()
            raise SandboxError(f"no pod after {READY_SECONDS:.0f} s; is the machine overloaded?") from None
        except BaseException:
            await self.close()
            raise

    @property
    def gone(self) -> bool:
        """Whether it was closed, or somebody killed it."""
        return self._failure is not None

    def add_layer(self, size_mb: int) -> str:
        """Mount an empty layer and return its path."""
        name = self._number()
        self._order("layer", name, f"size={size_mb}m,nr_inodes={INODES},mode=755")
        return f"{self.point}/{name}"

    def lend(self, path: str) -> str:
        """Have a folder of this machine at a place of the pod's own and return it."""
        name = self._number()
        self._order("lend", name, path)
        return f"{self.point}/{name}"

    def straighten(self, layer: str, lower: Sequence[str], places: Sequence[str]) -> None:
        """Hide links that lower layers hold at these places below real folders and empty files of a layer."""
        self._order("straighten", layer.rpartition("/")[2], ":".join(lower), ":".join(places))

    async def lay_ground(self, layer: str, image: str, bash: str, above: Sequence[str], ground: Ground) -> str:
        """Lay a check's ground into an empty layer over some layers; return what stood against it, empty = nothing.

        `bash` is where in the image it lies.

        Raises:
            SandboxError: the pod is gone.
        """
        name = layer.rpartition("/")[2]
        laid: asyncio.Future[str] = self._loop.create_future()
        self._grounds[name] = laid
        told = memory_file(ground.to_json())
        try:
            self._order("ground", name, image, ":".join(above), bash, descriptors=[told])
        finally:
            os.close(told)
        return await laid

    async def is_untouched(self, layers: Sequence[str]) -> bool:
        """Whether nothing was written to any of some layers.

        Raises:
            SandboxError: the pod is gone.
        """
        name = self._number()
        look: asyncio.Future[bool] = self._loop.create_future()
        self._looks[name] = look
        self._order("look", name, *layers)
        return await look

    def drop_layer(self, path: str) -> None:
        self._order("drop", path.rpartition("/")[2])

    def spawn(self, arguments: Sequence[str], command: Sequence[str], output: int, orders: int, status: int) -> Job:
        """Start bwrap: its arguments unseen in any command line, a fresh filter, and these three descriptors."""
        job = Job(self._number(), self._loop.create_future())
        hidden = memory_file("\0".join([*arguments, "--seccomp", "11"]).encode())
        filter_program = open_filter()
        try:
            self._order("spawn", job.name, *command, descriptors=[output, orders, status, hidden, filter_program])
        finally:
            os.close(hidden)
            os.close(filter_program)
        self._jobs[job.name] = job
        return job

    def kill(self, job: Job, reason: str) -> None:
        """Kill everything a job started; `job.ended` comes when nothing of it is left."""
        if not job.ended.done():
            self._order("kill", job.name, reason)

    async def close(self) -> None:
        """Kill everything and wait until the kernel has taken it away."""
        self._forget_channel(SandboxError("the session was closed"))
        init, self._init = self._init, None
        if init is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # a container's ends with its channel
                signal.pidfd_send_signal(init, signal.SIGKILL)
            await self._gone(init)

    async def _gone(self, init: int) -> None:
        gone: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(init, settle, gone)
        try:
            await gone
        finally:
            self._loop.remove_reader(init)
            os.close(init)

    def _number(self) -> str:
        self._numbers += 1
        return str(self._numbers)

    def _order(self, *fields: str, descriptors: Sequence[int] = ()) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            socket.send_fds(self._channel, ["\0".join(fields).encode()], list(descriptors))
        except OSError as problem:
            raise SandboxError(f"the pod is gone, it takes no orders: {problem}") from problem

    def _hear(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 65536, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError as problem:
            return self._forget_channel(SandboxError(f"the pod is gone: {problem}"))
        if not data:
            return self._forget_channel(SandboxError("the pod is gone: somebody killed it"))
        self._take(data.decode("utf-8", "replace").split("\0"), descriptors)

    def _take(self, fields: list[str], descriptors: list[int]) -> None:
        if fields[0] == "ready" and not self._ready.done():
            self._init = descriptors.pop()
            self._ready.set_result(None)
        elif fields[0] == "ended":
            job = self._jobs.pop(fields[1], None)
            if job is not None and not job.ended.done():
                job.ended.set_result(Ended(int(fields[2]), fields[3]))
        elif fields[0] == "looked":
            look = self._looks.pop(fields[1])
            if not look.done():
                look.set_result(len(fields) == 2)
        elif fields[0] == "grounded":
            laid = self._grounds.pop(fields[1])
            if not laid.done():
                laid.set_result(fields[2])
        elif fields[0] == "failed":
            self._forget_channel(SandboxError(f"the pod failed: {fields[2]}"))
        for descriptor in descriptors:
            os.close(descriptor)

    def _forget_channel(self, failure: SandboxError) -> None:
        """End every wait with `failure`, once."""
        if self._failure is not None:
            return
        self._failure = failure
        self._loop.remove_reader(self._channel)
        self._channel.close()
        _fail(self._ready, failure)
        for job in self._jobs.values():
            _fail(job.ended, failure)
        for look in self._looks.values():
            _fail(look, failure)
        for laid in self._grounds.values():
            _fail(laid, failure)
        self._jobs.clear()
        self._looks.clear()
        self._grounds.clear()


async def wait_for_end(pod: Pod, job: Job, seconds: float = KILL_SECONDS) -> Ended:
    """Wait for a job that ends by itself or was killed; one that lingers is killed.

    Raises:
        SandboxError: the pod broke, or not even SIGKILL ended it.
    """
    for last in (False, True):
        await asyncio.wait({job.ended}, timeout=seconds)
        if job.ended.done():
            return job.ended.result()
        if not last:
            pod.kill(job, "close")
    raise SandboxError("a sandboxed process does not die; is the machine's disk or memory stuck?")


def settle(future: asyncio.Future[None]) -> None:
    """End a wait, once."""
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[Any], failure: SandboxError) -> None:
    if not future.done():
        future.set_exception(failure)
        future.exception()  # nobody may be waiting for it
