"""The persistent shell: a bash loop (`shell_loop.py`) that reads NUL-framed commands on one private descriptor and
reports on another.

No prompt, no terminal, no sentinel in the output: an open quote or heredoc ends with its command, `read` finds
/dev/null, and whatever bytes come out are output. Every report carries the working directory and the exported
variables, so that a shell that had to be killed is followed by one that stands where it stood.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from sandboxes.arguments import RootView, shell_prologue
from sandboxes.base import ExecResult, Limits
from sandboxes.output import Output
from sandboxes.pod import Ended, Job, Pod, settle, wait_for_end
from sandboxes.shell_loop import LOOP, RECORDS, REPORT, Left, frame, read_left
from schemas.errors import SandboxError

READY_SECONDS = 20.0
"""A shell takes 8 ms; one that needs this long will not come."""
READY = b"ready"
REPORT_BYTES = 1 << 20
"""A report longer than this is not one: the shell is taken for broken."""
UNEXPECTED_RECORDS, UNEXPECTED_READS = 64, 1024
"""Of one command: the loop itself tells one record before its report; more are the agent's, who would keep us busy."""
STATUS_FLOOD = "status"


@dataclass(frozen=True)
class Standing:
    """Where a shell stands."""

    cwd: bytes = b""
    exports: bytes = b""
    """`export -p` of it."""

    def resume(self) -> bytes:
        """Return the command that brings a new shell there."""
        go = b"cd -- " + os.fsencode(shlex.quote(os.fsdecode(self.cwd))) + b" 2>/dev/null\n" if self.cwd else b""
        return go + self.exports


@dataclass(frozen=True)
class Report:
    """What the loop tells after a command."""

    left: Left
    place: Standing


class Shell:
    """One bash on one view; not alive any more once a command was killed or the agent left it."""

    def __init__(self, pod: Pod, limits: Limits) -> None:
        self._pod, self._limits = pod, limits
        self._loop = asyncio.get_running_loop()
        self._output = Output(limits.output_bytes)
        self._orders = self._status = -1
        self._buffer, self._previous = bytearray(), deque[bytes](maxlen=RECORDS)
        self._heard_bytes = self._heard_records = self._heard_reads = 0
        """Since the command began, on the status pipe."""
        self._number = 0
        """Of the command that runs; 0 = none yet, the shell has to say that it is ready."""
        self._heard: asyncio.Future[bytes] = self._loop.create_future()
        self._job: Job | None = None
        self._left = Left()
        self.place = Standing()
        self.alive = False
        """Takes commands."""
        self.ended = False
        """Nothing of it is left."""

    @property
    def left(self) -> bool:
        """Whether it ended by itself between two commands."""
        return not self.alive and not self.ended

    async def open(self, view: RootView) -> None:
        """Start bash and wait for its ready record.

        Raises:
            SandboxError: it did not come up; the text is what was said.
        """
        orders, self._orders = os.pipe()
        self._status, status = os.pipe()
        for descriptor in (self._orders, self._status):
            os.set_blocking(descriptor, False)
        try:
            self._job = self._pod.spawn(view.arguments(), view.bash_command(), self._output.write_end, orders, status)
        except SandboxError:
            self.release()
            raise
        finally:
            os.close(orders)
            os.close(status)
            self._output.release_write_end()
        self._loop.add_reader(self._status, self._hear)
        loop = f"{shell_prologue(self._limits)}; {LOOP}\0"
        if not await self._listen(READY_SECONDS, loop.encode()):
            await self.end("start")
            said = bytes(self._output.kept).decode("utf-8", "replace").strip()
            raise SandboxError(f"the shell did not start: {said or 'it said nothing'}")
        self.alive = True

    async def exec(self, command: bytes, timeout: float) -> ExecResult:
        """Run one command; the output is what came until it was over."""
        started = time.perf_counter()
        self._number += 1
        self._heard_bytes = self._heard_records = self._heard_reads = 0
        self._heard = self._loop.create_future()
        self._previous.clear()
        record = await self._listen(timeout, frame(self._number, command, self._left))
        if record:
            self._output.drain()
            return self._result(_read_report(record, self._previous), None, started)
        ended = await self.end("time" if record is None else "")
        return self._result(None, ended, started)

    async def _listen(self, timeout: float, sent: bytes = b"") -> bytes | None:
        """Send a frame, drain the output and wait; None = not over in time, empty = the shell has ended.

        A shell that became another program (`exec`) has no more to report, and may use the rest of its time.
        """
        assert self._job is not None, "listen before open"
        self._output.begin()
        try:
            async with asyncio.timeout(timeout):
                await self._send(sent)
                record = await self._heard
                if not record:
                    await asyncio.wait({self._job.ended})
                return record
        except TimeoutError:
            return None
        finally:
            self._output.rest()

    def _result(self, report: Report | None, ended: Ended | None, started: float) -> ExecResult:
        if report is not None:
            self._left = report.left
            self.place = Standing(report.place.cwd or self.place.cwd, report.place.exports or self.place.exports)
        own_end = ended.exit_code if ended is not None and not ended.reason else None
        return ExecResult(
            output=bytes(self._output.kept),
            exit_code=report.left.exit_code if report is not None else own_end,
            truncated=self._output.truncated,
            total_bytes=self._output.total,
            timed_out=ended is not None and ended.reason == "time",
            shell_restarted=ended is not None,
            cwd=self.place.cwd.decode("utf-8", "replace") or None,
            seconds=time.perf_counter() - started,
            reason=ended.reason if ended is not None else "",
        )

    async def _send(self, sent: bytes) -> None:
        view = memoryview(sent)
        while view:
            try:
                view = view[os.write(self._orders, view) :]
            except BlockingIOError:
                await self._until_writable()
            except BrokenPipeError:
                return  # the shell has ended, and the status pipe says so

    async def _until_writable(self) -> None:
        writable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._orders, settle, writable)
        try:
            await writable
        finally:
            self._loop.remove_writer(self._orders)

    def _hear(self) -> None:
        """Take records; one that is not expected is the exports before a report, forged, or late, and harmless."""
        try:
            data = os.read(self._status, 1 << 16)
        except BlockingIOError:
            return
        self._heard_bytes += len(data)
        self._heard_reads += 1
        head, *later = data.split(b"\0", UNEXPECTED_RECORDS)
        self._buffer += head
        for part in later:
            record, self._buffer = bytes(self._buffer), bytearray(part)
            if _number_of(record) == self._number and not self._heard.done():
                return self._answer(record)
            self._previous.append(record)
            self._heard_records += 1
        if not data or self._is_flooded():
            self._deafen(killed=bool(data))

    def _is_flooded(self) -> bool:
        """Whether this command sent more than a report; a job that floods takes the event loop from all others."""
        return (
            self._heard_bytes > REPORT_BYTES
            or self._heard_records >= UNEXPECTED_RECORDS
            or self._heard_reads > UNEXPECTED_READS
        )

    def _deafen(self, killed: bool) -> None:
        """Listen no more: the shell has ended, or is killed for what it sends."""
        if killed and self._job is not None:
            self._pod.kill(self._job, STATUS_FLOOD)
        self._loop.remove_reader(self._status)
        self.alive = False
        self._answer(b"")

    def _answer(self, record: bytes) -> None:
        if not self._heard.done():
            self._heard.set_result(record)

    async def end(self, reason: str) -> Ended:
        """Kill what is left of it, wait until all of it is gone, and keep the last output. Idempotent."""
        self.alive = False
        assert self._job is not None, "end before open"
        if reason:
            self._pod.kill(self._job, reason)
        try:
            ended = await wait_for_end(self._pod, self._job)
            self._output.drain(at_most=None)
        finally:
            self.release()
        return ended

    def release(self) -> None:
        """Close our ends of the pipes."""
        self.alive, self.ended = False, True
        self._output.close()
        if self._status >= 0:
            self._loop.remove_reader(self._status)
            os.close(self._status)
            os.close(self._orders)
            self._status = self._orders = -1


def _number_of(record: bytes) -> int | None:
    """Return the command that a record is about; None = it is no record: the agent can write here too."""
    found = REPORT.fullmatch(record)
    return int(found[4]) if found else 0 if record == READY else None


def _read_report(record: bytes, previous: Sequence[bytes]) -> Report:
    found = REPORT.fullmatch(record)
    assert found is not None, "a report that was not looked at"
    head, folder = (*(b"",) * (RECORDS - len(previous)), *previous)
    left, exports = read_left(head, found)
    return Report(left, Standing(folder, exports))
