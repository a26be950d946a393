"""Database files are stored once, under their content's name."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from environments.db.sqlite_engine import SqliteEngine
from environments.db.store import store_database
from schemas.errors import EnvironmentFault, InputError
from schemas.task_spec import Setup


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
    with pytest.raises(InputError, match="cannot be read"):
        store_database(tmp_path / "missing.sqlite", tmp_path / "databases")


def database_of(path: Path, rows: int = 2000) -> bytes:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"text {n}") for n in range(rows)])
    return path.read_bytes()


@pytest.mark.parametrize("cut", [lambda whole: whole[:-1], lambda whole: whole[:-4096], lambda whole: whole[:50]])
def test_a_database_that_was_cut_off_is_refused(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(cut(database_of(path)))
    with pytest.raises(InputError, match="is a damaged SQLite database"):
        store_database(path, tmp_path / "databases")
    assert not (tmp_path / "databases").exists()


async def test_one_with_damaged_pages_is_not_opened_and_one_that_only_breaks_a_constraint_is(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    whole = database_of(path)
    path.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    damaged = store_database(path, tmp_path / "databases")
    with closing(sqlite3.connect(tmp_path / "b.sqlite")) as connection, connection:
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (NULL); PRAGMA writable_schema = ON;")
        connection.execute("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a NOT NULL)'")
    unusual = store_database(tmp_path / "b.sqlite", tmp_path / "databases")
    async with SqliteEngine(tmp_path / "databases") as engine:
        with pytest.raises(EnvironmentFault, match=r"cannot be opened: .*(damaged|malformed)"):
            await engine.open(Setup(database=damaged))
        assert (await (await engine.open(Setup(database=unusual))).execute("SELECT count(*) FROM t")).rows == ((1,),)
