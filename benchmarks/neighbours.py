"""What a sandbox that floods costs the commands of its neighbour, over one that only takes as much of the processor."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping

from sandboxes.base import Sandbox, Session
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.settings import default_cache

BUSY = "while :; do :; done"
_QUEUE = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
while True: libc.sigqueue(os.getpid(), 40, None)
"""
FLOODS: Mapping[str, str] = {
    "the status pipe": "exec 20>&12; cat /dev/zero >&20",
    "records on the status pipe": "exec 20>&12; while :; do printf '0\\0/root\\0' >&20; done",
    "pending signals": f"python3 -c '{_QUEUE}'",
    "output": "cat /dev/zero",
}
"""What floods, and how: the first two are the trials' own."""
COMMANDS = 300
FLOOD_SECONDS = 3.0


async def measure(turns: int) -> dict[str, list[float]]:
    """Return by flood, turn by turn, how much longer a neighbour's `true` takes than beside a busy loop."""
    sandbox = Bubblewrap(host_image(default_cache()))
    ratios: dict[str, list[float]] = {what: [] for what in FLOODS}
    for _ in range(turns):
        for what, flood in FLOODS.items():
            busy, flooded = await _beside(sandbox, BUSY), await _beside(sandbox, flood)
            ratios[what].append(flooded / busy)
    return ratios


async def _beside(sandbox: Sandbox, command: str) -> float:
    """Return the mean seconds of a neighbour's command while `command` runs, again and again, in another sandbox."""
    going = asyncio.create_task(_repeat(sandbox, command))
    neighbour = await sandbox.start()
    try:
        await neighbour.exec("true")
        await asyncio.sleep(0.3)
        return statistics.mean([await _timed(neighbour) for _ in range(COMMANDS)])
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        await neighbour.close()


async def _repeat(sandbox: Sandbox, command: str) -> None:
    session = await sandbox.start()
    try:
        while True:
            await session.exec(command, timeout=FLOOD_SECONDS)
    finally:
        await session.close()


async def _timed(neighbour: Session) -> float:
    began = time.perf_counter()
    await neighbour.exec("true")
    return time.perf_counter() - began
