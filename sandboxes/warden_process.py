"""Our end of the warden: the process is started when first needed and ends when its door closes."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from pathlib import Path

from sandboxes.arguments import mount_point, resource_limits
from sandboxes.base import Limits
from sandboxes.binary import UNPRIVILEGED_ID
from schemas.errors import SandboxError


class WardenProcess:
    """The process that forks pods; one per sandbox, usable from any thread and event loop."""

    def __init__(self, bwrap: Path, image: Path, limits: Limits) -> None:
        self.point = mount_point(bwrap, image)
        bounds = [str(limits.memory_mb << 20), resource_limits(limits)]
        self._command = [str(UNPRIVILEGED_ID), str(bwrap), self.point, *bounds]
        self._lock = threading.Lock()
        self._door: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def take_pod(self) -> socket.socket:
        """Return our end of a pod's channel; it says itself whether it stands. Waits for a fork at most.

        Raises:
            SandboxError: there is no warden to be had.
        """
        with self._lock:
            for _ in range(2):
                door = self._door or self._start()
                with contextlib.suppress(OSError):
                    door.send(b"pod")
                    _, channels, _, _ = socket.recv_fds(door, 16, 1, socket.MSG_CMSG_CLOEXEC)
                    if channels:
                        return socket.socket(fileno=channels[0])
                self._end()  # somebody killed it; its pods live on their own
        raise SandboxError("the warden of the sandboxes does not stay alive; is the machine out of memory?")

    def _start(self) -> socket.socket:
        door, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py"))]
        with far:
            self._process = subprocess.Popen(
                [*program, str(far.fileno()), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                env={},
                start_new_session=True,
            )
        self._door = door
        return door

    def _end(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._process is not None:
            self._process.terminate()  # the door may still be open in a fork of ours
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the warden; pods that are open stay until they are closed."""
        with self._lock:
            self._end()
