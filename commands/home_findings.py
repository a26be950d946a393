"""What `doctor` says of a home: whether each of its parts can be read, and what can be had back where one cannot."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from formats.releases.huggingface import verify_release
from schemas.errors import TrajmillError
from schemas.tables import TABLES
from tasks.open_ledger import lost_ledger
from teachers.ledger.damage import WIPED_BACK, advise
from warehouse.home_stamp import extents_seen, require_known_form
from warehouse.warehouse import Warehouse


class HomeFinding(NamedTuple):
    """One part of a home."""

    what: str
    works: bool
    found: str
    fix: str = ""


_ROWS_BACK = (
    "restore tables/ from a copy; without one, move it away: answers in the ledger are not paid again, a build makes "
    "other tasks of its own number"
)
_STATE_BACK = "restore it from a copy, or remove it: an unfinished build is then not continued, finished rows stay"
_RELEASE_BACK = "remove the folder and run `trajmill publish`: from the same tables come the same bytes"


def examine_home(home: Path) -> Iterator[HomeFinding]:
    """Try each part for real; nothing is changed, and one that is not there yet is not told."""
    yield _tried("home", lambda: _form(home), "")
    for name in TABLES:
        if (home / "tables" / name).exists():
            yield _tried(f"table {name}", lambda name=name: _table(home, name), _ROWS_BACK)  # type: ignore[misc]
    if (home / "state.sqlite").exists():
        yield _tried("state.sqlite", lambda: _sqlite(home / "state.sqlite"), _STATE_BACK)
    if (home / "ledger.sqlite").exists():
        yield _ledger(home)
    for folder in sorted((home / "releases").glob("[!.]*")):
        yield _tried(f"release {folder.name[:12]}", lambda folder=folder: _release(folder), _RELEASE_BACK)  # type: ignore[misc]


def _tried(what: str, probe: Callable[[], str], fix: str) -> HomeFinding:
    try:
        return HomeFinding(what, True, probe())
    except (TrajmillError, sqlite3.Error, OSError, ValueError) as error:
        return HomeFinding(what, False, " ".join(str(error).split())[:300], fix)


def _form(home: Path) -> str:
    require_known_form(home)
    extents_seen(home)
    return str(home)


def _table(home: Path, name: str) -> str:
    warehouse = Warehouse(home)
    rows = warehouse.count(name)
    if loss := warehouse.losses().get(name):
        raise ValueError(f"it has lost landings: {loss}; {rows:,} rows are left")
    if missing := warehouse.missing_rows(name):
        raise ValueError(f"its files are not those of its log: {missing:,} rows are missing")
    warehouse.query(f"SELECT bit_xor(hash({name})) FROM {name}")  # reads every row whole
    return f"{rows:,} rows"


def _sqlite(path: Path) -> str:
    if path.stat().st_size == 0:
        raise ValueError(f"{path} has 0 bytes")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as file:
        said = [str(row[0]) for row in file.execute("PRAGMA quick_check(3)")]
        if said != ["ok"]:
            raise sqlite3.DatabaseError(f"{path} is damaged: {'; '.join(said)}")
        names = [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        counts = [f"{name} {file.execute(f'SELECT count(*) FROM {name}').fetchone()[0]:,}" for name in names]
    return ", ".join(counts)


def _ledger(home: Path) -> HomeFinding:
    path = home / "ledger.sqlite"
    try:
        if said := lost_ledger(Warehouse(home), path):
            return HomeFinding(path.name, False, said, WIPED_BACK)
        return HomeFinding(path.name, True, _sqlite(path) if path.stat().st_size else "0 bytes, to be begun")
    except (TrajmillError, sqlite3.Error, OSError) as error:
        return HomeFinding(path.name, False, " ".join(str(error).split())[:300], advise(error, path))


def _release(folder: Path) -> str:
    return ", ".join(f"{name} {rows:,}" for name, rows in verify_release(folder).items())
