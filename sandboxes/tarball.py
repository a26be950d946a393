"""Unpacks a root file system from a tarball that nobody vouches for.

Written out because Python 3.11.2 (Debian 12) has no extraction filters: names may not lead out of the image, not even
through a link that came before; devices and fifos are dropped, setuid bits cleared, folders kept writable.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path

from schemas.errors import InputError


def unpack(path: Path, root: Path) -> None:
    """Unpack a tarball (any compression that Python reads) below `root`.

    Raises:
        InputError: not a tarball, or an entry leads out of the image.
    """
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                _extract(archive, member, root)
    except (tarfile.TarError, EOFError) as problem:
        raise InputError(f"{path} cannot be unpacked: {problem}") from problem


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    target = _inside(root, member.name)
    if target == root:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        _make_folder(target, member)
        return
    if target.is_symlink() or target.is_file():
        target.unlink()
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.hardlink_to(_inside(root, member.linkname))
    elif member.isfile():
        _write(archive, member, target)


def _inside(root: Path, name: str) -> Path:
    """Return where an entry goes.

    Raises:
        InputError: outside, by its name or through a link.
    """
    if name.startswith("/") or ".." in Path(name).parts:
        raise InputError(f"the tarball's entry {name!r} leads out of the image; nothing of it is used")
    target = root / name
    if target != root and not target.parent.resolve().is_relative_to(root.resolve()):
        raise InputError(f"the tarball's entry {name!r} leads out of the image through a link; nothing of it is used")
    return target


def _make_folder(target: Path, member: tarfile.TarInfo) -> None:
    if not target.is_dir():
        target.mkdir()
    if not target.is_symlink():
        target.chmod(member.mode & 0o1777 | stat.S_IRWXU)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise InputError(f"the tarball's entry {member.name!r} has no content")
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    target.chmod(member.mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
    os.utime(target, (member.mtime, member.mtime))
