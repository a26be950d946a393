"""Databases under their content's name in `<home>/databases/`, written once, never changed.

`<sha256>.sqlite` is a SQLite file, `<sha256>.mysql.sql` a dump of one or many MySQL databases.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.db.server.dump import SUFFIX, check_dump
from schemas.errors import InputError

_MAGIC = b"SQLite format 3\x00"


def store_database(path: Path, databases: Path) -> str:
    """Copy a SQLite file into the store and return its sha256; equal content is stored once.

    Raises:
        InputError: it cannot be read, or is no SQLite database.
    """
    with _readable(path):
        sha256 = _sha256(path)
    _keep(path, databases, f"{sha256}.sqlite")
    return sha256


def store_dump(path: Path, databases: Path) -> str:
    """Copy a SQL dump of MySQL into the store and return its sha256; a task names one of its databases.

    Raises:
        InputError: it cannot be read, or cannot be run as it is.
    """
    with _readable(path):
        data = path.read_bytes()
    check_dump(data.decode("utf-8", "surrogateescape"), str(path))
    sha256 = hashlib.sha256(data).hexdigest()
    _keep(path, databases, f"{sha256}{SUFFIX}")
    return sha256


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot read the database {path}: {error.strerror}") from error


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
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{path} is no SQLite database")
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()
