"""One Delta table: landing exactly once, and the snapshot that readers read.

A landing is one Delta commit that holds the rows and the key (an app-transaction). It commits at exactly the version
after the one it looked at, or not at all: so a key never lands twice, and every row carries the version that landed it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import InputError, WarehouseError
from schemas.record import Record
from schemas.tables import Table
from warehouse.columns import VERSION_COLUMN, record_schema, to_arrow

NOTHING = -1
"""Version of a table that does not exist yet: a snapshot at it holds no rows."""

_PROPERTIES = {
    "delta.checkpointInterval": "20",  # a log without a checkpoint costs 0.35 ms a commit to load
    # Expired log is removed by gc alone, under its lock: a stale writer could otherwise commit below the checkpoint.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 0 seconds",
}

_MAX_RACES = 1000
_RESTORE = "Restore it from a copy, or use another --home."
_COMMIT = re.compile(r"\d{20}\.json")
_seen: set[str] = set()
"""Commits that this process has looked at: they never change under their name."""


@dataclass(frozen=True)
class TableSnapshot:
    """A table as of one version; rows of later commits may lie in its files and are filtered out by `_version`."""

    table: Table
    version: int
    files: tuple[str, ...]
    """Absolute paths, from the Delta log, never from a listing: a listing shows what was never committed."""
    columns: frozenset[str]


def open_table(path: Path) -> DeltaTable | None:
    """Open the newest version, or return None where nothing has landed yet.

    Raises:
        WarehouseError: something lies there that cannot be read as a table.
    """
    _check_log(path / "_delta_log")
    try:
        return DeltaTable(path)
    except TableNotFoundError:
        if any(path.glob("*.parquet")) and not any((path / "_delta_log").glob("*.json")):
            raise WarehouseError(f"{path} cannot be read: its rows are there, its log is not. {_RESTORE}") from None
        return None
    except (DeltaError, OSError) as error:
        raise WarehouseError(f"{path} cannot be read: {error}. {_RESTORE}") from error


def _check_log(folder: Path) -> None:
    """Look at each commit of a log once: an empty one would be passed over with its rows, a deep one ends the process.

    Raises:
        WarehouseError: one is damaged.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if _COMMIT.fullmatch(entry.name) and entry.path not in _seen:
                _check_commit(Path(entry.path))
                _seen.add(entry.path)


def _check_commit(path: Path) -> None:
    try:
        lines = read_file(path).splitlines()
        if not any(lines) or not all(isinstance(parse_json(line), dict) for line in lines if line):
            raise NotJson("not_json", "it holds no action")
    except (InputError, NotJson) as error:
        if not path.exists():
            return  # gc was there in between
        raise WarehouseError(
            f"{path} is damaged: {error}. Restore it from a copy; if there is none and it is the newest there, take it "
            "away and run the last command again: what it landed lands anew."
        ) from error


Rows: TypeAlias = Sequence[Record] | pa.Table
"""What lands: records, or their columns as `to_arrow` lays them out."""


def land_rows(path: Path, table: Table, rows: Rows, *, key: str, version: int, after: int | None) -> int:
    """Land rows under a key, once; return how many landed.

    Raises:
        WarehouseError: the table could not be written.
    """
    columns = rows.cast(record_schema(table.record)) if isinstance(rows, pa.Table) else to_arrow(table.record, rows)
    for _ in range(_MAX_RACES):
        delta = open_table(path) or _create_table(path, table)
        landed = delta.transaction_version(key)
        if (landed or 0) != after if after is not None else (landed or 0) >= version:
            return 0
        if _commit(delta, columns, Transaction(key, version)):
            return len(rows)
    raise WarehouseError(f"{path}: {_MAX_RACES} landings in a row came in between. Run fewer writers at a time.")


def _commit(delta: DeltaTable, columns: pa.Table, transaction: Transaction) -> bool:
    """Commit as the next version; False = another landing took that version, look again."""
    at = delta.version() + 1
    stamped = columns.append_column(VERSION_COLUMN, pa.array([at] * len(columns), pa.int64()))
    if not len(stamped):  # a column that came later and no file holds could not be read
        known = {field.name for field in delta.schema().fields}
        stamped = stamped.select([name for name in stamped.column_names if name in known])
    # No retries inside: a retry would rebase the rows onto a version that they do not carry.
    properties = CommitProperties(app_transactions=[transaction], max_commit_retries=0)
    try:
        write_deltalake(delta, stamped, mode="append", schema_mode="merge", commit_properties=properties)
    except CommitFailedError as error:
        if DeltaTable(delta.table_uri).version() >= at:
            return False
        raise WarehouseError(f"{delta.table_uri} could not be written: {error}. {_ADVICE}") from error
    except (DeltaError, OSError) as error:
        raise WarehouseError(f"{delta.table_uri} could not be written: {error}. {_ADVICE}") from error
    return True


_ADVICE = "Nothing of this landing stands; look at the disk's space and rights, then run again."


def _create_table(path: Path, table: Table) -> DeltaTable:
    schema = record_schema(table.record).append(pa.field(VERSION_COLUMN, pa.int64()))
    # With retries the loser of a race would commit a second CREATE TABLE, and its schema would replace a wider one.
    once = CommitProperties(max_commit_retries=0)
    try:
        return DeltaTable.create(path, schema, mode="ignore", configuration=_PROPERTIES, commit_properties=once)
    except (DeltaError, OSError) as error:
        created = open_table(path)  # another process was first
        if created is None:
            raise WarehouseError(f"{path} could not be created: {error}. {_ADVICE}") from error
        return created


def count_logged(path: Path) -> int:
    """Return how many rows a table has by its log, without reading one."""
    delta = open_table(path)
    if delta is None:
        return 0
    counts = pa.table(delta.get_add_actions(flatten=True))["num_records"]
    return sum(one or 0 for one in counts.to_pylist())


def take_snapshot(path: Path, table: Table, version: int | None = None) -> TableSnapshot:
    """Return the table as of `version` (None: now).

    Raises:
        WarehouseError: the table has not come to that version.
    """
    delta = open_table(path)
    if delta is None:
        if version not in (None, NOTHING):
            raise WarehouseError(f"{path} does not exist, so it has no version {version}. Is this the right --home?")
        return TableSnapshot(table, NOTHING, (), frozenset())
    newest = delta.version()
    if version is not None and version > newest:
        raise WarehouseError(f"{path} is at version {newest}, there is no {version}. Is this the right --home?")
    columns = frozenset(field.name for field in delta.schema().fields)
    # URIs are percent-encoded (blanks, umlauts), so they are no paths; the files lie in the table's folder.
    files = tuple(sorted(str(path / uri.rpartition("/")[2]) for uri in delta.file_uris()))
    return TableSnapshot(table, newest if version is None else version, files, columns)
