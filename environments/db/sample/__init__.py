"""The built-in sample in BIRD's layout: five invented databases as SQL text, questions with their gold SQL.

SQLite files are made on demand and never committed.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import TypedDict

import orjson

_ROOT = Path(__file__).parent
_WRITER_VERSION = slice(96, 100)


class Question(TypedDict):
    """One record of BIRD's dev.json."""

    question_id: int
    db_id: str
    question: str
    evidence: str
    SQL: str
    difficulty: str


@cache
def load_questions() -> tuple[Question, ...]:
    """Return the sample's questions in order."""
    return tuple(orjson.loads((_ROOT / "questions.json").read_bytes()))


def list_databases() -> tuple[str, ...]:
    """Return the ids of the sample's databases, sorted."""
    return tuple(sorted(path.stem for path in _ROOT.glob("*.sql")))


def open_database(db_id: str) -> sqlite3.Connection:
    """Build a sample database in memory."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.executescript((_ROOT / f"{db_id}.sql").read_text(encoding="utf-8"))
    return connection


def build_sample(folder: Path) -> Path:
    """Write `dev.json` and `dev_databases/<db_id>/<db_id>.sqlite` into the folder, always the same bytes; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dev.json").write_bytes((_ROOT / "questions.json").read_bytes())
    for db_id in list_databases():
        home = folder / "dev_databases" / db_id
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{db_id}.sqlite").write_bytes(_database_file(db_id))
    return folder


def _database_file(db_id: str) -> bytes:
    connection = open_database(db_id)
    try:
        image = bytearray(connection.serialize())
    finally:
        connection.close()
    # Offset 96 holds the version of the library that wrote the file (sqlite.org/fileformat2.html, 1.3.22); SQLite never
    # acts on it, and zero keeps the file, so the task ids made from it, the same under every SQLite.
    image[_WRITER_VERSION] = bytes(4)
    return bytes(image)
