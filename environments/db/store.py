"""Databases under their content's name in `<home>/databases/`, written once, never changed.

`<sha256>.sqlite` is a SQLite file, `<sha256>.mysql.sql` a dump of one or many MySQL databases.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from environments.db.server.dump import SUFFIX, check_dump
from schemas.bounded_reading import open_file, read_file
from schemas.errors import InputError

MOST_DUMP_BYTES = 1 << 30
"""Of a dump, which is read as a whole."""
_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100


def databases_of(home: Path) -> Path:
    """Return the folder of a home's SQLite files and SQL dumps, each named by its sha256."""
    return home / "databases"


def store_database(path: Path, databases: Path) -> str:
    """Copy a SQLite file into the store and return its sha256; equal content is stored once.

    Raises:
        InputError: it cannot be read, or is no SQLite database.
    """
    sha256 = _sha256(path)
    _keep(path, databases, f"{sha256}.sqlite")
    return sha256


def store_dump(path: Path, databases: Path) -> str:
    """Copy a SQL dump of MySQL into the store and return its sha256; a task names one of its databases.

    Raises:
        InputError: it cannot be read, or cannot be run as it is.
    """
    data = read_file(path, MOST_DUMP_BYTES)
    check_dump(data.decode("utf-8", "surrogateescape"), str(path))
    sha256 = hashlib.sha256(data).hexdigest()
    _keep(path, databases, f"{sha256}{SUFFIX}")
    return sha256


def _keep(path: Path, databases: Path, name: str) -> None:
    target = databases / name
    if not target.exists():
        databases.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=databases, suffix=".part")
        os.close(handle)
        shutil.copyfile(path, temporary)
        Path(temporary).chmod(0o444)
        Path(temporary).replace(target)


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        _require_whole(path, file.read(_HEADER_BYTES), os.fstat(file.fileno()).st_size)
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_whole(path: Path, header: bytes, size: int) -> None:
    """Compare a file's size with what its header says (SQLite's file format, 1.3): SQLite reads a cut page as blank.

    The pages are looked at by the worker that opens it (`sqlite_worker.py`), behind its walls.
    """
    if not header.startswith(_MAGIC):
        raise InputError(f"{path} is no SQLite database")
    page_size, pages = int.from_bytes(header[16:18], "big"), int.from_bytes(header[28:32], "big")
    page_size = 1 << 16 if page_size == 1 else page_size
    is_said = header[24:28] == header[92:96]  # else a program of before 2010 wrote it, which says no size
    if len(header) < _HEADER_BYTES or page_size < 512 or size % page_size or (is_said and size < pages * page_size):
        raise InputError(f"{path} is a damaged SQLite database: its {size:,} bytes are not whole pages. Get it anew.")
