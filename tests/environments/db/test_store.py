"""Database files are stored once, under their content's name."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from environments.db.store import store_database
from schemas.errors import InputError


def test_equal_content_is_stored_once_under_its_hash(tmp_path: Path) -> None:
    source = tmp_path / "a.sqlite"
    connection = sqlite3.connect(source)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    (tmp_path / "b.db").write_bytes(source.read_bytes())
    first, second = (store_database(tmp_path / name, tmp_path / "databases") for name in ("a.sqlite", "b.db"))
    assert first == second == hashlib.sha256(source.read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "databases").iterdir()] == [f"{first}.sqlite"]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("hello")
    with pytest.raises(InputError, match="no SQLite database"):
        store_database(tmp_path / "a.sqlite", tmp_path / "databases")
    with pytest.raises(InputError, match="cannot read"):
        store_database(tmp_path / "missing.sqlite", tmp_path / "databases")
