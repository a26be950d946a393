"""Database files under their content's name: `<home>/databases/<sha256>.sqlite`, written once, never changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from schemas.errors import InputError

_MAGIC = b"SQLite format 3\x00"


def store_database(path: Path, databases: Path) -> str:
    """Copy a SQLite file into the store and return its sha256; equal content is stored once.

    Raises:
        InputError: it cannot be read, or is no SQLite database.
    """
    try:
        sha256 = _sha256(path)
    except OSError as error:
        raise InputError(f"cannot read the database {path}: {error.strerror}") from error
    target = databases / f"{sha256}.sqlite"
    if not target.exists():
        databases.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=databases, suffix=".part")
        os.close(handle)
        shutil.copyfile(path, temporary)
        Path(temporary).chmod(0o444)
        Path(temporary).replace(target)
    return sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise InputError(f"{path} is no SQLite database")
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()
