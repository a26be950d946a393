"""Brings a base image to an engine, once: `docker import` of the same files under the same digest.

The container's own root is ours: an interpreter and bwrap, and below /image the base image, owned by root. So any base
image will do, and nothing of ours shows in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandboxes.arguments import CONTAINED_IMAGE
from sandboxes.base import Image
from sandboxes.binary import find_bwrap
from sandboxes.container.engine import Engine
from sandboxes.host_tools import Source, find_libraries, find_python
from schemas.errors import SandboxError

BWRAP = "/trajmill/bwrap"
CODE = Path(__file__).parents[1]
OWN_FILES = (
    "__init__.py",
    "ground.py",
    "ground_layer.py",
    "held_memory.py",
    "memory_watch.py",
    "warden.py",
    "container/__init__.py",
    "container/keeper.py",
)
FOLDERS = ("proc", "sys", "dev", "mnt", "tmp", "door", "etc", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
RECIPE = 1
"""Raised when the way of packing changes."""


def bring_image(engine: Engine, image: Image, cache: Path) -> str:
    """Return the engine's name of a base image, imported when it is not there yet (some seconds); `cache` for a lock.

    Raises:
        SandboxError: the engine refused it, or this machine has no interpreter to lend.
    """
    runtime = _runtime()
    tag = f"trajmill:{image.digest[:16]}-{_fingerprint(runtime)[:12]}"
    with _locked(cache / f".{engine.name}.lock"):
        if not _has(engine, tag):
            _import(engine, tag, lambda archive: _pack(archive, runtime, Path(image.path)))
    return tag


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time import; the lock goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _has(engine: Engine, tag: str) -> bool:
    return engine.ask_now("images", "--quiet", tag).strip() != ""


def _runtime() -> list[Source]:
    python = find_python()
    if not python:
        raise SandboxError(
            "no Python with its whole standard library to lend to containers: install your system's python3",
            transient=False,
        )
    bwrap = Source(BWRAP.lstrip("/"), find_bwrap())
    origins = [source.origin for source in (*python, bwrap) if source.origin]
    own = [Source(f"trajmill/sandboxes/{name}", CODE / name) for name in OWN_FILES]
    return [*python, bwrap, *find_libraries(dict.fromkeys(origins)), *own]


def _fingerprint(runtime: list[Source]) -> str:
    """Return what tells whether the container's own root would come out otherwise."""
    lines = (f"{source.target} {source.link} {_state(source.origin)}" for source in runtime)
    return hashlib.sha256("\n".join([str(RECIPE), *lines]).encode()).hexdigest()


def _state(origin: Path | None) -> str:
    """Return what a file is: ours by content, since a checkout touches them; the machine's without reading them."""
    if origin is None:
        return ""
    if origin.is_relative_to(CODE):
        return hashlib.sha256(origin.read_bytes()).hexdigest()
    told = origin.stat()
    return f"{told.st_size} {told.st_mtime_ns}"


def _import(engine: Engine, tag: str, pack: Callable[[tarfile.TarFile], None]) -> None:
    """Stream an archive into the engine."""
    command = engine.command("import", "-", tag)
    with tempfile.TemporaryFile() as said:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert running.stdin is not None
        try:
            with running.stdin, tarfile.open(fileobj=running.stdin, mode="w|") as archive:
                pack(archive)
        except BrokenPipeError:
            pass  # it ended early, and says why
        if running.wait() != 0:
            said.seek(0)
            raise SandboxError(f"{engine.name} import: {said.read().decode('utf-8', 'replace').strip()}")


def _pack(archive: tarfile.TarFile, runtime: list[Source], image: Path) -> None:
    for folder in FOLDERS:
        archive.addfile(_entry(folder, tarfile.DIRTYPE))
    for name, target in LINKS.items():
        archive.addfile(_entry(name, tarfile.SYMTYPE, target))
    for source in {source.target: source for source in runtime}.values():
        _add(archive, source)
    archive.add(image, CONTAINED_IMAGE.lstrip("/"), filter=_owned_by_root)


def _add(archive: tarfile.TarFile, source: Source) -> None:
    if source.origin is None:
        archive.addfile(_entry(source.target, tarfile.SYMTYPE, source.link))
    elif source.origin.exists():
        content = source.origin.read_bytes()
        entry = _entry(source.target, tarfile.REGTYPE)
        entry.size, entry.mtime = len(content), int(source.origin.stat().st_mtime)  # bytecode is checked against it
        archive.addfile(entry, io.BytesIO(content))


def _entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, 0o755
    return entry


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Give a file to root, whom the sandboxes' user is inside."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
