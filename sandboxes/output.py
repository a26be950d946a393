"""A pipe's output: kept up to a bound, drained and counted beyond it, so that nobody blocks on us."""

from __future__ import annotations

import asyncio
import os

CHUNK = 65536
PIPE_BYTES = 1 << 16


PATIENCE_SECONDS = 0.005
"""A command that is over sooner is drained once, at its end; one that fills its pipe sooner waits that long."""
PAUSE_SECONDS = 0.002
"""Between two reads of what is only counted, 32 MB/s: a flood would have the event loop for itself."""


class Output:
    """The reading end of a job's stdout and stderr. The event loop drains it only while it is `listening`."""

    def __init__(self, keep_bytes: int) -> None:
        self._read, self.write_end = os.pipe()
        os.set_blocking(self._read, False)
        self._loop = asyncio.get_running_loop()
        self._keep = keep_bytes
        self._listening = False
        self._soon: asyncio.TimerHandle | None = None
        self.kept = bytearray()
        self.total = 0

    def release_write_end(self) -> None:
        """Close our copy of the write end once the job has it."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def begin(self) -> None:
        """Start over for a new command."""
        self.kept, self.total = bytearray(), 0
        self._soon = self._loop.call_later(PATIENCE_SECONDS, self.listen)

    def listen(self) -> None:
        if not self._listening:
            self._loop.add_reader(self._read, self._hear)
            self._listening = True

    def _hear(self) -> None:
        if self._drain_once() and self.truncated:
            self.rest()
            self._soon = self._loop.call_later(PAUSE_SECONDS, self.listen)

    def rest(self) -> None:
        """Stop draining; what comes now waits in the pipe."""
        if self._soon is not None:
            self._soon.cancel()
        if self._listening:
            self._loop.remove_reader(self._read)
            self._listening = False

    def drain(self, at_most: int | None = PIPE_BYTES) -> None:
        """Take what is in the pipe now: all that was written before this moment fits its capacity."""
        before = self.total
        while (at_most is None or self.total - before < at_most) and self._drain_once():
            pass

    def _drain_once(self) -> bool:
        """Read once; False = nothing there, or the end."""
        try:
            data = os.read(self._read, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.rest()
            return False
        self.total += len(data)
        room = self._keep - len(self.kept)
        if room > 0:
            self.kept += data[:room]
        return True

    @property
    def truncated(self) -> bool:
        return self.total > len(self.kept)

    def close(self) -> None:
        if self._read >= 0:
            self.rest()
            os.close(self._read)
            self._read = -1
        self.release_write_end()
