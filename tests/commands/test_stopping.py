"""SIGTERM ends a process whatever runs in it, with words and without a traceback; nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.killed_builds import descendants, left_of

PROGRAM = """
import asyncio, itertools, os, re, signal, sys, threading, time
from collections import deque
from commands import stopping

{define} run():
    print("ready", flush=True)
    {what}

stopping.answer_sigterm()
try:
    {call}
except KeyboardInterrupt:
    stopping.leave(77)
"""
LOOP, ALONE = ("async def", "asyncio.run(run())"), ("def", "run()")
SWALLOWS = """
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass
"""
LONG_END = """
    try:
        await asyncio.sleep(1000)
    finally:
        time.sleep(6)
        stopping.leave(5)
"""
WAITS = 30
"""Seconds that a process which would run for ever gets to end; five is what is promised, on an idle machine."""
SAID = b"trajmill: stopped; run the same command again to go on where it stood\n"


def _hear_signals() -> None:
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


@contextmanager
def running(how: tuple[str, str], what: str, *prefix: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own until it has begun; nothing outlives the test."""
    program = PROGRAM.format(define=how[0], what=what.strip(), call=how[1])
    command = [*prefix, sys.executable, "-c", program]
    pipe = subprocess.PIPE
    # Whoever runs the tests in the background (or by nohup) has these ignored, and so would we.
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, start_new_session=True, preexec_fn=_hear_signals
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            time.sleep(0.3)  # what it runs begins after the word
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def to_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()


def to_group(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)


def to_both(process: subprocess.Popen[bytes]) -> None:
    """Do what `timeout` does."""
    to_process(process)
    to_group(process)


SEND = [to_both, *(pytest.param(one, marks=pytest.mark.slow) for one in (to_process, to_group))]


@pytest.mark.parametrize("send", SEND)
@pytest.mark.parametrize(
    ("how", "what", "code", "said"),
    [
        pytest.param(LOOP, "await asyncio.sleep(1000)", 77, b"", id="a wait is cancelled"),
        pytest.param(LOOP, "while True: pass", 130, SAID, id="a loop on the event loop"),
        pytest.param(LOOP, 're.match(r"(a+)+$", "a" * 80 + "b")', 130, SAID, id="a pattern"),
        pytest.param(LOOP, "pow(7, 10**9)", 130, SAID, id="a number"),
        pytest.param(LOOP, "deque(itertools.repeat(0), maxlen=0)", -signal.SIGKILL, SAID, id="C code"),
        pytest.param(LOOP, "await asyncio.to_thread(time.sleep, 1000)", 130, SAID, id="a thread that is waited for"),
        pytest.param(ALONE, "while True: pass", 130, SAID, id="no event loop"),
        pytest.param(ALONE, SWALLOWS, 130, SAID, id="every exception is caught"),
    ],
)
def test_sigterm_ends_it_with_words_and_leaves_nothing(
    how: tuple[str, str], what: str, code: int, said: bytes, send: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    with running(how, what) as process:
        family = descendants(process.pid)
        send(process)
        _, told = process.communicate(timeout=WAITS)
        assert (process.returncode, told) == (code, said)
        assert left_of(family) == []


def test_a_second_sigterm_does_not_wait_for_the_watcher() -> None:
    with running(LOOP, "while True: pass") as process:
        ((watcher, _),) = descendants(process.pid)
        os.kill(watcher, signal.SIGSTOP)
        to_process(process)
        time.sleep(1.5)
        assert process.poll() is None
        to_process(process)
        assert process.wait(WAITS) == 130


def test_a_job_in_the_background_of_a_script_that_ignores_ctrl_c_answers_sigterm() -> None:
    with running(LOOP, "await asyncio.sleep(1000)", "sh", "-c", 'trap "" INT; exec "$0" "$@"') as process:
        to_process(process)
        _, told = process.communicate(timeout=WAITS)
        assert (process.returncode, told) == (130, SAID)


def test_a_process_that_is_about_to_end_ends_with_its_own_code() -> None:
    with running(ALONE, "stopping.leave_at_any_signal(3); os.kill(os.getpid(), signal.SIGTERM)") as process:
        assert (process.wait(WAITS), process.communicate()[1]) == (3, b"")


def test_ctrl_c_is_given_the_time_that_it_takes() -> None:
    with running(LOOP, LONG_END) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert (process.wait(WAITS), process.communicate()[1]) == (5, b"")


def test_the_watcher_ends_with_a_process_that_is_killed() -> None:
    with running(LOOP, "while True: pass") as process:
        family = descendants(process.pid)
        assert family
        process.kill()
        assert left_of(family) == []


@pytest.mark.parametrize("to", [os.kill, os.killpg], ids=["the process", "its group"])
@pytest.mark.parametrize(
    ("how", "what", "code", "said"),
    [
        pytest.param(LOOP, "await asyncio.sleep(1000)", 77, b"", id="a wait is cancelled"),
        pytest.param(LOOP, "while True: pass", 130, SAID, id="a loop on the event loop"),
    ],
)
def test_a_hangup_is_answered_as_sigterm_is(
    how: tuple[str, str], what: str, code: int, said: bytes, to: Callable[[int, int], None]
) -> None:
    with running(how, what) as process:
        family = descendants(process.pid)
        to(process.pid, signal.SIGHUP)
        _, told = process.communicate(timeout=WAITS)
        assert (process.returncode, told) == (code, said)
        assert left_of(family) == []


def test_what_nohup_started_goes_on_without_its_terminal() -> None:
    with running(ALONE, "while True: time.sleep(0.01)", "sh", "-c", 'trap "" HUP; exec "$0" "$@"') as process:
        os.killpg(process.pid, signal.SIGHUP)
        time.sleep(1.5)
        assert process.poll() is None
        to_process(process)
        assert process.wait(WAITS) == 130


IN_A_TERMINAL = """
import os, pty, sys, time
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
while b"ready" not in os.read(terminal, 1000):
    pass
time.sleep(0.3)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    ("how", "what", "code"),
    [(LOOP, "await asyncio.sleep(1000)", 77), (ALONE, SWALLOWS, 130)],
    ids=["a wait is cancelled", "every exception is caught"],
)
def test_a_terminal_that_is_closed_ends_it(how: tuple[str, str], what: str, code: int) -> None:
    program = PROGRAM.format(define=how[0], what=what.strip(), call=how[1])
    command = [sys.executable, "-c", IN_A_TERMINAL, "-c", program]
    ended = subprocess.run(command, capture_output=True, timeout=WAITS, check=True, preexec_fn=_hear_signals)
    assert ended.stdout.split()[-1] == str(code).encode()


@pytest.mark.parametrize("gone", [("stdout",), ("stdout", "stderr")], ids=["as in `| head`", "both"])
def test_a_reader_that_is_gone_is_no_traceback(gone: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(gone, writing)
    command = [str(Path(sys.executable).with_name("trajmill")), "--version"]
    ended = subprocess.run(command, check=False, timeout=60, **outputs)
    os.close(writing)
    assert ended.returncode == 130
    assert not ended.stderr, ended.stderr


def test_words_that_nobody_hears_do_not_change_the_end() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(Path(sys.executable).with_name("trajmill")), "collect", "--solver", "nobody"]
    assert subprocess.run(command, check=False, timeout=60, stdout=writing, stderr=writing).returncode == 2
    os.close(writing)
