"""What a home remembers that is not data: builds, their plans, and the journal of rollouts under way.

A small SQLite file beside the tables. WAL with synchronous=NORMAL keeps every commit through the death of the process,
not through a power cut: a journal that lost its last turns costs those turns, never a wrong row.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from schemas.build_entry import BuildEntry
from schemas.errors import WarehouseError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, config_hash TEXT NOT NULL, config_json TEXT NOT NULL,
    started_at TEXT NOT NULL, finished_at TEXT, abandoned INTEGER NOT NULL DEFAULT 0, began_with TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS plans (
    build INTEGER NOT NULL, stage TEXT NOT NULL, part TEXT NOT NULL, items TEXT NOT NULL,
    PRIMARY KEY (build, stage, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    episode_id TEXT NOT NULL, try_number INTEGER NOT NULL, position INTEGER NOT NULL,
    action TEXT NOT NULL, observation TEXT NOT NULL, PRIMARY KEY (episode_id, try_number, position)
) STRICT, WITHOUT ROWID;
"""

WHOLE = "build"
"""The kind whose numbers count up from 1; those of a stage that is run by itself count down from -1."""

_UNFINISHED = (
    "SELECT number, config_hash, config_json, began_with FROM builds "
    "WHERE kind = ? AND finished_at IS NULL AND NOT abandoned"
)
_BUSY_SECONDS = 30.0


@dataclass(frozen=True)
class Build:
    """One build, or a stage that is run by itself; numbers are unique over kinds."""

    number: int
    """From 1; of a stage by itself from -1 downwards (homes of earlier versions have such among the builds)."""
    resumed: bool
    """Whether it stood unfinished and is continued."""
    config_hash: str
    """As it was opened first; differs from the caller's where the configuration has changed since."""
    config_json: str = ""
    """The whole configuration that it began with."""
    began_with: str | None = None
    """What else it began with, as JSON; None = it began before this was kept."""


@dataclass(frozen=True)
class JournalEntry:
    """One journalled turn."""

    index: int
    action: str
    observation: str


class State:
    """The state of one home; safe for the threads of one process and for several processes."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.path = home / "state.sqlite"
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        with self._told():
            _patient(self._connection.execute, "PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
            self._grow()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _grow(self) -> None:
        """Give a file of an earlier version the columns that came since."""
        if "began_with" not in {row[1] for row in self._connection.execute("PRAGMA table_info(builds)")}:
            with contextlib.suppress(sqlite3.OperationalError):  # another process was first
                self._connection.execute("ALTER TABLE builds ADD COLUMN began_with TEXT")

    def unfinished_build(self, kind: str) -> Build | None:
        """Return the build of a kind that waits to be continued, if there is one."""
        rows = self._select(_UNFINISHED, (kind,))
        return Build(rows[0][0], True, *rows[0][1:]) if rows else None

    def open_build(self, kind: str, config_hash: str, config_json: str, began_with: str | None = None) -> Build:
        """Continue the unfinished build of a kind, or start the next."""
        with self._transaction() as db:
            row = db.execute(_UNFINISHED, (kind,)).fetchone()
            if row:
                return Build(row[0], True, *row[1:])
            most = "max(max(number), 0) + 1" if kind == WHOLE else "min(min(number), 0) - 1"
            number = db.execute(f"SELECT coalesce({most}, {1 if kind == WHOLE else -1}) FROM builds").fetchone()[0]
            db.execute(
                "INSERT INTO builds (number, kind, config_hash, config_json, started_at, began_with) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (number, kind, config_hash, config_json, _now(), began_with),
            )
            return Build(number, False, config_hash, config_json, began_with)

    def finish_build(self, number: int) -> None:
        """Mark a build as done; the next of its kind takes a new number."""
        with self._transaction() as db:
            db.execute("UPDATE builds SET finished_at = ? WHERE number = ? AND finished_at IS NULL", (_now(), number))

    def abandon_build(self, number: int) -> None:
        """Give an unfinished build up; what it landed stays."""
        with self._transaction() as db:
            db.execute("UPDATE builds SET abandoned = 1 WHERE number = ? AND finished_at IS NULL", (number,))

    def has_unfinished(self) -> bool:
        """Whether a build of any kind waits to be continued."""
        return bool(self._select("SELECT 1 FROM builds WHERE finished_at IS NULL AND NOT abandoned LIMIT 1"))

    def config_of(self, number: int) -> str:
        """Return the configuration that a build was opened with, as JSON.

        Raises:
            WarehouseError: there is no such build.
        """
        rows = self._select("SELECT config_json FROM builds WHERE number = ?", (number,))
        if not rows:
            raise WarehouseError(f"{self.path} knows no build {number}. Is this the right --home?")
        return str(rows[0][0])

    def began_with(self, number: int) -> str | None:
        """Return what a build began with beside its configuration; None = it began before this was kept."""
        rows = self._select("SELECT began_with FROM builds WHERE number = ?", (number,))
        return rows[0][0] if rows else None

    def last_build(self) -> int | None:
        """Return the number of the build, or of the stage by itself, that began last; None = there was none yet."""
        rows = self._select("SELECT number FROM builds ORDER BY started_at DESC, abs(number) DESC LIMIT 1")
        return rows[0][0] if rows else None

    def stages_alone(self) -> list[int]:
        """Return the numbers of the stages that were run by themselves."""
        return [row[0] for row in self._select("SELECT number FROM builds WHERE kind <> ? ORDER BY number", (WHOLE,))]

    def build_entries(self) -> list[BuildEntry]:
        """Return what has become of every build, each beginning before its end, in the order of numbers."""
        rows = self._select(
            "SELECT number, kind, config_hash, coalesce(json_extract(config_json, '$.name'), ''), started_at, "
            "finished_at, abandoned FROM builds ORDER BY number"
        )
        return [entry for row in rows for entry in _entries(*row)]

    def plan(self, build: int, stage: str, part: str, make: Callable[[], list[str]]) -> list[str]:
        """Return the ordered plan of a build's stage: `make` makes it on the first call, later calls read it back."""
        key = (build, stage, part)
        found = self._select("SELECT items FROM plans WHERE build = ? AND stage = ? AND part = ?", key)
        if not found:
            items = json.dumps(make())
            with self._transaction() as db:  # of two that made it, the first stands
                db.execute("INSERT OR IGNORE INTO plans (build, stage, part, items) VALUES (?, ?, ?, ?)", (*key, items))
            found = self._select("SELECT items FROM plans WHERE build = ? AND stage = ? AND part = ?", key)
        plan: list[str] = json.loads(found[0][0])
        return plan

    def plans(self, build: int, stage: str) -> dict[str, list[str]]:
        """Return the stored plans of a build's stage, by part."""
        rows = self._select("SELECT part, items FROM plans WHERE build = ? AND stage = ? ORDER BY part", (build, stage))
        return {part: json.loads(items) for part, items in rows}

    def journal(self, episode_id: str, try_number: int) -> list[JournalEntry]:
        """Return what is journalled of a rollout, in order."""
        columns, where = "position, action, observation", "episode_id = ? AND try_number = ?"
        rows = self._select(f"SELECT {columns} FROM journal WHERE {where} ORDER BY position", (episode_id, try_number))
        return [JournalEntry(*row) for row in rows]

    def append(self, episode_id: str, try_number: int, index: int, action: str, observation: str) -> None:
        """Journal one turn; the same turn twice is one.

        Raises:
            WarehouseError: another turn is journalled at this index.
        """
        row = (episode_id, try_number, index, action, observation)
        with self._told(), self._lock:
            done = self._connection.execute("INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?)", row)
        if done.rowcount == 0 and JournalEntry(index, action, observation) not in self.journal(episode_id, try_number):
            raise WarehouseError(
                f"Turn {index} of episode {episode_id} is journalled with another action or observation. "
                "Is a second build running on this home? Stop one and run again."
            )

    def clear_journal(self, episode_ids: Iterable[str]) -> None:
        """Forget rollouts that have landed."""
        with self._transaction() as db:
            db.executemany("DELETE FROM journal WHERE episode_id = ?", [(episode_id,) for episode_id in episode_ids])

    def journalled(self) -> list[tuple[str, int]]:
        """Return episode and try of each rollout that is journalled."""
        return self._select("SELECT DISTINCT episode_id, try_number FROM journal ORDER BY 1, 2", ())

    def count_journalled(self) -> int:
        """Count the rollouts under way: journalled and not landed."""
        sql = "SELECT count(*) FROM (SELECT DISTINCT episode_id, try_number FROM journal)"
        return int(self._select(sql)[0][0])

    def _select(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._told(), self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._told(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise WarehouseError(f"{self.path}: {error}. {_advice(error)}") from error


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)  # the module's own errors have none
    if code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "The file is damaged: restore it from a copy, or use another --home."
    return "Look at the disk's space and rights, and whether another program holds it."


_patient = Retrying(
    retry=retry_if_exception_message(match="database is locked"),
    stop=stop_after_delay(_BUSY_SECONDS),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
"""The switch to WAL does not wait for another process that switches or writes at that moment: it is tried again."""


def _entries(
    number: int, kind: str, config_hash: str, config: str, started: str, finished: str | None, abandoned: int
) -> Iterator[BuildEntry]:
    begun = BuildEntry(
        number=number,
        kind=kind,
        status="begun",
        config=config,
        config_hash=config_hash,
        happened_at=datetime.fromisoformat(started),
    )
    yield begun
    if finished:
        yield begun.model_copy(update={"status": "finished", "happened_at": datetime.fromisoformat(finished)})
    elif abandoned:
        yield begun.model_copy(update={"status": "abandoned", "happened_at": None})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
