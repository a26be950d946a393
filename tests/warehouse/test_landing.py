from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow.parquet as pq
import pydantic
import pytest
from deltalake import DeltaTable

from schemas.errors import WarehouseError
from schemas.rejection import Rejection
from schemas.tables import TABLES, Table
from warehouse.delta import land_rows, take_snapshot
from warehouse.views import table_sql
from warehouse.warehouse import Warehouse

RACER = """
import sys, time
from pathlib import Path
from schemas.rejection import Rejection
from warehouse.warehouse import Warehouse
home, name, start = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
warehouse = Warehouse(home)
time.sleep(max(0, start - time.time()))
for number in range(8):
    rows = [Rejection.make(stage="race", reason=name, detail="", source=str(number), raw="")]
    print(number, warehouse.land("rejections", rows, key=f"shared/{number}"))
    warehouse.land("rejections", rows * 2, key=f"{name}/{number}")
"""


def test_a_key_lands_once(warehouse: Warehouse, make: SimpleNamespace) -> None:
    assert warehouse.land("rejections", [make.rejection(1)], key="one") == 1
    assert warehouse.land("rejections", [make.rejection(2)], key="one") == 0
    assert [row.source for row in warehouse.read("rejections")] == ["a:1"]


def test_a_key_lands_in_each_table(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("rejections", [make.rejection(1)], key="one")
    assert warehouse.land("task_specs", [make.task_spec(1)], key="one") == 1


def test_no_rows_are_a_landing(warehouse: Warehouse, make: SimpleNamespace) -> None:
    assert not warehouse.has_landed("rejections", "one")
    assert warehouse.land("rejections", [], key="one") == 0
    assert warehouse.has_landed("rejections", "one")
    assert warehouse.land("rejections", [make.rejection(1)], key="one") == 0


def test_a_key_may_grow(warehouse: Warehouse, make: SimpleNamespace) -> None:
    assert warehouse.landed_version("rejections", "ledger") is None
    warehouse.land("rejections", [make.rejection(1)], key="ledger", version=7)
    assert warehouse.landed_version("rejections", "ledger") == 7
    assert warehouse.land("rejections", [make.rejection(2)], key="ledger", version=7) == 0
    assert warehouse.land("rejections", [make.rejection(2)], key="ledger", version=9) == 1
    assert warehouse.landed_version("rejections", "ledger") == 9


def test_a_landing_computed_from_an_older_version_of_its_key_lands_nothing(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    assert warehouse.land("rejections", [make.rejection(1)], key="ledger", version=3, after=0) == 1
    assert warehouse.land("rejections", [make.rejection(1), make.rejection(2)], key="ledger", version=4, after=0) == 0
    assert warehouse.land("rejections", [make.rejection(2)], key="ledger", version=4, after=3) == 1
    assert warehouse.count("rejections") == 2


def test_processes_that_race_for_a_key_land_it_once_and_lose_nothing_else(tmp_path: Path) -> None:
    import time

    start = str(time.time() + 2.5)
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [subprocess.Popen([*command, name, start], stdout=subprocess.PIPE, text=True) for name in ("red", "blue")]
    told = Counter[int]()
    for racer in racers:
        said, _ = racer.communicate()
        assert racer.returncode == 0
        for line in said.splitlines():
            number, landed = line.split()
            told[int(number)] += int(landed)
    warehouse = Warehouse(tmp_path)
    assert told == dict.fromkeys(range(8), 1), "each shared key was won by exactly one racer"
    assert warehouse.count("rejections") == 8 + 2 * 8 * 2


def test_threads_that_race_give_every_row_the_version_that_landed_it(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: warehouse.land("rejections", [make.rejection(n)], key=str(n)), range(12)))
    for version in range(1, warehouse.versions()["rejections"] + 1):
        before, at = (
            set(DeltaTable(warehouse.tables / "rejections", version=v).file_uris()) for v in (version - 1, version)
        )
        (added,) = at - before
        assert pq.read_table(added)["_version"].to_pylist() == [version]


def test_a_table_that_is_none_is_told(warehouse: Warehouse, make: SimpleNamespace) -> None:
    (warehouse.tables / "rejections").write_text("not a folder")
    with pytest.raises(WarehouseError, match="cannot be read"):
        warehouse.land("rejections", [make.rejection(1)], key="one")


def test_an_unknown_table_is_told_with_those_there_are(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match=r"There is no table 'episode'\. Tables: task_specs, episodes"):
        warehouse.has_landed("episode", "one")


def test_a_later_column_is_read_though_its_first_landing_has_no_row(tmp_path: Path, make: SimpleNamespace) -> None:
    table = TABLES["rejections"]
    grown = Table(table.name, pydantic.create_model("Rejection", __base__=Rejection, later=(int, 7)), table.keys)
    path = tmp_path / "rejections"
    land_rows(path, table, [make.rejection(1)], key="before", version=1, after=None)
    land_rows(path, grown, [], key="marks", version=1, after=None)
    with duckdb.connect() as connection:
        rows = connection.sql(f"SELECT later FROM ({table_sql(take_snapshot(path, grown))})").fetchall()
        assert rows == [(None,)]
        whole = grown.record.model_validate(make.rejection(2).model_dump())
        land_rows(path, grown, [whole], key="after", version=1, after=None)
        rows = connection.sql(f"SELECT later FROM ({table_sql(take_snapshot(path, grown))}) ORDER BY 1").fetchall()
        assert sorted(rows, key=str) == [(7,), (None,)]
