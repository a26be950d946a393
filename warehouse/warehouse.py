"""The warehouse: Delta tables under `<home>/tables`, read through DuckDB.

Our own readers and writers hold a shared lock for as long as they look at files; `gc` holds it alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ConfigError, WarehouseError
from schemas.record import digest
from schemas.tables import TABLES
from warehouse.columns import from_arrow
from warehouse.delta import NOTHING, Rows, TableSnapshot, count_logged, land_rows, open_table, take_snapshot
from warehouse.digests import digest_rows, lasting_keys
from warehouse.home_stamp import Extent, extents_seen, is_catalog_here, require_known_form, stamp_home
from warehouse.reading_only import lock_down, require_reading
from warehouse.upkeep import Upkeep, tidy_table
from warehouse.views import OFFLINE, VIEWS, create_views, needed_views, tables_of

RECORDS = {**{name: table.record for name, table in TABLES.items()}, "latest_episodes": TABLES["episodes"].record}
Versions = Mapping[str, int]

pa.set_memory_pool(pa.system_memory_pool())  # the default keeps what was freed: 65 MB of 590 in a publication

_BATCH_ROWS = 1000
_BLOCK_ROWS = 10_000
"""Rows that are sorted together."""


UNUSABLE = "[]*?%|^\\"
"""Characters of a path that deltalake 1.6 reads as part of a URL, or DuckDB as a pattern."""


def _require_usable(home: Path) -> None:
    found = sorted(set(UNUSABLE) & set(str(home)))
    if found:
        raise ConfigError(f"the tables cannot lie under {home}: no {' '.join(found)} in the path. Give another --home.")


class Warehouse:
    """The tables of one home. Safe under threads and processes; holds nothing but a DuckDB instance in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        _require_usable(self.home)
        require_known_form(self.home)
        self.tables = self.home / "tables"
        try:
            self.tables.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"{self.tables} cannot be made: {error}. Give another --home.") from error
        self._duck = duckdb.connect(config=OFFLINE)
        self._duck.execute("SET GLOBAL TimeZone = 'UTC'")
        self._duck.execute("SET GLOBAL parquet_metadata_cache = true")  # files never change under their name
        # what a query is done with goes back, and a row group is read column by column: 140 MB of 620 in a validation
        self._duck.execute("SET GLOBAL allocator_background_threads = true")
        self._duck.execute("SET GLOBAL disable_parquet_prefetching = true")
        self._duck.execute("SET GLOBAL threads = 1")  # each holds a row group of its own; `connect` has all of them

    def land(self, table: str, rows: Rows, *, key: str, version: int = 1, after: int | None = None) -> int:
        """Land rows exactly once per (table, key), and return how many landed: 0 if the key had.

        No rows are a landing too: the key is recorded. A key may grow: it lands again with a higher `version`. Who
        computes rows from the key's version passes it as `after` (0: never landed); if another landing came in between,
        nothing lands.

        Raises:
            WarehouseError: the table could not be written.
        """
        with self._locked(fcntl.LOCK_SH):
            return land_rows(self._path(table), TABLES[table], rows, key=key, version=version, after=after)

    def has_landed(self, table: str, key: str) -> bool:
        """Whether a landing of this key stands."""
        return self.landed_version(table, key) is not None

    def landed_version(self, table: str, key: str) -> int | None:
        """Return the version that a key was last landed with; None = never."""
        with self._locked(fcntl.LOCK_SH):
            delta = open_table(self._path(table))
            version: int | None = delta.transaction_version(key) if delta else None
        return version

    def read(
        self,
        table: str,
        where: str = "",
        parameters: Sequence[object] = (),
        *,
        order_by: str = "",
        versions: Versions | None = None,
    ) -> list[Any]:
        """Read records of a table (or `latest_episodes`), sorted by its keys unless `order_by` says otherwise.

        `where` is SQL over any of the views.
        """
        record = RECORDS[table]
        keys = TABLES["episodes" if table == "latest_episodes" else table].keys
        sql = f"SELECT * FROM {table}" + (f" WHERE {where}" if where else "")
        sql += f" ORDER BY {order_by or ', '.join(_quoted(key) for key in keys)}"
        with self._cursor(sql, versions) as cursor:
            return from_arrow(record, _rows(cursor, sql, parameters))

    def column(self, table: str, column: str, where: str = "", parameters: Sequence[object] = ()) -> list[Any]:
        """Read one column or expression, sorted by it."""
        sql = f"SELECT {column} FROM {table}" + (f" WHERE {where}" if where else "") + " ORDER BY 1"
        return [row[0] for row in self.query(sql, parameters)]

    def count(self, table: str, where: str = "", parameters: Sequence[object] = ()) -> int:
        """Count rows."""
        return int(self.query(f"SELECT count(*) FROM {table}" + (f" WHERE {where}" if where else ""), parameters)[0][0])

    def query(
        self, sql: str, parameters: Sequence[object] = (), *, versions: Versions | None = None
    ) -> list[tuple[Any, ...]]:
        """Run SQL of our own over the views it names, and return its rows."""
        with self._cursor(sql, versions) as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def frame(self, sql: str, parameters: Mapping[str, object]) -> Any:
        """Run SQL of our own over the views it names, and return a pandas frame."""
        with self._cursor(sql) as cursor:
            return cursor.sql(sql, params=dict(parameters)).df()

    def columns(self, sql: str, parameters: Sequence[object] = (), *, versions: Versions | None = None) -> pa.Table:
        """Run SQL of our own over the views it names, and return its rows as columns."""
        with self._cursor(sql, versions) as cursor:
            return cursor.sql(sql, params=list(parameters)).to_arrow_table()

    def sql(
        self, query: str, parameters: Sequence[object] = (), *, versions: Versions | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a person's SQL over all views, as of now or of `versions`: columns and rows.

        Raises:
            ConfigError: the query is none, does more than read, or fails.
        """
        try:
            require_reading(query)
            with self._locked(fcntl.LOCK_SH), self.connect(versions) as connection:
                lock_down(connection, [file for one in self.snapshots(TABLES).values() for file in one.files])
                cursor = connection.execute(query, list(parameters))
                return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except duckdb.Error as error:
            raise ConfigError(
                f"The query fails: {error}\nThe views are: {', '.join(VIEWS)}; columns: docs/tables.md."
            ) from error

    def connect(self, versions: Versions | None = None) -> duckdb.DuckDBPyConnection:
        """Open an in-memory connection with all views, as of now or of `versions` (tables not named: now).

        It sees what had landed when it was opened; a later `gc` may take its files away: connect again.
        """
        with _damage_told():
            connection = duckdb.connect(config=OFFLINE)
            connection.execute("SET TimeZone = 'UTC'")
            create_views(connection, VIEWS, self.snapshots(TABLES, versions))
        return connection

    def snapshots(self, tables: Iterable[str], versions: Versions | None = None) -> dict[str, TableSnapshot]:
        """Return the snapshots of tables, as of now or of `versions`."""
        versions = versions or {}
        # `episodes` before `turns`, as in TABLES: turns land first, so none of a seen episode is missed.
        return {name: take_snapshot(self._path(name), TABLES[name], versions.get(name)) for name in tables}

    def versions(self) -> dict[str, int]:
        """Return the version of every table; -1 = nothing has landed."""
        with self._locked(fcntl.LOCK_SH):
            return {name: snapshot.version for name, snapshot in self.snapshots(TABLES).items()}

    def losses(self) -> dict[str, str]:
        """Say of each table whose log has fewer landings or rows than when the home was last worked on what is gone.

        A log that ends early looks like any other; one that has grown since has its version again, but not its rows.

        Raises:
            ConfigError: the stamp is damaged.
        """
        with self._locked(fcntl.LOCK_SH):
            now = self._extents()
        told = {}
        for name, seen in extents_seen(self.home).items():
            at = now.get(name, Extent(NOTHING, 0))
            if at.version < seen.version:
                told[name] = f"its log ends at {at.version}, and had come to {seen.version}"
            elif at.rows < seen.rows:
                told[name] = f"its log has {at.rows:,} rows, and had {seen.rows:,}"
        return told

    def missing_rows(self, table: str) -> int:
        """Return how many rows of a table its log has and its files have not."""
        with self._locked(fcntl.LOCK_SH), _damage_told():
            logged, files = count_logged(self._path(table)), self.snapshots([table])[table].files
            held = sum(int(pq.read_metadata(file).num_rows) for file in files)
        return logged - held

    def _extents(self) -> dict[str, Extent]:
        return {
            name: Extent(one.version, count_logged(self._path(name))) for name, one in self.snapshots(TABLES).items()
        }

    def fingerprint(self, tables: Iterable[str]) -> str:
        """Return what changes whenever one of the tables does, without reading a row; `gc` changes it as well."""
        with self._locked(fcntl.LOCK_SH):
            snapshots = self.snapshots(tables)
        # the names of a table's files are drawn anew for each, so equal names are equal rows
        return digest({name: [Path(file).name for file in one.files] for name, one in snapshots.items()})

    def digest(
        self, table: str, version: int | None = None, *, versions: Versions | None = None, of: str | None = None
    ) -> str:
        """Return the digest of a table, as of a version; for `turns`, `versions` may pin `episodes` too.

        `of`: a query of some of its rows, whose digest it is then.
        """
        pinned = {**(versions or {}), **({} if version is None else {table: version})}
        source = (of and f"({of})") or table
        with self._cursor(source, pinned) as cursor:
            return digest_rows(TABLES[table], _rows_in_blocks(cursor, source, lasting_keys(TABLES[table])))

    def write_catalog(self) -> Path:
        """Write `<home>/warehouse.duckdb`, views only, for the DuckDB CLI, DBeaver and notebooks; return its path."""
        path, draft = self.home / "warehouse.duckdb", self.home / ".warehouse.duckdb"
        with self._locked(fcntl.LOCK_EX), _damage_told(), duckdb.connect(config=OFFLINE) as connection:
            draft.unlink(missing_ok=True)
            # An old storage version, so that tools with an older DuckDB open it.
            connection.execute(f"ATTACH '{_escaped(draft)}' AS catalog (STORAGE_VERSION 'v1.2.0')")
            connection.execute("USE catalog")
            create_views(connection, VIEWS, self.snapshots(TABLES))
            connection.execute("USE memory")
            connection.execute("DETACH catalog")
            draft.replace(path)
            stamp_home(self.home, self._extents())
        return path

    def settle_catalog(self) -> None:
        """Write the catalogue anew where the home was moved or copied: its views would read the place it came from."""
        if (self.home / "warehouse.duckdb").exists() and not is_catalog_here(self.home):
            with contextlib.suppress(OSError, duckdb.Error, WarehouseError):  # it may be somebody else's to write
                self.write_catalog()

    def gc(self) -> Upkeep:
        """Compact every table, remove files and log that nothing needs, and write the catalog anew.

        Keys stay landed and every version readable, for rows carry the version that landed them. Waits for readers and
        writers on this machine; on a file system of several machines run it while nothing else runs.
        """
        with self._locked(fcntl.LOCK_EX):
            before = Upkeep.measure(self.tables)
            for name in TABLES:
                tidy_table(self._path(name))
            after = Upkeep.measure(self.tables)
        self.write_catalog()
        return after.since(before)

    def _path(self, table: str) -> Path:
        if table not in TABLES:
            raise WarehouseError(f"There is no table {table!r}. Tables: {', '.join(TABLES)}.")
        return self.tables / table

    @contextlib.contextmanager
    def _cursor(self, sql: str, versions: Versions | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor that has the views which the SQL names."""
        views = needed_views(sql)
        with self._locked(fcntl.LOCK_SH), _damage_told(), self._duck.cursor() as cursor:
            create_views(cursor, views, self.snapshots(tables_of(views), versions), kind="TEMP VIEW")
            yield cursor

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        handle = os.open(self.tables, os.O_RDONLY)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Tell a damaged or missing file of a table; its name is in what DuckDB says.

    Raises:
        WarehouseError: what was read of the tables cannot be.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise WarehouseError(
            f"the tables cannot be read: {error}. If a file is damaged or gone, restore it from a copy, or use "
            "another --home."
        ) from error


def _rows(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> Iterator[dict[str, Any]]:
    for batch in cursor.sql(sql, params=list(parameters)).to_arrow_reader(_BATCH_ROWS):
        yield from batch.to_pylist()


def _rows_in_blocks(cursor: duckdb.DuckDBPyConnection, source: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield rows sorted by their keys, a block at a time: what is sorted as a whole lies in memory as a whole."""
    first, order = _quoted(keys[0]), ", ".join(map(_quoted, keys))
    numbered = f"SELECT {first}, row_number() OVER (ORDER BY {first}) AS number FROM {source}"
    ends = f"SELECT DISTINCT {first} FROM ({numbered}) WHERE number % {_BLOCK_ROWS} = 0 ORDER BY 1"
    bounds = [None, *(end for (end,) in cursor.execute(ends).fetchall()), None]
    for low, high in itertools.pairwise(bounds):
        within = f"coalesce({first} > $1, true) AND coalesce({first} <= $2, true)"
        yield from _rows(cursor, f"SELECT * FROM {source} WHERE {within} ORDER BY {order}", (low, high))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
