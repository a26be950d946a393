"""Connections that an agent may use: authorizer, limits, deadline. Runs in the jailed worker.

SQLite parses what an agent wrote, and without these an agent ATTACHes and VACUUMs into host files (reference: sandbox
experiments, section 5). Standard library only.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.db.quoting import quoted
from environments.db.sqlite_catalogue import Catalogue, schema_version
from environments.db.sqlite_clock import stop_clock

_READ_PRAGMAS = frozenset(
    (
        *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"),
        "data_version",  # FTS5 reads it on its way to a table
    )
)
_REFUSED = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE}
)
_REFUSED_FUNCTIONS = frozenset(("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"))
_TOUCHES = frozenset({sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
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
_DEFINITIONS = (
    "SELECT sql FROM main.sqlite_schema WHERE type <> 'trigger' AND sql IS NOT NULL"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type = 'view', type = 'index', rowid"
)
_BREAKS_CONSTRAINT = re.compile(r"\S+ value in |CHECK constraint failed in ")


@dataclass(frozen=True)
class Template:
    """A database that many episodes begin with: its file's bytes, and what is in its catalogue."""

    data: bytes
    catalogue: Catalogue
    has_sound_keys: bool
    """Its foreign keys name tables and columns that can be referred to; else SQLite lets nobody write with them on."""


def template(data: bytes, *, is_checked: bool = False) -> Template:
    """Read the catalogue of a database's bytes.

    Raises:
        sqlite3.DatabaseError: its pages are damaged, where `is_checked` is not said.
    """
    connection = deserialized(data)
    try:
        if not is_checked:
            require_sound(connection)
        catalogue = Catalogue(connection)
        return Template(data, catalogue, has_sound_keys(connection, catalogue.offered))
    finally:
        connection.close()


def require_sound(connection: sqlite3.Connection) -> None:
    """Look at every page; a value that breaks a constraint is no damage, and published databases have some.

    Raises:
        sqlite3.DatabaseError: pages are damaged.
    """
    found = (str(row[0]) for row in connection.execute("PRAGMA quick_check"))
    damage = next((one for one in found if one != "ok" and not _BREAKS_CONSTRAINT.match(one)), None)
    if damage is not None:
        raise sqlite3.DatabaseError(f"the file is damaged: {' '.join(damage.split())[:200]}")


def has_sound_keys(connection: sqlite3.Connection, tables: Sequence[str]) -> bool:
    """Whether every table can be written with foreign keys on as it can with them off; rows may break them."""
    found = []
    for switch in ("ON", "OFF"):
        connection.execute(f"PRAGMA foreign_keys={switch}")
        found.append([_refusal(connection, f"EXPLAIN {sql}") for table in tables for sql in _writes(table)])
    return found[0] == found[1]


def _writes(table: str) -> tuple[str, str]:
    return f"INSERT INTO main.{quoted(table)} DEFAULT VALUES", f"DELETE FROM main.{quoted(table)}"


def _refusal(connection: sqlite3.Connection, sql: str) -> str:
    try:
        connection.execute(sql).fetchall()
    except sqlite3.Error as error:
        return str(error)
    return ""


class Held:
    """One database: its connection, its catalogue as it was opened, and what the statement at hand touches."""

    def __init__(self, made_of: Template | Path) -> None:
        """`made_of`: a template, which is copied, or a file that is too large for that and is read only."""
        self._made_of = made_of
        self._has_keys = isinstance(made_of, Template) and made_of.has_sound_keys
        if isinstance(made_of, Template):
            self.connection, self.catalogue = deserialized(made_of.data), made_of.catalogue
        else:
            self.connection = read_only(made_of)
            self.catalogue = Catalogue(self.connection)
        self.touched: set[str] = set()
        self.wrote = False
        self.changes = False
        """Whether it is an INSERT, UPDATE or DELETE of data, WITH before it or not."""

    def harden(
        self, limits: Mapping[str, Any], is_late: Callable[[], bool], clock: Sequence[int] | None = None
    ) -> None:
        """Set limits, deadline, keys and authorizer; whatever is done before this is ours.

        `clock` is for references alone: the second at which it stands, and 1 where chance falls the other way.
        """
        connection = self.connection
        page_size, pages = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_size", "page_count"))
        growth = (int(limits["growth_mb"]) << 20) // page_size
        connection.executescript(
            f"PRAGMA max_page_count={pages + growth};"
            f"PRAGMA temp.max_page_count={growth};"
            f"PRAGMA hard_heap_limit={int(limits['memory_mb']) << 20};"
            f"PRAGMA trusted_schema={'OFF' if clock is None else 'ON'};"  # defaults and triggers may read our clock
            f"PRAGMA foreign_keys={'ON' if self._has_keys else 'OFF'};"
        )
        if clock is not None:
            stop_clock(connection, *clock)
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
        self.changes |= action in _CHANGES and not name.startswith("sqlite_")
        if action in _TOUCHES and name and not name.startswith("sqlite_"):
            self.touched.add(first or "")
        return sqlite3.SQLITE_OK

    @contextmanager
    def viewed(self, viewer: Viewer) -> Iterator[tuple[sqlite3.Connection, Catalogue]]:
        """Show a copy that holds nothing of the agent's: no open transaction, no temporary table or view."""
        if self.connection.in_transaction:
            self.connection.rollback()
        if isinstance(self._made_of, Path):
            with closing(read_only(self._made_of)) as view:
                yield view, self.catalogue
            return
        data = self.connection.serialize()
        with viewer.shown(data) as view:
            is_as_made = schema_version(data) == schema_version(self._made_of.data)
            yield view, self.catalogue if is_as_made else Catalogue(view)


class Viewer:
    """A connection of ours that shows one copy after the other: to open one for each costs more than its copy."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def shown(self, data: bytes) -> Iterator[sqlite3.Connection]:
        """Show a copy of a database; a connection that something failed on is not used again."""
        connection, self._connection = self._connection or _memory(), None
        try:
            connection.deserialize(data)
            yield connection
            connection.deserialize(_NOTHING)
        except BaseException:
            connection.close()
            raise
        self._connection = connection


def deserialized(data: bytes) -> sqlite3.Connection:
    """Open a copy of a database in memory."""
    connection = _memory()
    connection.deserialize(data)
    connection.execute("PRAGMA journal_mode=MEMORY").fetchall()
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """Open a file that nobody writes."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return _configured(sqlite3.connect(uri, uri=True, isolation_level=None, cached_statements=0))


def _memory() -> sqlite3.Connection:
    return _configured(sqlite3.connect(":memory:", isolation_level=None, cached_statements=0))


def _configured(connection: sqlite3.Connection) -> sqlite3.Connection:
    # Text that is no UTF-8 stays visible and comparable instead of ending the statement.
    connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


@contextmanager
def strict_text(connection: sqlite3.Connection) -> Iterator[None]:
    """Read text faster; what is no UTF-8 is an `OperationalError`."""
    lenient, connection.text_factory = connection.text_factory, str
    try:
        yield
    finally:
        connection.text_factory = lenient


def built(tables: Sequence[Mapping[str, Any]]) -> bytes:
    """Make a database of inline tables and return its file's bytes."""
    connection = _memory()
    try:
        for table in tables:
            _create(connection, table)
        return connection.serialize()
    finally:
        connection.close()


def emptied(made_of: Template | Path) -> bytes:
    """Make a database with the same tables, indexes and views and no row; return its file's bytes."""
    source = deserialized(made_of.data) if isinstance(made_of, Template) else read_only(made_of)
    with closing(source), closing(_memory()) as empty:
        for (sql,) in source.execute(_DEFINITIONS):
            with suppress(sqlite3.Error):  # of an extension that is not here, or a shadow table made with its own
                empty.execute(sql)
        return empty.serialize()


def _create(connection: sqlite3.Connection, table: Mapping[str, Any]) -> None:
    name, columns = quoted(table["name"]), [f"{quoted(c['name'])} {c['type']}" for c in table["columns"]]
    connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    marks = ", ".join("?" * len(columns))
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", table["rows"])
    connection.execute("COMMIT")


_NOTHING = built([{"name": "nothing", "columns": [{"name": "a", "type": ""}], "rows": []}])
"""What a viewer holds between two views, so that it keeps no memory."""
