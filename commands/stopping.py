"""SIGTERM, and the end of the terminal (SIGHUP), end the command within five seconds, whatever it runs:
docs/decisions/0011-sigterm-is-answered.md.

The first one stops what goes on as Ctrl-C does, the second does not wait. A process that is forked before anything else
hears of the first one even while C code holds the interpreter, sends the second, and kills what answers neither.
Nothing that takes long is imported here: until this stands a signal ends the process without a word.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType
from typing import NamedTuple, NoReturn

STOPPED = 130
"""Exit code of a run that was stopped: 128 and the number of SIGINT, as shells count."""
WORDS = "stopped; run the same command again to go on where it stood"
GRACE_SECONDS = 3.5
"""From the first SIGTERM to the watcher's."""
_LEAVE_SECONDS = 0.5
"""From the watcher's SIGTERM to its SIGKILL."""
_TOGETHER_SECONDS = 1.0
"""SIGTERMs so close are one: `timeout` sends its own to the process and then to the group."""

_ANSWERED = (signal.SIGTERM, signal.SIGHUP)
_TO_THE_GROUP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What is sent to the whole group is the command's to answer."""


class _Watcher(NamedTuple):
    process: int
    pipe: int
    """Gets a byte for every signal, from Python's handler in C, which needs no lock of the interpreter's."""


_watcher: _Watcher | None = None
_first: float | None = None
"""When the first SIGTERM was answered."""


def answer_sigterm() -> None:
    """Let SIGTERM end this process from now on; called once, while it has one thread."""
    global _watcher
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_THE_GROUP)  # the watcher keeps them blocked
    with contextlib.suppress(OSError):  # no process is to be had: then Python alone answers
        _watcher = _fork_watcher()
        signal.set_wakeup_fd(_watcher.pipe, warn_on_full_buffer=False)
    for number in _ANSWERED:
        if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGTERM:  # nohup has SIGHUP ignored
            signal.signal(number, _answer)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(number: int, frame: FrameType | None) -> None:
    global _first
    is_first, now = _first is None, time.monotonic()
    if _first is not None and now - _first < _TOGETHER_SECONDS:
        return
    _first, interrupt = now, signal.getsignal(signal.SIGINT)
    if is_first and callable(interrupt) and interrupt is not signal.default_int_handler:
        signal.raise_signal(signal.SIGINT)  # the handler is an event loop's: it cancels what runs there
        return
    _say(WORDS)
    os._exit(STOPPED)


def leave_at_any_signal(code: int) -> None:
    """Let a signal end the process at once, with the code that it was about to end with."""
    for number in (signal.SIGINT, *_ANSWERED):
        signal.signal(number, lambda *_: os._exit(code))


def leave(code: int) -> NoReturn:
    """End the process; the watcher has ended when it has."""
    if _watcher is not None:
        signal.set_wakeup_fd(-1)
        os.close(_watcher.pipe)
        with contextlib.suppress(ChildProcessError):  # who started us has nobody's children waited for
            os.waitpid(_watcher.process, 0)
    os._exit(code)


def _say(words: str) -> None:
    show_cursor = "\r\x1b[?25h" if os.isatty(2) else ""  # the progress had hidden it
    with contextlib.suppress(OSError):
        os.write(2, f"{show_cursor}trajmill: {words}\n".encode())


def _fork_watcher() -> _Watcher:
    command, (reading, writing) = os.getpid(), os.pipe()
    os.set_blocking(writing, False)
    watcher = os.fork()
    if watcher:
        os.close(reading)
        return _Watcher(watcher, writing)
    try:
        for descriptor in {0, 1, writing} - {reading}:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        _watch(command, reading)
    finally:
        os._exit(0)


def _watch(command: int, pipe: int) -> None:
    """Wait for a first signal and see to it that the command ends; a pipe that closes says that it has."""
    while not set(_ANSWERED) & set(told := os.read(pipe, 512)):
        if not told:
            return
    if _ends_within(GRACE_SECONDS, pipe):
        return
    os.kill(command, signal.SIGTERM)
    if _ends_within(_LEAVE_SECONDS, pipe):
        return
    _say(WORDS)
    os.kill(command, signal.SIGKILL)


def _ends_within(seconds: float, pipe: int) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0] and not os.read(pipe, 512):
            return True
    return False
