"""Servers of our own: started in a temporary folder behind walls, reached by a unix socket there, ended with us.

The folder's name tells whose it is, so that what a killed run left is removed by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sandboxes.base import Limits
from sandboxes.binary import owner_id, runs_as_root
from sandboxes.jail import jail
from sandboxes.owner import is_alive, owner_of_mine
from schemas.errors import SandboxError

_OWNER = re.compile(r"trajmill-(?:mariadb|postgres)-([0-9a-f]+)-(\d+)-(\d+)-(\d+)-")
_SHARED_MEMORY = frozenset(("shmget", "mmap", "io_setup"))
"""PostgreSQL takes a few bytes of System V memory to be alone on its data; they go with the jail's IPC namespace. Its
buffers are one large shared mapping; MariaDB writes asynchronously."""
_POLL_SECONDS = 0.02
START_SECONDS = 60.0
FILE_MB = 512
"""Largest file that a private server may write."""


def own_folder(kind: str) -> Path:
    """Make a folder that names this process, for everything that the servers of one engine keep."""
    folder = Path(tempfile.mkdtemp(prefix=f"trajmill-{kind}-{owner_of_mine().replace('/', '-')}-"))
    give(folder)
    return folder


def give(folder: Path) -> None:
    """Give a tree to the user that the jailed server runs as."""
    if runs_as_root():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner_id(), owner_id(), follow_symlinks=False)


def sweep() -> None:
    """Remove the folders of processes that are gone; their servers died with them."""
    for folder in Path(tempfile.gettempdir()).iterdir():
        owner = _OWNER.match(folder.name)
        if owner and not is_alive("/".join(owner.groups())):
            shutil.rmtree(folder, ignore_errors=True)


class PrivateServer:
    """One jailed server process."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, chatter: asyncio.Task[bytes]) -> None:
        self.folder = folder
        self._process, self._chatter = process, chatter

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def stop(self) -> None:
        """Kill it and remove its folder; nothing in it is worth a clean end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        with contextlib.suppress(asyncio.CancelledError):
            await self._chatter
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


async def start_server(
    argv: Sequence[str], folder: Path, memory_mb: int, answers: Callable[[], Awaitable[bool]]
) -> PrivateServer:
    """Start a server whose only writable place is `folder`, and wait until it answers.

    Raises:
        SandboxError: it ends, or does not answer in time; the text holds its last words.
    """
    process = await _jailed(argv, folder, memory_mb)
    chatter = asyncio.ensure_future(_last_words(process))
    server = PrivateServer(process, folder, chatter)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await answers():
                if not server.is_alive:
                    raise SandboxError(f"{Path(argv[0]).name} did not start: {_shown(await chatter)}")
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        await server.stop()
        raise SandboxError(f"{Path(argv[0]).name} did not answer within {START_SECONDS:g} s") from error
    except BaseException:
        await server.stop()
        raise
    return server


async def run_once(argv: Sequence[str], folder: Path, memory_mb: int, *, read_only: Sequence[Path] = ()) -> None:
    """Run a program of the server's to its end behind the same walls; it may read the paths of `read_only` too.

    Raises:
        SandboxError: it fails; the text holds its last words.
    """
    process = await _jailed(argv, folder, memory_mb, read_only)
    out, err = await process.communicate()
    if process.returncode != 0:
        raise SandboxError(f"{Path(argv[0]).name} failed: {_shown(out + err)}", transient=False)


async def _jailed(
    argv: Sequence[str], folder: Path, memory_mb: int, read_only: Sequence[Path] = ()
) -> asyncio.subprocess.Process:
    limits = Limits(processes=200, data_mb=memory_mb, file_mb=FILE_MB, cpu_seconds=7 * 24 * 3600)
    return await jail(argv, read_only=read_only, writable=(folder,), limits=limits, allowed=_SHARED_MEMORY)


async def _last_words(process: asyncio.subprocess.Process) -> bytes:
    """Drain what the server says, so that it never waits for us; keep the end."""
    assert process.stderr is not None
    kept = b""
    while piece := await process.stderr.read(8192):
        kept = (kept + piece)[-4000:]
    return kept


def _shown(said: bytes) -> str:
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:] or "it said nothing"
