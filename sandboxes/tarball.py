"""Unpacks a root file system from a tarball that nobody vouches for.

Written out because Python 3.11.2 (Debian 12) has no extraction filters. No name leads out of the image, not even
through a link that came before (`image_paths.py`); devices and pipes are left out and counted, setuid bits cleared,
folders kept writable. Of two entries with one name the later counts, as for tar, but a file never takes a folder's
place nor a folder a file's. What is read and what it becomes is bounded (`archive_stream.py`).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandboxes.archive_stream import DAMAGED, ArchiveStream, open_archive
from sandboxes.image_paths import inside_image
from schemas.errors import InputError

MOST_ENTRIES = 1_000_000
"""Debian with a desktop has 300,000."""
DEEPEST = 128
"""Folders below each other."""
LONGEST_NAME = 255
"""Bytes of one part of a path (NAME_MAX)."""
LONGEST_PATH = 3500
"""Bytes of a whole path; Linux takes 4096 and the cache's own folder stands before it."""

NO_ROOM = " below the cache; make room, or put the cache elsewhere (TRAJMILL_CACHE)"


def unpack(path: Path, root: Path) -> Counter[str]:
    """Unpack a tarball (any compression that Python reads) below `root`; return what was left out, by kind.

    Raises:
        InputError: not a tarball, damaged, larger than the bounds, or with entries that no file system can hold; the
            text names the entry.
    """
    try:
        with open_archive(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            unpacking = Unpacking(archive, root, stream.most_bytes)
            _extract_all(unpacking, archive, stream)
    except InputError as problem:
        raise InputError(f"{path} cannot be unpacked: {problem}; nothing of it is used") from problem
    except (tarfile.TarError, *DAMAGED) as problem:
        raise InputError(
            f"{path} cannot be unpacked: {problem or type(problem).__name__}; it is no whole tar archive "
            f"(plain, gzip, bzip2 or xz): make it again, with `docker export` for one; nothing of it is used"
        ) from problem
    return unpacking.left_out


@dataclass
class Unpacking:
    """One archive on its way below `root`."""

    archive: tarfile.TarFile
    root: Path
    most_bytes: int
    left_out: Counter[str] = field(default_factory=Counter)
    """How many entries did not come along, by kind."""
    not_here: set[tuple[str, ...]] = field(default_factory=set)
    """Names of what was left out: a hard link to one is left out too."""
    folders: set[tuple[str, ...]] = field(default_factory=lambda: {()})
    """Paths that are folders with no link in them; nothing ever takes their place."""
    bytes_written: int = 0

    def extract(self, member: tarfile.TarInfo) -> None:
        """Make one entry.

        Raises:
            InputError: it makes no sense.
        """
        parts = _parts(member.name)
        self.bytes_written += 0 if member.isdir() or member.issym() or member.islnk() else member.size
        if member.size < 0 or self.bytes_written > self.most_bytes:
            raise InputError(f"it says to hold {self.bytes_written:,} bytes; {self.most_bytes:,} are allowed for it")
        if not parts:
            self._keep_root(member)
            return
        target = self._folder(parts[:-1]) / parts[-1]
        if member.isdir():
            self._make_folder(target, parts, member)
        elif member.isfile() or member.issym() or member.islnk():
            self._make_file(target, parts, member)
        else:
            self._leave_out(parts, "devices" if member.isdev() and not member.isfifo() else _kind(member))

    def _keep_root(self, member: tarfile.TarInfo) -> None:
        if not member.isdir():
            raise InputError("it stands for the image's root and is no folder")

    def _leave_out(self, parts: tuple[str, ...], kind: str) -> None:
        self.left_out[kind] += 1
        self.not_here.add(parts)

    def _folder(self, parts: tuple[str, ...]) -> Path:
        """Return the folder that an entry lies in, through links that stay inside; made where it is missing."""
        if parts in self.folders:
            return self.root.joinpath(*parts)
        parent = self._folder(parts[:-1]) if parts[:-1] else self.root
        place = parent / parts[-1]
        if place.is_symlink():
            return self._linked_folder(place)
        if not place.exists():
            place.mkdir()
        elif not place.is_dir():
            raise InputError(f"it lies below {'/'.join(parts)!r}, which is a file")
        if parent == self.root.joinpath(*parts[:-1]):
            self.folders.add(parts)
        return place

    def _linked_folder(self, link: Path) -> Path:
        name = str(link.relative_to(self.root))
        place = inside_image(self.root, name)
        if place is None or not place.is_dir():
            raise InputError(f"it leads out of the image through the link {name!r} to {str(link.readlink())!r}")
        return place

    def _make_folder(self, target: Path, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if target.is_symlink():
            self._linked_folder(target)
            return
        if target.exists() and not target.is_dir():
            raise InputError("it is a folder, and an entry before it made a file of that name")
        target.mkdir(exist_ok=True)
        target.chmod(member.mode & 0o1777 | stat.S_IRWXU)
        if target == self.root.joinpath(*parts):
            self.folders.add(parts)

    def _make_file(self, target: Path, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if target.is_dir() and not target.is_symlink():
            raise InputError("it is no folder, and an entry before it made a folder of that name")
        if member.islnk():
            self._make_hard_link(target, parts, member)
            return
        target.unlink(missing_ok=True)
        if member.issym():
            _check_text(member.linkname, "its target")
            target.symlink_to(member.linkname)
        else:
            self._write(target, member)

    def _make_hard_link(self, target: Path, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        """Link to what an entry before it made; a symbolic link is not followed."""
        wanted = _parts(member.linkname)
        if wanted in self.not_here:
            self._leave_out(parts, "hard links to what was left out")
            return
        origin = self._existing(wanted, member.linkname)
        if origin == target:
            raise InputError("it is a hard link to itself")
        target.unlink(missing_ok=True)
        target.hardlink_to(origin)

    def _existing(self, parts: tuple[str, ...], name: str) -> Path:
        folder = inside_image(self.root, "/".join(parts[:-1])) if parts else None
        origin = folder / parts[-1] if folder is not None else self.root
        if folder is None or not os.path.lexists(origin):
            raise InputError(f"it is a hard link to {name!r}, which no entry before it made")
        if origin.is_dir() and not origin.is_symlink():
            raise InputError(f"it is a hard link to {name!r}, which is a folder")
        return origin

    def _write(self, target: Path, member: tarfile.TarInfo) -> None:
        source = self.archive.extractfile(member)
        if source is None:
            raise InputError("it has no content")
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
        if target.stat().st_size != member.size:
            raise InputError(f"it says to hold {member.size:,} bytes, and {target.stat().st_size:,} are there")
        target.chmod(member.mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
        os.utime(target, (member.mtime, member.mtime))


def _extract_all(unpacking: Unpacking, archive: tarfile.TarFile, stream: ArchiveStream) -> None:
    for count, member in enumerate(iter(archive.next, None), 1):
        archive.members.clear()  # type: ignore[attr-defined]  # a million would be a gigabyte
        with _named(member.name):
            if count > MOST_ENTRIES:
                raise InputError(f"more than {MOST_ENTRIES:,} entries are too many")
            unpacking.extract(member)
    stream.check_end(archive.offset)
    if not any(unpacking.root.iterdir()):
        raise InputError("no file is in it")


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Name the entry in whatever its making raises."""
    shown = repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")
    try:
        yield
    except InputError as problem:
        raise InputError(f"entry {shown}: {problem}") from problem
    except OSError as problem:
        more = NO_ROOM if problem.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise InputError(f"entry {shown}: {problem.strerror or problem}{more}") from problem
    except (ValueError, OverflowError) as problem:
        raise InputError(f"entry {shown}: {problem}") from problem


def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of an entry's name.

    Raises:
        InputError: it leads out of the image, or no file system could hold it.
    """
    _check_text(name, "a name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts:
        raise InputError(f"{name!r} leads out of the image")
    if len(parts) > DEEPEST:
        raise InputError(f"it lies {len(parts)} folders deep; {DEEPEST} are allowed")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in parts):
        raise InputError(f"a part of a name may have {LONGEST_NAME} bytes")
    return parts


def _check_text(text: str, what: str) -> None:
    if not text or "\0" in text or "\n" in text:
        raise InputError(f"{what} may not be empty nor hold NUL or a line's end: {text[:LONGEST_NAME]!r}")
    if len(os.fsencode(text)) > LONGEST_PATH:
        raise InputError(f"{what} may have {LONGEST_PATH:,} bytes, not {len(os.fsencode(text)):,}")


def _kind(member: tarfile.TarInfo) -> str:
    return "pipes" if member.isfifo() else f"entries of type {member.type!r}"
