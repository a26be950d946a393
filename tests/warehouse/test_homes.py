"""Homes that were moved, copied, backed up, spoiled, or written by another version."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from commands.cli import run
from commands.home_findings import examine_home
from flows.own_home import own_home
from reports.funnel import releases
from schemas.errors import ConfigError
from warehouse import delta
from warehouse.state import State
from warehouse.warehouse import Warehouse

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "home-12dff63" / "home.tar.xz"


@pytest.fixture
def home(tmp_path: Path, make: Any) -> Path:
    folder = tmp_path / "first" / "home"
    warehouse = Warehouse(folder)
    warehouse.land("rejections", [make.rejection(1)], key="a")
    warehouse.land("rejections", [make.rejection(2)], key="b")
    warehouse.write_catalog()
    State(folder).open_build("build", "hash", "{}", "{}")
    return folder


def seen_by_others(home: Path) -> int:
    """Count as the DuckDB CLI does."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as opened:
        return int(opened.execute("SELECT count(*) FROM rejections").fetchall()[0][0])


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_a_home_in_another_place_reads_its_own_rows_at_once(home, tmp_path, how, make, monkeypatch):
    there = tmp_path / "second place" / "home"
    there.parent.mkdir()
    how(str(home), str(there))
    Warehouse(there).land("rejections", [make.rejection(3)], key="c")
    monkeypatch.setenv("TRAJMILL_HOME", str(there))
    assert run(["sql", "SELECT count(*) FROM rejections", "--home", str(there)]) == 0
    assert seen_by_others(there) == Warehouse(there).count("rejections") == 3
    if home.exists():
        assert seen_by_others(home) == Warehouse(home).count("rejections") == 2


def test_a_moved_home_tells_its_releases_where_they_lie_now(tmp_path):
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "elsewhere").mkdir()
    home = shutil.move(tmp_path / "home", tmp_path / "elsewhere" / "home")
    (row,) = releases(Warehouse(home)).rows
    assert Path(row[-1]) == home / "releases" / row[0] and Path(row[-1]).is_dir()


def test_a_backup_that_is_restored_elsewhere_is_the_same_home(home, tmp_path):
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
        ledger.execute("CREATE TABLE completions (x)")
        ledger.execute("INSERT INTO completions VALUES (1)")
        ledger.commit()
    backup, restored = tmp_path / "backup", tmp_path / "restored"
    shutil.copytree(home, backup, ignore=shutil.ignore_patterns("prefect", "ledger.sqlite*"))
    with (
        closing(sqlite3.connect(home / "ledger.sqlite")) as ledger,
        closing(sqlite3.connect(backup / "ledger.sqlite")) as copy,
    ):
        ledger.backup(copy)
    shutil.rmtree(home)
    shutil.copytree(backup, restored)
    Warehouse(restored).settle_catalog()
    assert seen_by_others(restored) == 2
    assert all(finding.works for finding in examine_home(restored)), list(examine_home(restored))
    assert State(restored).has_unfinished()


def test_a_home_of_an_earlier_version_is_opened_as_it_is_and_stamped_by_the_next_run(tmp_path):
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "home"
    assert not (home / "home.json").exists()
    rows = Warehouse(home).count("episodes")
    assert rows > 0 and not [one for one in examine_home(home) if not one.works]
    Warehouse(home).write_catalog()
    assert json.loads((home / "home.json").read_bytes())["form"] == 1
    assert Warehouse(home).count("episodes") == rows


@pytest.mark.parametrize(
    ("stamp", "said"),
    [
        (b'{"form": 2}', "was written by a newer Trajmill"),
        (b'{"form": 99, "catalog_of": 3}', "update Trajmill"),
        (b'{"form": "x"}', "remove it: it is written anew"),
        (b'{"form": 0}', "remove it: it is written anew"),
        (b"", "remove it: it is written anew"),
        (b"\xff" * 99, "remove it: it is written anew"),
        (b"[" * 9999, "remove it: it is written anew"),
    ],
)
def test_a_stamp_that_is_newer_or_damaged_is_told_in_a_sentence(home, stamp, said, capsys):
    (home / "home.json").write_bytes(stamp)
    for opened in (lambda: Warehouse(home), lambda: own_home(home).__enter__()):
        with pytest.raises(ConfigError, match=said):
            opened()
    assert run(["status", "--home", str(home)]) == 2
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told and len(told.strip().splitlines()) == 1


JUNK = b"SQLite format 3\0junk"
SPOILS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a state of 0 bytes": ("state.sqlite", lambda home: _empty(home / "state.sqlite"), "not continued"),
    "half a ledger": (
        "ledger.sqlite",
        lambda home: (home / "ledger.sqlite").write_bytes(JUNK),
        "damaged or cut off",
    ),
    "another file as ledger": (
        "ledger.sqlite",
        lambda home: (home / "ledger.sqlite").write_bytes(b"PK" * 999),
        "no SQLite database",
    ),
    "a ledger of 0 bytes": ("ledger.sqlite", lambda home: (home / "ledger.sqlite").write_bytes(b""), "copy"),
    "a table's file": ("table rejections", lambda home: _files(home)[0].write_bytes(b"junk"), "copy"),
    "a table's file of 0 bytes": ("table rejections", lambda home: _files(home)[0].write_bytes(b""), "copy"),
    "a table's file gone": ("table rejections", lambda home: _files(home)[0].unlink(), "copy"),
    "the newest entry lost": ("table rejections", lambda home: _log(home)[-1].unlink(), "copy"),
    "the newest entry lost, and another landed since": (
        "table rejections",
        lambda home: _land_after_a_loss(home),
        "copy",
    ),
    "a file with fewer rows": ("table rejections", lambda home: _thin_out(_files(home)[0]), "copy"),
    "an entry of 0 bytes": ("table rejections", lambda home: _log(home)[1].write_bytes(b""), "copy"),
    "an entry gone in between": ("table rejections", lambda home: _log(home)[1].unlink(), "copy"),
    "a release": ("release abc", lambda home: (home / "releases" / "abc").mkdir(parents=True), "trajmill publish"),
}


def _empty(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()
    path.touch()


def _land_after_a_loss(home: Path) -> None:
    """The log has as many entries as before: its version says nothing."""
    _log(home)[-1].unlink()
    delta._seen.clear()
    assert Warehouse(home).land("rejections", [], key="c") == 0


def _thin_out(path: Path) -> None:
    pq.write_table(pq.read_table(path).slice(1), path)


def _files(home: Path) -> list[Path]:
    return sorted((home / "tables" / "rejections").glob("*.parquet"))


def _log(home: Path) -> list[Path]:
    return sorted((home / "tables" / "rejections" / "_delta_log").glob("*.json"))


@pytest.mark.parametrize("spoil", SPOILS)
def test_doctor_says_what_is_damaged_and_what_can_be_had_back(home, spoil, capsys, monkeypatch):
    """The newest entry of a log is lost without a trace: `status` says so, too."""
    monkeypatch.setenv("TRAJMILL_HOME", str(home))
    what, do, fix = SPOILS[spoil]
    assert all(finding.works for finding in examine_home(home))
    do(home)
    delta._seen.clear()  # as in another process
    broken = [finding for finding in examine_home(home) if not finding.works]
    assert [finding.what for finding in broken] == [what]
    assert fix in broken[0].fix and broken[0].found and "\n" not in broken[0].found
    if "newest" in spoil:
        assert run(["status", "--home", str(home)]) == 0
        assert "rejections has lost landings: its log " in capsys.readouterr().err


def test_reading_a_home_that_may_not_be_written_works(home, tmp_path, capsys):
    there = tmp_path / "copy"
    shutil.copytree(home, there)
    subprocess.run(["chmod", "-R", "a-w", str(there)], check=True)
    try:
        assert run(["sql", "SELECT count(*) AS n FROM rejections", "--json", "--home", str(there)]) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == [[2]]
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(there)], check=True)
