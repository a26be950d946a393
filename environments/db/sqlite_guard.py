"""Connections that an agent may use: authorizer, limits, deadline. Runs in the jailed worker.

SQLite parses what an agent wrote, and without these an agent ATTACHes and VACUUMs into host files (reference: sandbox
experiments, section 5). Standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from environments.db.sqlite_catalogue import quoted

_READ_PRAGMAS = frozenset(
    ("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list")
)
_REFUSED = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE}
)
_REFUSED_FUNCTIONS = frozenset(("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"))
_TOUCHES = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_READS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    }
)
_STEPS_BETWEEN_LOOKS = 10_000


class Held:
    """One database: its connection, and what the statement at hand touches."""

    def __init__(self, connection: sqlite3.Connection, reopen: Callable[[], sqlite3.Connection] | None) -> None:
        self.connection = connection
        self.reopen = reopen
        self.touched: set[str] = set()
        self.wrote = False

    def harden(self, limits: Mapping[str, Any], is_late: Callable[[], bool]) -> None:
        """Set limits, deadline and authorizer; whatever is done before this is ours."""
        connection = self.connection
        page_size, pages = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_size", "page_count"))
        growth = (int(limits["growth_mb"]) << 20) // page_size
        for pragma in (
            f"max_page_count={pages + growth}",
            f"temp.max_page_count={growth}",
            f"hard_heap_limit={int(limits['memory_mb']) << 20}",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, int(limits["value_bytes"]))
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
        connection.set_progress_handler(is_late, _STEPS_BETWEEN_LOOKS)
        connection.set_authorizer(self.authorize)

    def authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """Refuse what reaches outside the database; note the tables of the data."""
        name = (first or "").lower()
        if action in _REFUSED or name == "sqlite_dbpage":
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_PRAGMA and name not in _READ_PRAGMAS:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _REFUSED_FUNCTIONS:
            return sqlite3.SQLITE_DENY
        self.wrote |= action not in _READS
        if action in _TOUCHES and name and not name.startswith("sqlite_"):
            self.touched.add(first or "")
        return sqlite3.SQLITE_OK

    def view(self) -> sqlite3.Connection:
        """Return a copy that holds nothing of the agent's: no open transaction, no temporary table or view."""
        if self.connection.in_transaction:
            self.connection.rollback()
        if self.reopen is not None:
            return self.reopen()
        return deserialized(self.connection.serialize())


def deserialized(data: bytes) -> sqlite3.Connection:
    """Open a copy of a database in memory."""
    connection = _configured(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0))
    connection.deserialize(data)
    connection.execute("PRAGMA journal_mode=MEMORY").fetchall()
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """Open a file that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return _configured(sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=0))


def _configured(connection: sqlite3.Connection) -> sqlite3.Connection:
    # Text that is no UTF-8 stays visible and comparable instead of ending the statement.
    connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def built(tables: Sequence[Mapping[str, Any]]) -> bytes:
    """Make a database of inline tables and return its file's bytes."""
    connection = _configured(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0))
    try:
        for table in tables:
            _create(connection, table)
        return connection.serialize()
    finally:
        connection.close()


def _create(connection: sqlite3.Connection, table: Mapping[str, Any]) -> None:
    name, columns = quoted(table["name"]), [f"{quoted(c['name'])} {c['type']}" for c in table["columns"]]
    connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    marks = ", ".join("?" * len(columns))
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", table["rows"])
    connection.execute("COMMIT")
