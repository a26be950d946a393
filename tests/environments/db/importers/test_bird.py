"""BIRD folders are read question by question, databases are found beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from environments.db.importers.bird import BirdQuestion, find_database, read_questions
from schemas.errors import InputError
from schemas.rejection import Rejection

ROW = {
    "question_id": 5,
    "db_id": "shops",
    "question": "How many?",
    "evidence": "",
    "SQL": "SELECT 1",
    "difficulty": "simple",
}


def folder_with(tmp_path: Path, rows: object, name: str = "dev.json", home: str = "dev_databases/shops") -> Path:
    (tmp_path / name).write_text(json.dumps(rows))
    (tmp_path / home).mkdir(parents=True)
    (tmp_path / home / "shops.sqlite").write_bytes(b"SQLite format 3\x00")
    return tmp_path


def test_a_question_brings_its_database_and_difficulty(tmp_path: Path) -> None:
    (question,) = read_questions(folder_with(tmp_path, [ROW]))
    assert isinstance(question, BirdQuestion)
    assert (question.question_id, question.difficulty, question.license) == ("dev/5", 1, "CC-BY-SA-4.0")
    assert question.database == tmp_path / "dev_databases" / "shops" / "shops.sqlite"
    assert question.source == "dev.json:1"


def test_train_questions_have_neither_id_nor_difficulty(tmp_path: Path) -> None:
    row = {key: ROW[key] for key in ("db_id", "question", "SQL")}
    (question,) = read_questions(folder_with(tmp_path, [row], "train.json", "train_databases/shops"), license="MIT")
    assert isinstance(question, BirdQuestion)
    assert (question.question_id, question.difficulty, question.license) == ("train/1", None, "MIT")
    assert question.database is not None


def test_a_question_without_its_parts_is_a_rejection(tmp_path: Path) -> None:
    found = list(read_questions(folder_with(tmp_path, [ROW, {**ROW, "SQL": " "}, 7, {**ROW, "db_id": 3}])))
    rejections = [item for item in found if isinstance(item, Rejection)]
    assert [(item.reason, item.source) for item in rejections] == [
        ("missing_field", "dev.json:2"),
        ("not_a_question", "dev.json:3"),
        ("missing_field", "dev.json:4"),
    ]
    assert len(found) == 4


def test_a_database_is_never_looked_for_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "shops.sqlite").write_bytes(b"SQLite format 3\x00")
    assert find_database(tmp_path / "inside", "../shops") is None
    assert find_database(tmp_path / "inside", "other") is None


def test_a_folder_without_questions_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dev\.json"):
        list(read_questions(tmp_path))
