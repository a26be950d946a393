"""A file that cannot be a ledger: the sentence fits the cause."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from teachers.ledger.ledger import Ledger


def _with(whole: bytes, at: int, value: int) -> bytes:
    changed = bytearray(whole)
    changed[at] = value
    return bytes(changed)


CAUSES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "half": (lambda whole: whole[: len(whole) // 2], "is damaged or cut off"),
    "cut within a page": (lambda whole: whole[: 4096 * 5 + 17], "is damaged or cut off"),
    "its head alone": (lambda whole: whole[:50], "is damaged or cut off"),
    "pages written over": (lambda whole: whole[:100] + b"\xff" * (len(whole) - 100), "is damaged or cut off"),
    "text": (lambda whole: b"junk" * 500, "is no SQLite database"),
    "zeros": (lambda whole: bytes(len(whole)), "is no SQLite database"),
    "a later form of SQLite's": (lambda whole: _with(_with(whole, 18, 9), 19, 9), "A newer Trajmill or SQLite"),
    "a later schema": (lambda whole: _with(whole, 47, 9), "A newer Trajmill or SQLite"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE more (x)")
        file.executemany("INSERT INTO more VALUES (?)", [("y" * 3000,)] * 50)
        file.commit()
    return path


@pytest.mark.parametrize("cause", CAUSES)
def test_a_spoiled_file_is_told_by_its_cause(path: Path, cause: str) -> None:
    spoil, said = CAUSES[cause]
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ConfigError, match=said) as caught:
        Ledger(path)
    assert "writable" not in str(caught.value) and "\n" not in str(caught.value)
    is_lost = "newer" not in said
    assert ("Restore it from a copy" in str(caught.value)) == is_lost


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE completions RENAME COLUMN cost_usd TO cost",
        "ALTER TABLE completions DROP COLUMN model",
        "DROP TABLE losses; CREATE TABLE losses (row_id INTEGER PRIMARY KEY)",
        "DROP TABLE builds; CREATE TABLE builds (build TEXT, after_row_id INTEGER, era TEXT NOT NULL)",
    ],
)
def test_tables_of_another_version_are_told_before_an_answer_is_bought(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(change)
    with pytest.raises(ConfigError, match=r"its table \w+ (has no column|asks for) .*update, or use another --home"):
        Ledger(path)


def test_columns_that_a_later_version_may_leave_out_do_no_harm(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(
            "ALTER TABLE completions ADD COLUMN era TEXT; ALTER TABLE losses ADD COLUMN x NOT NULL DEFAULT 1"
        )
    ledger = Ledger(path)
    assert ledger.counts.sent == 0
    ledger.close()


def test_a_folder_and_a_place_that_cannot_be_written_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(ConfigError, match="It is a folder: move it away"):
        Ledger(tmp_path / "ledger.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose a writable folder with --home"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_file_that_may_not_be_written_is_no_damage(path: Path) -> None:
    path.parent.chmod(0o555)
    path.chmod(0o444)
    try:
        with pytest.raises(ConfigError, match="Make it and its folder writable"):
            Ledger(path)
    finally:
        path.parent.chmod(0o755)
