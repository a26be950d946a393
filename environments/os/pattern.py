"""Search a text for a task's pattern in a process of its own: one that takes for ever can only be killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from schemas.errors import CheckError, StateError

CPU_SECONDS = 2
MEMORY_BYTES = 512 << 20
WALL_SECONDS = 60.0
"""Wide, so that a busy machine fails nobody."""
FOUND, NOT_FOUND, NO_PATTERN = 10, 11, 12
"""Exit codes that Python does not use by itself: a search that broke is no verdict."""
_PROGRAM = f"""
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS} + 1))
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
pattern, text = json.load(sys.stdin)
try:
    sys.exit({FOUND} if re.search(pattern, text) else {NOT_FOUND})
except (re.error, OverflowError, RecursionError, MemoryError) as problem:
    sys.stdout.write(ascii(f"{{type(problem).__name__}}: {{problem}}"))
    sys.exit({NO_PATTERN})
"""


async def is_found(pattern: str, text: str, *, memory_bytes: int = MEMORY_BYTES) -> bool:
    """Whether a pattern (Python's `re`) is found in a text.

    Raises:
        StateError: the search took more than its CPU time.
        CheckError: it is no pattern, or the search broke.
    """
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _PROGRAM, str(memory_bytes)), stdin=pipe, stdout=pipe, stderr=nothing
    )
    try:
        order = json.dumps([pattern, text]).encode()
        said, _ = await asyncio.wait_for(process.communicate(order), WALL_SECONDS)
    except TimeoutError:
        raise CheckError(f"the search for a pattern did not end within {WALL_SECONDS:g} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = f"the pattern {pattern[:200]!r}"
    if process.returncode == -signal.SIGXCPU:
        raise StateError(f"{told} took over {CPU_SECONDS} s of CPU time on an answer of {len(text):,} characters")
    if process.returncode == NO_PATTERN:
        raise CheckError(f"{told} cannot be searched for: {said.decode()[:200]}", transient=False)
    if process.returncode not in (FOUND, NOT_FOUND):
        raise CheckError(f"the search for a pattern broke: its process ended with {process.returncode}")
    return process.returncode == FOUND
