"""Lands which rows a release holds, read from its folder: so releases of before can be asked as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from formats.releases.release_folder import SPLITS, ReleaseFolder, read_release
from schemas.errors import ConfigError, InputError
from schemas.release_member import ReleaseMember
from tasks.publish.pools import COPY_MARK
from warehouse.columns import record_schema
from warehouse.warehouse import Warehouse


def land_members(warehouse: Warehouse, folder: Path) -> int:
    """Land the rows of a release, once; return how many landed."""
    if warehouse.has_landed("release_rows", folder.name):
        return 0
    return warehouse.land("release_rows", _members(read_release(folder)), key=folder.name)


def land_members_of_before(warehouse: Warehouse) -> int:
    """Land the rows of the releases that an earlier version published and whose folders still stand."""
    known = {row[0] for row in warehouse.query("SELECT DISTINCT release_id FROM release_rows")}
    landed = 0
    for release_id in warehouse.column("releases", "release_id"):
        folder = warehouse.home / "releases" / release_id
        if release_id not in known and folder.is_dir():
            try:
                landed += land_members(warehouse, folder)
            except (ConfigError, InputError):
                continue  # damaged: `export` tells it by name
    return landed


def _members(release: ReleaseFolder) -> pa.Table:
    parts = [part for split in SPLITS for part in _of_split(release, split)]
    schema = record_schema(ReleaseMember)
    return pa.concat_tables(parts).select(schema.names) if parts else schema.empty_table()


def _of_split(release: ReleaseFolder, split: str) -> Iterator[pa.Table]:
    position = 0
    for path in release.files(split):
        found = pq.read_table(path, columns=["id", "source"])
        ids = [name.partition(COPY_MARK) for name in found["id"].to_pylist()]
        yield pa.table(
            {
                "release_id": pa.array([release.release_id] * len(found), pa.string()),
                "row_id": pa.array([name for name, _, _ in ids], pa.string()),
                "copy_number": pa.array([int(number or 1) for _, _, number in ids], pa.int64()),
                "split": pa.array([split] * len(found), pa.string()),
                "position": pa.array(range(position, position + len(found)), pa.int64()),
                "source": found["source"].cast(pa.string()),
            }
        )
        position += len(found)
