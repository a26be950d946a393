from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from schemas.tables import TABLES
from warehouse.warehouse import Warehouse

MAX_FILES = 200
"""After thirty small builds; the promise of DESIGN's upkeep."""


def land_build(warehouse: Warehouse, make: SimpleNamespace, build: int) -> None:
    """Land what a small build lands: two shards a table, one of them with nothing to reject."""
    for shard in range(2):
        key, number = f"{build}/{shard}", build * 10 + shard
        landing = f"landing-{number}"
        warehouse.land("task_specs", [make.task_spec(number)], key=key)
        warehouse.land("turns", make.turns(number, landing), key=key)
        warehouse.land("episodes", [make.episode(number, landing)], key=key)
        warehouse.land("trajectories", [make.trajectory(number)], key=key)
        warehouse.land("conversations", [make.conversation(number)], key=key)
        warehouse.land("rejections", [make.rejection(number)] if shard else [], key=key)


def count_files(warehouse: Warehouse) -> int:
    return sum(path.is_file() for path in warehouse.tables.rglob("*"))


def test_thirty_small_builds_stay_few_files_and_every_version_stays_readable(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    published: list[tuple[dict[str, int], dict[str, str]]] = []
    for build in range(30):
        land_build(warehouse, make, build)
        if build % 6 == 5:
            published.append((warehouse.versions(), {table: warehouse.digest(table) for table in TABLES}))
            warehouse.gc()
            assert count_files(warehouse) < MAX_FILES / 4
    assert warehouse.count("episodes") == 60
    for versions, digests in published:
        assert {table: warehouse.digest(table, versions=versions) for table in TABLES} == digests


def test_thirty_builds_without_gc_are_tidied_at_once(warehouse: Warehouse, make: SimpleNamespace) -> None:
    for build in range(30):
        warehouse.land("rejections", [make.rejection(build)], key=str(build))
    found = warehouse.gc()
    assert found.files == count_files(warehouse) == 4, "one Parquet file, one commit, one checkpoint and its pointer"
    assert found.freed_files > 30
    assert warehouse.count("rejections") == 30


def test_keys_stay_landed_when_the_log_is_shortened(warehouse: Warehouse, make: SimpleNamespace) -> None:
    for number in range(5):
        warehouse.land("rejections", [make.rejection(number)], key=str(number))
    warehouse.land("rejections", [], key="ledger", version=42)
    for _ in range(2):
        warehouse.gc()
        warehouse.land("rejections", [make.rejection(99)], key="late")
    assert [warehouse.land("rejections", [make.rejection(n)], key=str(n)) for n in range(5)] == [0] * 5
    assert warehouse.landed_version("rejections", "ledger") == 42
    assert warehouse.count("rejections") == 6


def test_the_file_of_a_writer_that_was_killed_is_removed(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("rejections", [make.rejection(1)], key="one")
    orphan = warehouse.tables / "rejections" / "part-00000-orphan-c000.zstd.parquet"
    orphan.write_bytes(b"half a file")
    warehouse.gc()
    assert not orphan.exists()
    assert warehouse.count("rejections") == 1


def test_the_catalog_can_be_read_after_gc(warehouse: Warehouse, make: SimpleNamespace) -> None:
    import duckdb

    for number in range(3):
        warehouse.land("rejections", [make.rejection(number)], key=str(number))
    warehouse.write_catalog()
    warehouse.gc()
    with duckdb.connect(str(warehouse.home / "warehouse.duckdb"), read_only=True) as catalog:
        assert catalog.sql("SELECT count(*) FROM rejections").fetchall() == [(3,)]


def test_gc_twice_in_a_row_changes_nothing(warehouse: Warehouse, make: SimpleNamespace) -> None:
    for number in range(3):
        warehouse.land("rejections", [make.rejection(number)], key=str(number))
    warehouse.gc()
    versions = warehouse.versions()
    assert warehouse.gc().freed_files == 0
    assert warehouse.versions() == versions


def test_an_empty_home_can_be_tidied(warehouse: Warehouse) -> None:
    assert warehouse.gc().files == 0


def test_landing_reading_and_gc_at_the_same_time_lose_nothing(warehouse: Warehouse, make: SimpleNamespace) -> None:
    failed: list[BaseException] = []

    def write(name: str) -> None:
        for number in range(15):
            warehouse.land("rejections", [make.rejection(number)], key=f"{name}/{number}")
            if len(warehouse.read("rejections")) <= number:
                failed.append(AssertionError("a landed row was not seen"))

    def guard(name: str) -> None:
        try:
            write(name)
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=guard, args=(name,)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        Warehouse(warehouse.home).gc()
    assert failed == []
    assert warehouse.count("rejections") == 30


@pytest.mark.parametrize("versions", [0, 3])
def test_versions_only_grow(warehouse: Warehouse, make: SimpleNamespace, versions: int) -> None:
    for number in range(versions):
        warehouse.land("rejections", [make.rejection(number)], key=str(number))
    before = warehouse.versions()
    warehouse.gc()
    assert all(after >= before[table] for table, after in warehouse.versions().items())
