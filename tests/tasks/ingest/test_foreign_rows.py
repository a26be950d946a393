"""Foreign rows land once: twice imported is once, a copy in one import is told, and what has no place is counted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from commands.cli import run
from environments.registry import importers
from schemas.foreign_row import ForeignRow
from tasks.ingest.foreign_rows import land_foreign_rows
from warehouse.warehouse import Warehouse

ROW = {"id": "x_1", "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!", "score": 1}]}


def write(folder: Path, *rows: object) -> Path:
    path = folder / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def imported(path: Path, home: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    assert run(["import", "openai", str(path), "--home", str(home), "--json", *more]) == 0
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_rows_land_once_and_every_row_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("TRAJMILL_HOME", str(home))
    path = write(tmp_path, ROW, {**ROW, "id": "x_2"}, ROW, {"messages": []})
    first = imported(path, home, capsys, "--name", "theirs", "--license", "MIT")
    lost = [{"what": "messages[].score", "rows": 2, "times": 2}]
    assert first == {
        "imported": 2,
        "rejected": 2,
        "imported_before": 0,
        "by_reason": {"duplicate": 1, "no_turns": 1},
        "losses": lost,
    }
    again = imported(path, home, capsys, "--name", "theirs")
    assert (again["imported"], again["rejected"], again["imported_before"]) == (0, 0, 4)
    warehouse = Warehouse(home)
    rows = warehouse.query('SELECT "set", origin, verdict, license, raw FROM foreign_rows ORDER BY source_id')
    assert [row[:4] for row in rows] == [("theirs", "recorded", "unknown", "MIT")] * 2
    assert json.loads(rows[0][4]) == ROW
    assert imported(path, home, capsys)["imported"] == 2, "under another name it is another set"


def test_rows_that_differ_in_a_picture_all_land_and_one_of_an_earlier_home_comes_in_once(tmp_path: Path) -> None:
    def showing(url: str) -> dict[str, object]:
        asked = {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
        return {"messages": [asked, {"role": "assistant", "content": "A cat."}]}

    path = write(tmp_path, showing("a.png"), showing("b.png"), showing("b.png"))
    rows = list(importers()["openai"].rows([path], {"license": "MIT"}))
    before = rows[0].model_copy(update={"row_id": rows[0].first_id, "unread_parts": None})
    warehouse = Warehouse(tmp_path / "home")
    assert land_foreign_rows(warehouse, [before]) == {"kept": 1}
    assert land_foreign_rows(warehouse, rows) == {"imported_before": 1, "kept": 1, "duplicate": 1}
    assert land_foreign_rows(warehouse, rows[1:2]) == {"imported_before": 1}


def test_what_an_import_says_is_of_its_own_files_and_of_rows_that_are_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    first, other = tmp_path / "a's.jsonl", tmp_path / "b.jsonl"
    first.write_text('{"messages": []}\n')
    other.write_text('{"messages": []}\n' + json.dumps(ROW) + "\n")
    assert run(["import", "openai", str(other), "--name", "theirs"]) == 0
    assert "Nothing of theirs was proven" in capsys.readouterr().out
    assert run(["import", "openai", str(first), "--name", "mine"]) == 1
    said = capsys.readouterr().out
    assert "1 rejected" in said and "proven" not in said
    hint = next(line for line in said.splitlines() if line.startswith("The rows: trajmill sql "))
    assert run([*shlex.split(hint)[3:], "--csv"]) == 0
    told = capsys.readouterr().out
    assert "no_turns" in told and "a's.jsonl:1" in told and "b.jsonl" not in told


def test_what_an_older_reading_of_a_raw_row_gave_is_superseded_and_comes_back(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "home")
    (new,) = importers(installed=False)["openai"].rows([write(tmp_path, ROW)], {"name": "theirs", "license": "MIT"})
    other = new.model_dump() | {"messages": new.messages[:1] + new.messages}
    drop = {"row_id", "raw", "raw_sha256", "n_trained", "trained_tokens", "tokens"}
    old = ForeignRow.make(raw=new.raw.encode(), **{key: value for key, value in other.items() if key not in drop})
    away = "SELECT id FROM turned_away WHERE stage = 'reading'"
    assert land_foreign_rows(warehouse, [old]) == {"kept": 1}
    assert land_foreign_rows(warehouse, [new]) == {"kept": 1, "superseded": 1}
    assert warehouse.query(away) == [(old.row_id,)]
    assert land_foreign_rows(warehouse, [new]) == {"imported_before": 1}
    assert land_foreign_rows(warehouse, [old]) == {"imported_before": 1, "superseded": 1}
    assert warehouse.query(away) == [(new.row_id,)]


@pytest.mark.parametrize("command", [["import", "openai", "--home", "home"], ["import", "openai", "--lint"], ["audit"]])
def test_files_of_a_folder_that_are_not_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    (tmp_path / "sets").mkdir()
    write(tmp_path / "sets", ROW).rename(tmp_path / "sets" / "set.log")
    (tmp_path / "sets" / "README.md").write_text("# A set")
    home = [str(tmp_path / one) if one == "home" else one for one in command]
    assert run([*home, str(tmp_path / "sets"), "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["skipped"] == {"files": 1, "first": ["README.md"]}
    assert 1 in (told.get("imported"), told.get("would_import"), told.get("rows"))
    assert "not read of the folder: 1 file (README.md)" in said.err
