"""The files of `test.zip`, one at a time, in a folder that is gone afterwards: its authors ask not to spread them."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from schemas.errors import InputError

MAX_MEMBER_BYTES = 4 << 30
MAX_MEMBERS = 1000
_CHUNK = 1 << 20


def unpacked(path: Path, password: str | None) -> Iterator[tuple[str, Path]]:
    """Yield name and place of each JSON file of an archive; a place lasts until the next one is asked for.

    Raises:
        InputError: it is no archive, is locked by another password, or holds too much.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="trajmill-") as folder:
            members = [one for one in archive.infolist() if one.filename.endswith(".json") and not one.is_dir()]
            if not members or len(members) > MAX_MEMBERS:
                raise InputError(f"{path} holds {len(members)} JSON files; 1 to {MAX_MEMBERS} are read")
            for member in members:
                place = Path(folder) / "member.json"
                _write(archive, member, place, password)
                yield str(PurePosixPath(member.filename)), place
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked: {error}. Unpack it yourself and import the folder.") from error
    except RuntimeError as error:
        told = "Its authors publish the password beside it: give it with --password."
        raise InputError(f"{path} is locked: {error}. {told}") from error


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, password: str | None) -> None:
    left = MAX_MEMBER_BYTES
    with archive.open(member, pwd=password.encode() if password else None) as source, place.open("wb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise InputError(f"{member.filename} has more than {MAX_MEMBER_BYTES:,} bytes")
            file.write(chunk)
