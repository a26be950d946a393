"""BIRD's layout: question files with gold SQL beside a folder of SQLite databases (bird-bench.github.io).

Read are dev.json, train.json and the mini-dev file: lists of `{question_id, db_id, question, evidence, SQL,
difficulty}`, and any JSON or JSONL file of such objects. Spider's `query` is taken for `SQL`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formats.catalogue import Importer
from formats.json_values import UNREADABLE_VALUE, Unread, Value, read_values
from schemas.errors import InputError
from schemas.rejection import Rejection

LICENSE = "CC-BY-SA-4.0"
"""Of BIRD's questions and databases."""
ALL = 1_000_000
"""More questions than any BIRD file has."""
_DIFFICULTIES = {"simple": 1, "moderate": 2, "challenging": 3}
_QUESTION_FILES = ("dev.json", "train.json", "mini_dev_sqlite.json", "questions.json", "questions.jsonl")
_DATABASES = ("", "*_databases", "databases", "database", "*_databases/*_databases")


@dataclass(frozen=True)
class BirdQuestion:
    """One question with its gold SQL."""

    question_id: str
    """`<file>/<question_id>`, or the position in the file where it has no id."""
    question: str
    evidence: str
    """BIRD's external knowledge; empty = none."""
    sql: str
    database_name: str
    database: Path | None
    """Its SQLite file; None = it was not found."""
    difficulty: int | None
    """simple 1, moderate 2, challenging 3; None = not said."""
    source: str
    license: str


def read_questions(path: Path, *, license: str = LICENSE) -> Iterator[BirdQuestion | Rejection]:
    """Yield the questions of a BIRD folder, or of one question file in it, in order.

    Raises:
        InputError: there is no question file, or it cannot be read at all.
    """
    folder = path if path.is_dir() else path.parent
    for file in _question_files(path):
        for row in read_values(file):
            if isinstance(row, Unread):
                yield row.reject(file.name, "import", "db")
            else:
                yield _read(row, f"{file.name}:{row.line}", folder, license)


def _question_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [path / name for name in _QUESTION_FILES if (path / name).is_file()]
    if not files:
        raise InputError(
            f"{path} holds no BIRD questions: one of {', '.join(_QUESTION_FILES)} is expected, "
            "with the databases in <name>_databases/<db_id>/<db_id>.sqlite beside it"
        )
    return files


def _read(row: Value, source: str, folder: Path, license: str) -> BirdQuestion | Rejection:
    value, raw = row.value, row.raw
    if not isinstance(value, dict):
        return _rejected("not_a_question", "a question is a JSON object", source, raw)
    sql = value.get("SQL", value.get("query"))
    texts = {"question": value.get("question"), "SQL": sql, "db_id": value.get("db_id")}
    missing = [key for key, text in texts.items() if not isinstance(text, str) or not text.strip()]
    if missing:
        return _rejected("missing_field", f"{', '.join(missing)} is not a text", source, raw)
    number = value.get("question_id", source.rpartition(":")[2])
    return BirdQuestion(
        question_id=f"{Path(source.rpartition(':')[0]).stem}/{number}",
        question=str(texts["question"]),
        evidence=value["evidence"] if isinstance(value.get("evidence"), str) else "",
        sql=str(sql),
        database_name=str(texts["db_id"]),
        database=find_database(folder, str(texts["db_id"])),
        difficulty=_DIFFICULTIES.get(str(value.get("difficulty"))),
        source=source,
        license=license,
    )


def find_database(folder: Path, name: str) -> Path | None:
    """Return the SQLite file of a database in a BIRD folder, None where there is none."""
    if Path(name).name != name:
        return None
    for pattern in _DATABASES:
        homes = sorted(folder.glob(pattern)) if pattern else [folder]
        for home in homes:
            for file in (home / name / f"{name}.sqlite", home / name / f"{name}.db", home / f"{name}.sqlite"):
                if os.path.isfile(file):  # noqa: PTH113 (a name that is too long for a file is no error here)
                    return file
    return None


def _rejected(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw, environment="db")


def _derive(path: Path) -> Mapping[str, Any]:
    return {"environments": ["db"], "worlds.db.bird": str(path.absolute()), "worlds.db.questions": ALL}


IMPORTER = Importer(
    name="bird",
    kind="questions",
    summary="questions with gold SQL and their SQLite databases, in BIRD's layout",
    page="own-data.md",
    read=lambda paths, given: (row for path in paths for row in read_questions(path)),
    suffixes=(),
    derive=_derive,
    reasons={
        **UNREADABLE_VALUE,
        "not_a_question": "is no JSON object",
        "missing_field": "lacks `question`, `SQL` or `db_id`",
        "missing_database": "is about a database whose SQLite file is not there",
        "unreadable_database": "is about a database that cannot be opened",
        "sql_unreadable": "has a gold query that is no SQL",
        "not_one_statement": "has a gold query of several statements, or none",
        "not_a_select": "has a gold query that does not ask",
        "sql_fails": "has a gold query that does not run",
        "result_too_long": "has a gold query whose answer cannot be seen at once",
    },
)
