"""Nothing is left: no process, descriptor or mount, whoever dies first."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.base import Sandbox
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.errors import SandboxError
from schemas.settings import default_cache
from schemas.task_spec import Script

ROOT = Path(__file__).parents[2]

VICTIM = """
import asyncio, sys
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from sandboxes.jail import jail
from schemas.settings import default_cache

async def main():
    sandbox = Bubblewrap(host_image(default_cache()))
    sessions = [await sandbox.start() for _ in range(3)]
    for session in sessions:
        await session.exec("setsid nohup sleep 4444 >/dev/null 2>&1 & trap '' TERM HUP")
    worker = await jail([sys.executable, "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(4444)"],
                        read_only=[])
    await worker.stdout.readline()
    print("standing", flush=True)
    await sessions[0].exec("sleep 4444", timeout=4444)

asyncio.run(main())
"""


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _wait_until_gone(pidfds: list[int], seconds: float) -> int:
    """Return how many are still there after that long."""
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    left = set(pidfds)
    while left and (ready := poll.poll(seconds * 1000)):
        for pidfd, _ in ready:
            poll.unregister(pidfd)
            left.discard(pidfd)
    return len(left)


async def test_two_hundred_sessions_leave_nothing(sandbox: Sandbox) -> None:
    await (await sandbox.start()).close()
    warden = list(_descendants(os.getpid()))
    descriptors, mounts = _descriptors(), Path("/proc/self/mountinfo").read_text()
    gate = asyncio.Semaphore(8)

    async def live(number: int) -> None:
        async with gate:
            session = await sandbox.start()
            if number % 4 == 0:
                await session.exec("sleep 4444 & setsid sleep 4444", timeout=0.05 if number % 8 else 0.001)
            if number % 4 == 1:
                await session.run(Script(code="sleep 4444 &"), on=await session.snapshot())
            await session.close()

    await asyncio.gather(*(live(number) for number in range(200)))
    await asyncio.sleep(0.2)
    assert set(_descendants(os.getpid())) <= set(warden)
    assert _descriptors() == descriptors
    assert Path("/proc/self/mountinfo").read_text() == mounts


async def test_cancelled_starts_leave_nothing(sandbox: Sandbox) -> None:
    await (await sandbox.start()).close()
    warden, descriptors = list(_descendants(os.getpid())), _descriptors()
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.003, 0.005):
        starting = asyncio.create_task(sandbox.start())
        await asyncio.sleep(delay)
        if starting.cancel():
            await asyncio.gather(starting, return_exceptions=True)
        if not starting.cancelled():
            await starting.result().close()
    await asyncio.sleep(0.5)
    assert set(_descendants(os.getpid())) <= set(warden)
    assert _descriptors() == descriptors


@pytest.mark.usefixtures("sandbox")
def test_a_killed_parent_leaves_no_process() -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, cwd=ROOT)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"standing\n"
    family = list(_descendants(victim.pid))
    assert len(family) >= 1 + 3 * 4 + 2
    pidfds = [os.pidfd_open(pid) for pid in family]
    victim.kill()
    victim.communicate()
    left = _wait_until_gone(pidfds, 10)
    for pidfd in pidfds:
        os.close(pidfd)
    assert left == 0


async def test_a_killed_pod_is_an_error_of_its_session_only(sandbox: Sandbox) -> None:
    first, second = await sandbox.start(), await sandbox.start()
    try:
        await second.exec("cd /opt")
        signal.pidfd_send_signal(first._pod._init, signal.SIGKILL)  # type: ignore[attr-defined]
        with pytest.raises(SandboxError, match="gone") as caught:
            await first.exec("true")
            await first.exec("true")
        assert caught.value.transient
        with pytest.raises(SandboxError, match="gone"):
            await first.exec("true")
        assert (await second.exec("pwd")).text == "/opt\n"
    finally:
        await first.close()
        await second.close()


async def test_a_killed_warden_is_replaced_and_its_pods_live_on() -> None:
    sandbox = Bubblewrap(host_image(default_cache()))
    if not (await sandbox.probe()).usable:
        pytest.skip("bubblewrap is refused here")
    first = await sandbox.start()
    warden = sandbox._warden
    assert warden is not None and warden._process is not None
    warden._process.kill()
    warden._process.wait()
    second = await sandbox.start()
    for session in (first, second):
        assert (await session.exec("echo lives")).text == "lives\n"
        await session.close()
    warden.close()


async def test_sessions_work_in_any_event_loop(sandbox: Sandbox) -> None:
    async def live() -> str:
        session = await sandbox.start()
        try:
            return (await session.exec("echo there")).text
        finally:
            await session.close()

    assert await asyncio.gather(*(asyncio.to_thread(asyncio.run, live()) for _ in range(3))) == ["there\n"] * 3
