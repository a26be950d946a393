"""Nothing is left: no process, descriptor or mount, whoever dies first."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from sandboxes.base import Sandbox, Session
from sandboxes.binary import owner_id
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


async def _times_out(session: Session) -> None:
    await session.exec("sleep 4444 & setsid sleep 4444", timeout=0.05)


async def _times_out_at_once(session: Session) -> None:
    await session.exec("sleep 4444 & setsid sleep 4444", timeout=0.001)


async def _is_judged(session: Session) -> None:
    await session.run(Script(code="sleep 4444 &"), on=await session.snapshot())


async def _is_cancelled(session: Session) -> None:
    running = asyncio.create_task(session.exec("(trap '' TERM; sleep 4444) & sleep 4444", timeout=60))
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _kills_itself(session: Session) -> None:
    await session.exec("sleep 4444 & kill -9 -1; kill -9 $$")


async def _hands_files_over(session: Session) -> None:
    await session.put("/root/given", bytes(100_000))
    assert len(await session.get("/root/given")) == 100_000


async def _asks_too_much_memory(session: Session) -> None:
    await session.run(Script(code="held = bytearray(1 << 30)", language="python"))


async def _does_nothing(_: Session) -> None:
    """Some are opened and closed."""


LIVES = (
    *(_times_out, _times_out_at_once, _is_judged, _is_cancelled),
    *(_kills_itself, _hands_files_over, _asks_too_much_memory, _does_nothing),
)


async def _live_and_die(sandbox: Sandbox, count: int) -> None:
    """Live through sandboxes of every kind, eight at a time; every tenth start is cancelled on its way."""
    gate = asyncio.Semaphore(8)

    async def live(number: int) -> None:
        async with gate:
            starting = asyncio.create_task(sandbox.start())
            if number % 10 == 9:
                await asyncio.sleep(number % 7 / 1000)
                if starting.cancel():
                    await asyncio.gather(starting, return_exceptions=True)
            if not starting.cancelled():
                session = await starting
                await LIVES[number % len(LIVES)](session)
                await session.close()

    await asyncio.gather(*(live(number) for number in range(count)))
    await asyncio.sleep(0.5)


def _mounts() -> set[str]:
    """Return what is mounted, without containers: those of others come and go."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line for line in lines if "/overlay2/" not in line and " nsfs " not in line}


def _files() -> set[str]:
    """Return what lies where sandboxes could have left something: temporary folders, the images."""
    places = [Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), default_cache() / "images"]
    found = (path for place in places if place.is_dir() for path in place.iterdir() if _is_a_sandboxes(path))
    return set(map(str, found))


def _is_a_sandboxes(path: Path) -> bool:
    try:
        return path.lstat().st_uid == owner_id() and not path.name.startswith(("pytest-", "trajmill-"))
    except FileNotFoundError:
        return False


def _memory_kb(pids: Iterable[int]) -> int:
    """Return the private memory of processes."""
    maps = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(size) for text in maps for size in re.findall(r"Private_\w+: +(\d+) kB", text))


def _open_files(pids: Iterable[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.nightly)])
async def test_sandboxes_leave_nothing(sandbox: Sandbox, count: int, tell: Callable[[str], None]) -> None:
    await _live_and_die(sandbox, 40)  # what is made once is there by now
    stay = list(_descendants(os.getpid()))
    ours, descriptors, memory, files = _descriptors(), _open_files(stay), _memory_kb(stay), _files()
    mounts = _mounts()
    await _live_and_die(sandbox, count)
    now = list(_descendants(os.getpid()))
    assert len(set(now) - set(stay)) <= 1, "the next pod stands ready"
    assert (len(now), _descriptors(), _open_files(now)) == (len(stay), ours, descriptors)
    assert _mounts() <= mounts
    assert _files() <= files
    grown = _memory_kb(now) - memory
    tell(f"{count} sandboxes: {len(stay)} processes stay, their memory went from {memory} kB by {grown} kB")
    assert grown < 512


async def test_cancelled_starts_leave_nothing(sandbox: Sandbox) -> None:
    await (await sandbox.start()).close()
    await asyncio.sleep(0.5)
    stay, descriptors = list(_descendants(os.getpid())), _descriptors()
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.003, 0.005):
        starting = asyncio.create_task(sandbox.start())
        await asyncio.sleep(delay)
        if starting.cancel():
            await asyncio.gather(starting, return_exceptions=True)
        if not starting.cancelled():
            await starting.result().close()
    await asyncio.sleep(0.5)
    now = list(_descendants(os.getpid()))
    assert len(now) == len(stay) and len(set(now) - set(stay)) <= 1, "the next pod stands ready"
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


async def test_a_pod_that_was_killed_while_it_waited_is_handed_to_nobody() -> None:
    sandbox = Bubblewrap(host_image(default_cache()))
    if not (await sandbox.probe()).usable:
        pytest.skip("bubblewrap is refused here")
    await asyncio.sleep(0.5)
    assert sandbox._warden is not None and sandbox._warden._process is not None
    (spare,) = _descendants(sandbox._warden._process.pid)
    pidfd = os.pidfd_open(spare)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert _wait_until_gone([pidfd], 5) == 0
    os.close(pidfd)
    session = await sandbox.start()
    assert (await session.exec("echo lives")).text == "lives\n"
    await session.close()


async def test_sessions_work_in_any_event_loop(sandbox: Sandbox) -> None:
    async def live() -> str:
        session = await sandbox.start()
        try:
            return (await session.exec("echo there")).text
        finally:
            await session.close()

    assert await asyncio.gather(*(asyncio.to_thread(asyncio.run, live()) for _ in range(3))) == ["there\n"] * 3
