"""What is printed: whatever SQL returns is JSON, CSV or a table, and nothing of it is taken for markup."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from commands.cli import run
from commands.terminal import say, say_notes, say_panel
from schemas.task_spec import SOFTWARE
from warehouse.warehouse import Warehouse

VALUES = {
    "sum(hash(i))": 871888969486073680585,
    "170141183460469231731687303715884105727::HUGEINT": 2**127 - 1,
    "(-170141183460469231731687303715884105727)::HUGEINT": 1 - 2**127,
    "18446744073709551615::UBIGINT": 2**64 - 1,
    "[18446744073709551616::HUGEINT]": [2**64],
    "{'deep': [{'n': 18446744073709551616::HUGEINT, 'd': 1.5::DECIMAL(38, 10)}]}": {"deep": [{"n": 2**64, "d": 1.5}]},
    "1.25::DECIMAL(9, 2)": 1.25,
    "'nan'::DOUBLE": None,
    "['inf'::DOUBLE, 18446744073709551616::HUGEINT]": [None, 2**64],
    "'\\xFF\\x00'::BLOB": "ff00",
    "'plain'::BLOB": "plain",
    "DATE '2026-01-02'": "2026-01-02",
    "TIME '10:00'": "10:00:00",
    "TIMESTAMP '2026-01-02 10:00:00'": "2026-01-02T10:00:00",
    "INTERVAL 36 HOUR": "1 day, 12:00:00",
    "MAP {'a': 1}": {"a": 1},
    "[NULL, TRUE]": [None, True],
    "NULL": None,
    "'[budget] \\ud55c'": "[budget] \\ud55c",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))
    Warehouse(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("expression", "expected"), VALUES.items(), ids=lambda one: str(one)[:30])
def test_any_value_of_sql_has_a_form_in_all_three(
    expression: str, expected: object, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = f"SELECT {expression} AS v FROM range({100 if 'sum' in expression else 1}) t(i)"
    assert run(["sql", query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [[expected]]
    assert run(["sql", query, "--csv"]) == 0
    assert [len(row) for row in csv.reader(io.StringIO(capsys.readouterr().out))] == [1, 1]
    assert run(["sql", query]) == 0 and capsys.readouterr().out.startswith("1 rows\n")


def test_csv_has_a_line_of_names_and_one_a_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sql", "SELECT 1 AS a, 'x, \"y\"' AS b, NULL AS c, [1, 2] AS d", "--csv"]) == 0
    said = capsys.readouterr().out
    assert "\r" not in said  # a shell's $(...) would keep it
    assert list(csv.reader(io.StringIO(said))) == [
        ["a", "b", "c", "d"],
        ["1", 'x, "y"', "", "[1,2]"],
    ]
    assert run(["sql", "SELECT 1", "--csv", "--json"]) == 2


def test_nothing_that_is_printed_is_markup(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = "[budget] [/red] [bold]x[/bold] \\["
    say(f"There is no {word}: nothing stops the build")
    say_notes([word])
    say_panel(word, word)
    assert run(["sql", f"SELECT '{word}' AS \"{word}\""]) == 0
    assert capsys.readouterr().out.count(word) == 6


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"{SOFTWARE}\n"


def test_frames_keep_within_the_columns_that_are_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns, widest in (("60", 60), ("", 100), ("400", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        say_panel("title", "word " * 200)
        assert max(map(len, capsys.readouterr().out.splitlines())) == widest
