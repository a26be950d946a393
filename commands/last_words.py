"""How the process ends: what is said last, and that it really ends.

Of errors that nobody classified a full disk is told in words, whoever met it first, all else as it came.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from commands import stopping
from schemas.redaction import hide

_NEARLY_NOTHING = 1 << 20
"""Free bytes under which every writer fails: tables, ledger, Prefect's history, each with an error of its own."""


def tell(message: str, code: int) -> int:
    """Write a message to stderr and return the exit code that goes with it."""
    with suppress(OSError):  # the terminal is closed, the reader gone
        sys.stderr.write(f"trajmill: {hide(message)}\n")
        sys.stderr.flush()
    return code


def tell_unheard(silent: bool) -> int:
    """Say that nobody reads what is written any more, where somebody may, and return the exit code of a stop."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())  # what is still to be flushed has a place to go
    return stopping.STOPPED if silent else tell(stopping.WORDS, stopping.STOPPED)


def is_unheard(error: BaseException | None) -> bool:
    """Whether an error says that the reader of what is written is gone: a pipe's other end, or the terminal."""
    return isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno == errno.EIO)


def end_unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> NoReturn:
    """Be the process's `sys.excepthook`."""
    tell_unforeseen(kind, error, trace)
    leave(1)


def tell_unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write to stderr what ends the process."""
    home = Path(os.environ.get("TRAJMILL_HOME") or "data")
    if is_full_disk(error) or _free_bytes(home) < _NEARLY_NOTHING:
        first_line = next(iter(str(error).splitlines()), "")[:200]
        sys.stderr.write(
            f"trajmill: the disk under {home.absolute()} is full ({kind.__name__}: {hide(first_line)}). "
            "Make room and run the same command again: it goes on where it stood\n"
        )
        return
    if is_unheard(error):
        tell_unheard(silent=False)
        return
    sys.stderr.write(hide("".join(traceback.format_exception(kind, error, trace))))


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or what it came from, says that there is no space left."""
    return any(
        (isinstance(one, OSError) and one.errno == errno.ENOSPC) or "No space left on device" in str(one)
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def leave(code: int) -> NoReturn:
    """End the process after the exit handlers, without tearing modules down.

    Prefect's threads keep modules alive to the end, and duckdb's binding then reports every object as leaked. A signal
    from here on ends it at once.
    """
    stopping.leave_at_any_signal(code)
    logging.shutdown()  # the last lines of Prefect's log need its server, which an exit handler stops
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    stopping.leave(code)
