"""The first process of a container: a pod whose namespaces the engine made, and which comes to us instead of us to it.

It calls at the door, a socket that was mounted into the container, and follows orders from there as every pod does
(`warden.py`); when the other end closes it ends, and with it the container.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import sys

from sandboxes.warden import PodProcess, libc, limit_resources

DOOR = "/door/socket"
POINT = "/mnt"
DROP_BOUND = 24  # prctl PR_CAPBSET_DROP
CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words a set
LAST_CAPABILITY = 63


def bequeath_capabilities() -> None:
    """Hand our capabilities to the bwraps that we start, and nothing to what they start: it finds no bound to grow to.

    A program that root starts has what is inherited or bounded. bwrap drops what it has and inherits, but keeps the
    bounding set of a user that it did not map.
    """
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held):
        raise OSError(ctypes.get_errno(), "capget")
    low_effective, low_permitted, _, high_effective, high_permitted, _ = struct.unpack("=6I", held.raw)
    low, high = (low_effective, low_permitted, low_permitted), (high_effective, high_permitted, high_permitted)
    if libc.capset(header, struct.pack("=6I", *low, *high)):
        raise OSError(ctypes.get_errno(), "capset")
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(DROP_BOUND, capability, 0, 0, 0)


def main(bwrap: str, memory_bytes: str, limits: str) -> None:
    """Serve as a pod until the other end closes."""
    os.chdir("/")
    os.umask(0o022)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel.connect(DOOR)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pod = PodProcess(channel, bwrap, POINT, int(memory_bytes))
    try:
        bequeath_capabilities()
        pod.open()
        limit_resources(limits)
        pod.serve()
    except OSError as problem:
        pod.tell("failed", "pod", str(problem))


if __name__ == "__main__":
    main(*sys.argv[1:])
