"""Base images: a root file system, unpacked once into the cache under its content's name and never written again.

`host` borrows this machine's tools: no download, no registry, and honest about it (the digest is in every row's
provenance). `directory` and `tarball` are the user's own, `docker export` for one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sandboxes.base import Image
from sandboxes.binary import UNPRIVILEGED_ID, move_into_place, runs_as_root
from sandboxes.host_tools import Source, find_data, find_libraries, find_python, find_tools, python_candidates
from sandboxes.image_paths import inside_image, refuse_lost_links
from sandboxes.tarball import unpack
from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import ConfigError, InputError

RECIPE = 2
"""Raised when the way of copying changes, so that a cached image of the old one is not taken."""
MOST_MANIFEST_BYTES = 16 << 20
"""Of the file that says what an image was made from: one of all the tools there are takes 50 KB."""
MADE_AT = 1704067200
"""2024-01-01, the day of the logs: what `find -mtime` says of our own files does not depend on the image's age."""
FILES = Path(__file__).with_name("host") / "files"
"""Accounts, configuration and logs as a small server has them; addresses are RFC 5737's."""
EMPTY_FOLDERS = (
    *("boot", "dev", "home", "media", "mnt", "opt", "proc", "run", "srv", "sys", "tmp", "usr/games", "usr/include"),
    *("usr/lib64", "usr/local/bin", "usr/local/etc", "usr/local/lib", "usr/local/sbin", "usr/local/share", "usr/src"),
    *("var/backups", "var/cache/apt", "var/lib/misc", "var/local", "var/mail", "var/opt", "var/spool/cron", "var/tmp"),
)
LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "/run",
    "var/lock": "/run/lock",
    "etc/mtab": "../proc/self/mounts",
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
}
MODES = {
    "tmp": 0o1777,
    "var/tmp": 0o1777,
    "root": 0o700,
    "etc/shadow": 0o640,
    "etc/gshadow": 0o640,
    "etc/sudoers": 0o440,
}

PROGRAMS = (
    *("bin/bash", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/libexec"),
    *("usr/share", "usr/share/perl", "usr/share/perl5", "usr/share/awk", "usr/local/lib", "etc/alternatives"),
)
"""Where an image's programs and what they load lie: of these a check takes the image's own, so no link may be lost."""


def host_image(cache: Path) -> Image:
    """Return the image of this machine's tools, copied into `cache` the first time (a second or two, 100 MB).

    Raises:
        ConfigError: a needed tool is missing, or the sandbox's user could not reach the cache.
    """
    tools = find_tools()
    fingerprint = _fingerprint(tools)
    with _locked(cache) as images:
        manifest = images / "host.json"
        known = _read_manifest(manifest, fingerprint, images)
        if known is None:
            known = _build(images, "host", lambda root: _copy_host(root, tools))
            _set_times(Path(known.path))
            record = {"fingerprint": fingerprint, "digest": known.digest, "tools": [tool.target for tool in tools]}
            _write_whole(manifest, json.dumps(record, indent=1))
    return known


def directory_image(path: Path) -> Image:
    """Return an image that is a folder of the user's own, read where it lies.

    Raises:
        ConfigError: no root file system is there, or the sandbox's user does not own it.
        InputError: a link among its programs leads out of it, or a file in it cannot be read.
    """
    root = path.resolve()
    if inside_image(root, "bin/bash") is None:
        raise ConfigError(f"{path} is no root file system with a /bin/bash; unpack one there, or give a tarball")
    owner = UNPRIVILEGED_ID if runs_as_root() else os.geteuid()
    if root.stat().st_uid != owner:
        raise ConfigError(
            f"{path} belongs to user {root.stat().st_uid}: `chown -R {owner}:{owner} {path}` lets sandboxes use it"
        )
    _check_reachable(root)
    _check_links(path, root)
    return Image(digest=_readable(root, _digest), path=str(root), kind="directory")


def tarball_image(path: Path, cache: Path) -> Image:
    """Return an image from a tarball, unpacked into `cache` the first time.

    Raises:
        InputError: not a tarball, or one that makes no sense (`tarball.py`), or a link among its programs leads out.
    """
    if not path.is_file():
        raise InputError(f"{path} {'is no file; give a tarball there' if path.exists() else 'does not exist'}")
    fingerprint = _readable(path, _file_digest)
    with _locked(cache) as images:
        manifest = images / f"tarball-{fingerprint[:16]}.json"
        known = _read_manifest(manifest, fingerprint, images, "tarball")
        if known is None:
            left_out: dict[str, int] = {}
            known = _build(images, "tarball", lambda root: left_out.update(_unpack(path, root)))
            record = {"fingerprint": fingerprint, "digest": known.digest, "left_out": left_out}
            _write_whole(manifest, json.dumps(record))
    _check_links(path, Path(known.path))  # what an earlier version unpacked was not looked at
    return known


def _unpack(path: Path, root: Path) -> Mapping[str, int]:
    left_out = unpack(path, root)
    _check_links(path, root)
    return left_out


def _check_links(path: Path, root: Path) -> None:
    """Refuse an image whose programs lie behind a link that leaves it; `path` is what the user named."""
    try:
        refuse_lost_links(root, *PROGRAMS)
    except InputError as problem:
        raise InputError(f"{path} is no image: {problem}") from problem


@contextmanager
def _locked(cache: Path) -> Iterator[Path]:
    """Yield the images' folder while no other process builds in it."""
    images = (cache / "images").absolute()
    images.mkdir(parents=True, exist_ok=True)
    _check_reachable(images)
    with (images / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield images


def _check_reachable(folder: Path) -> None:
    """Refuse a folder that root's unprivileged id cannot walk to."""
    if not runs_as_root():
        return
    for part in (folder, *folder.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            raise ConfigError(
                f"{part} is closed to other users, but sandboxes drop root and must reach {folder}: "
                f"`chmod o+x {part}`, or put the cache elsewhere (TRAJMILL_CACHE, default /var/cache/trajmill)"
            )


def _read_manifest(manifest: Path, fingerprint: str, images: Path, kind: str = "host") -> Image | None:
    """Return what was built before, or None where it has to be built: a damaged manifest is as good as none."""
    try:
        record = parse_json(read_file(manifest, MOST_MANIFEST_BYTES))
    except (InputError, NotJson):
        return None
    known, digest = (record.get(key) for key in ("fingerprint", "digest")) if isinstance(record, dict) else (None, None)
    if known != fingerprint or not isinstance(digest, str):
        return None
    root = images / f"{kind}-{digest[:16]}"
    return Image(digest=digest, path=str(root), kind=kind) if root.is_dir() else None


def _build(images: Path, kind: str, fill: Callable[[Path], None]) -> Image:
    building = images / f".building-{kind}-{os.getpid()}"
    if building.exists():
        shutil.rmtree(building)
    building.mkdir(mode=0o755)
    try:
        fill(building)
        digest = _digest(building)
        if runs_as_root():
            _hand_over(building)
        root = images / f"{kind}-{digest[:16]}"
        move_into_place(building, root)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Image(digest=digest, path=str(root), kind=kind)


def _hand_over(root: Path) -> None:
    """Give everything to the sandboxes' user: overlayfs hides what belongs to nobody it knows."""
    for folder, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            os.chown(os.path.join(folder, name), UNPRIVILEGED_ID, UNPRIVILEGED_ID, follow_symlinks=False)  # noqa: PTH118


def _fingerprint(tools: list[Source]) -> str:
    """Return what tells whether the machine's tools have changed, without reading them."""
    lines = [f"{RECIPE} {_digest(FILES)}"]
    python = next((Source(str(path), path) for path in python_candidates() if path.exists()), Source("no python"))
    for source in (*tools, python):
        told = source.origin.stat() if source.origin else None
        lines.append(f"{source.target} {source.link} {(told.st_size, told.st_mtime_ns) if told else ''}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _copy_host(root: Path, tools: list[Source]) -> None:
    shutil.copytree(FILES, root, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for name in EMPTY_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    sources = [*tools, *find_python(), *find_data(), Source("etc/os-release", Path("/etc/os-release"))]
    libraries = find_libraries(dict.fromkeys(source.origin for source in sources if source.origin))
    for source in (*sources, *libraries):
        _place(root, source)
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    for name, mode in MODES.items():
        (root / name).chmod(mode)


def _set_times(root: Path) -> None:
    """Give folders, and files that are copied from no program, a time of their own; idempotent."""
    for path in FILES.rglob("*"):
        os.utime(root / path.relative_to(FILES), (MADE_AT, MADE_AT), follow_symlinks=False)
    for folder, _, _ in os.walk(root, topdown=False):
        os.utime(folder, (MADE_AT, MADE_AT))


def _place(root: Path, source: Source) -> None:
    """Copy a file with its times (bytecode is checked against them) but no setuid bit, or make a link."""
    target = root / source.target
    if target.exists() or target.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.origin is None:
        target.symlink_to(source.link)
    elif source.origin.exists():
        shutil.copy2(source.origin, target)
        target.chmod(0o755 if source.origin.stat().st_mode & stat.S_IXUSR else 0o644)


def _digest(root: Path) -> str:
    """Return the sha256 of names, modes, links and contents; bytecode does not count, it is made from the rest."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix == ".pyc" or path.name == "__pycache__":
            continue
        kind, content = _content(path)
        line = f"{path.relative_to(root)}\0{kind}\0{path.lstat().st_mode & 0o7777:o}\0{content}\n"
        total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _content(path: Path) -> tuple[str, str]:
    if path.is_symlink():
        return "link", str(path.readlink())
    if path.is_file():
        return "file", _file_digest(path)
    return "folder", ""


def _readable(path: Path, read: Callable[[Path], str]) -> str:
    """Return what `read` makes of a file or folder of the user's.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return read(path)
    except OSError as problem:
        raise InputError(f"{problem.filename or path} cannot be read: {problem.strerror}") from problem


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)
