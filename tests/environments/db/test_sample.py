"""The built-in sample: same bytes each time, gold SQL whose result leaves no choice, questions that differ."""

import itertools
import json
import sqlite3
from pathlib import Path

import pytest
import sqlglot
from rapidfuzz.distance import LCSseq

from environments.db.sample import build_sample, list_databases, load_questions, open_database

QUESTIONS = load_questions()
IDS = [f"{q['db_id']}-{q['question_id']}" for q in QUESTIONS]


def run(connection: sqlite3.Connection, sql: str, *, reverse: bool = False) -> list[tuple[object, ...]]:
    connection.execute(f"PRAGMA reverse_unordered_selects = {int(reverse)}")
    return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def databases() -> dict[str, sqlite3.Connection]:
    return {name: open_database(name) for name in list_databases()}


def test_two_builds_are_byte_for_byte_the_same(tmp_path: Path) -> None:
    first, second = build_sample(tmp_path / "a"), build_sample(tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 1 + len(list_databases())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_the_layout_is_that_of_bird(tmp_path: Path) -> None:
    folder = build_sample(tmp_path)
    records = json.loads((folder / "dev.json").read_text())
    assert {tuple(sorted(r)) for r in records} == {
        ("SQL", "db_id", "difficulty", "evidence", "question", "question_id")
    }
    for db_id in {r["db_id"] for r in records}:
        with sqlite3.connect(folder / "dev_databases" / db_id / f"{db_id}.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_sample_is_as_large_as_it_says(databases: dict[str, sqlite3.Connection]) -> None:
    assert len(databases) >= 4
    assert len(QUESTIONS) >= 60
    assert {q["db_id"] for q in QUESTIONS} == set(databases)
    assert {q["difficulty"] for q in QUESTIONS} == {"simple", "moderate", "challenging"}
    assert len({q["question_id"] for q in QUESTIONS}) == len(QUESTIONS)


def test_the_rows_hold_what_real_rows_hold(databases: dict[str, sqlite3.Connection]) -> None:
    for connection in databases.values():
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [v for t in tables for row in connection.execute(f"SELECT * FROM {t}") for v in row]
        assert 2 <= len(tables) <= 4
        assert all(20 <= connection.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0] <= 120 for t in tables)
        assert None in values, "some values are missing"
        assert any(isinstance(v, str) and "'" in v for v in values), "some texts hold an apostrophe"
        assert any(isinstance(v, float) for v in values), "some numbers are decimals"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_gold_sql_gives_one_result_whatever_the_scan_order(
    databases: dict[str, sqlite3.Connection], question: dict[str, str]
) -> None:
    rows = run(databases[question["db_id"]], question["SQL"])
    other = run(databases[question["db_id"]], question["SQL"], reverse=True)
    assert rows and all(value is not None for row in rows for value in row)
    assert len(repr(rows)) < 800, "the whole result fits into one observation"
    assert (rows == other) if "ORDER BY" in question["SQL"] else (sorted(rows) == sorted(other))


@pytest.mark.parametrize("question", [q for q in QUESTIONS if "ORDER BY" in q["SQL"]], ids=lambda q: q["question_id"])
def test_no_tie_decides_what_a_ranking_shows(
    databases: dict[str, sqlite3.Connection], question: dict[str, str]
) -> None:
    query = sqlglot.parse_one(question["SQL"], read="sqlite")
    keys = [ordered.this.copy() for ordered in query.args["order"].expressions]
    limit = int(query.args["limit"].expression.this) if query.args.get("limit") else 10_000
    widened = query.select(*keys).limit(limit + 1).sql("sqlite")
    ranks = [row[-len(keys) :] for row in run(databases[question["db_id"]], widened)]
    assert len(set(ranks)) == len(ranks)


def test_any_two_questions_are_novel_to_each_other() -> None:
    # An instruction is the question with its hint, if it has one.
    tokens = [_tokens(f"{q['question']} {q['evidence']}") for q in QUESTIONS]
    close = [
        (QUESTIONS[i]["question"], QUESTIONS[j]["question"])
        for i, j in itertools.combinations(range(len(tokens)), 2)
        if 2 * LCSseq.similarity(tokens[i], tokens[j]) / (len(tokens[i]) + len(tokens[j])) >= 0.7
    ]
    assert close == []


def _tokens(text: str) -> list[str]:
    return "".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split()
