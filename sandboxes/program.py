"""A fresh program: a script in a process of its own that shares nothing with the agent's shell but the files.

The script, its arguments and what it is given come through a descriptor, never as a file that the agent could change
nor as an argument that could be too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass

from sandboxes.arguments import RootView, shell_prologue
from sandboxes.base import ExecResult, Limits
from sandboxes.descriptors import memory_file
from sandboxes.output import Output
from sandboxes.pod import Ended, Job, Pod, wait_for_end
from schemas.errors import SandboxError
from schemas.task_spec import Script

READY = b"ready"

# `start` and a bash script share one shell: what it exports and what it left running is there.
READ = r"IFS= read -r -d '' -u 8 "
BEGIN = rf"builtin printf ready >&9; exec 9>&- </dev/null; {READ} __start; "
TAKE_ARGUMENT = rf"""{READ} __argument; set -- "$@" "$__argument"; """
START = r"""eval "$__start" 8<&-; """
BASH = rf"""{READ} __script; unset __start __argument; """
# Trusted Python must not load what the agent can write: no current folder, no user site, no site-packages; `exit` comes
# from site and is given back.
PYTHON = 'exec(compile(open(8, "rb").read(), "<string>", "exec"))'
GIVE_BACK_EXIT = '__import__("builtins").__dict__.update(dict.fromkeys(("exit", "quit"), __import__("sys").exit));'

CLOSED_PYTHON = """
def begin(count):
    import builtins, _ctypes, os, sys
    _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl"), (4, 0, 0, 0, 0))
    builtins.exit = builtins.quit = sys.exit
    *arguments, code = open(8, "rb").read().split(b"\\0", count)
    sys.argv[1:] = map(os.fsdecode, arguments)
    return compile(code, "<string>", "exec")
exec(globals().pop("begin")({count}))
"""
"""Its memory is closed (PR_SET_DUMPABLE is 4; `ctypes` takes three milliseconds to import) and its command says no
argument: a program of the agent's that the script calls would read the right answer there."""


@dataclass(frozen=True)
class Program:
    """What to run."""

    script: Script
    arguments: tuple[str, ...] = ()
    start: str = ""
    """Bash that runs first, in the same process tree."""
    payload: bytes | None = None
    """What a bash script may read from descriptor 8."""

    def frames(self, limits: Limits, trusted: bool, closed: bool = False) -> bytes:
        """Return what the program reads from descriptor 8: its first line, `start`, arguments, script, payload."""
        end = "" if self.script.language == "python" else "\0"
        texts = (self._first_line(limits, trusted, closed), self.start, *self.arguments)
        return (
            b"".join(_encode(text) + b"\0" for text in texts)
            + _encode(self.script.code)
            + end.encode()
            + (self.payload or b"")
        )

    def _first_line(self, limits: Limits, trusted: bool, closed: bool) -> str:
        begin = f"{shell_prologue(limits)}; {BEGIN}"
        if self.script.language == "python" and trusted and closed:
            return f"{begin}{START}exec /usr/bin/python3 -I -S -c '{CLOSED_PYTHON.format(count=len(self.arguments))}'"
        begin += f"{TAKE_ARGUMENT * len(self.arguments)}{START}"
        if self.script.language == "python":
            isolated = f"-I -S -c '{GIVE_BACK_EXIT}{PYTHON}'" if trusted else f"-c '{PYTHON}'"
            return f'{begin}exec /usr/bin/python3 {isolated} "$@"'
        close = "" if self.payload is not None else "exec 8<&-; "  # `eval ... 8<&-` would keep it, moved to 10
        return f'{begin}{BASH}{close}eval "$__script"'


def _encode(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-8", "replace")


async def run_program(
    pod: Pod, view: RootView, limits: Limits, program: Program, timeout: float, keep_bytes: int | None = None
) -> ExecResult:
    """Run a program on a view and wait until nothing of it is left.

    Raises:
        SandboxError: it did not come to run at all; the text is what was said.
    """
    started = time.perf_counter()
    output = Output(keep_bytes or limits.output_bytes)
    said, status = os.pipe()
    orders = memory_file(program.frames(limits, view.trusted_tools, view.is_closed))
    try:
        try:
            command = view.bash_command()
            job = pod.spawn(view.arguments(), command, output.write_end, orders, status)
        finally:
            os.close(orders)
            os.close(status)
            output.release_write_end()
        output.listen()
        ended = await _wait(pod, job, timeout)
        output.drain(at_most=None)
        if os.read(said, 16) != READY and not ended.reason:
            raise SandboxError(f"the program did not start: {bytes(output.kept).decode('utf-8', 'replace').strip()}")
        return _result(output, ended, time.perf_counter() - started)
    finally:
        os.close(said)
        output.close()


async def _wait(pod: Pod, job: Job, timeout: float) -> Ended:
    try:
        await asyncio.wait({job.ended}, timeout=timeout)
        if not job.ended.done():
            pod.kill(job, "time")
        return await wait_for_end(pod, job)
    finally:
        if not job.ended.done():
            with contextlib.suppress(SandboxError):  # a pod that is gone took it along
                pod.kill(job, "close")


def _result(output: Output, ended: Ended, seconds: float) -> ExecResult:
    return ExecResult(
        output=bytes(output.kept),
        exit_code=None if ended.reason else ended.exit_code,
        truncated=output.truncated,
        total_bytes=output.total,
        timed_out=ended.reason == "time",
        seconds=seconds,
        reason=ended.reason,
    )
