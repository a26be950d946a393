"""Descriptors that carry what must not stand in a command line or a file."""

from __future__ import annotations

import os


def memory_file(content: bytes) -> int:
    """Return a descriptor that reads `content` from its start."""
    descriptor = os.memfd_create("trajmill", os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
