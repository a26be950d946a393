from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import warehouse as package
from schemas.errors import ConfigError, WarehouseError
from schemas.record import Record
from schemas.tables import TABLES, Table, column_type
from warehouse.columns import from_arrow
from warehouse.delta import land_rows, take_snapshot
from warehouse.upkeep import tidy_table
from warehouse.views import VIEWS, table_sql
from warehouse.warehouse import Warehouse


class OldPart(Record):
    a: int


class Old(Record):
    id: str
    one: OldPart
    many: tuple[OldPart, ...] = ()


class NewPart(Record):
    a: int
    b: str | None = None
    c: int = 7


class New(Record):
    id: str
    fresh: tuple[str, ...] = ("default",)
    one: NewPart
    many: tuple[NewPart, ...] = ()


OLD, NEW = Table("evolving", Old, ("id",)), Table("evolving", New, ("id",))


def read(path: Path, table: Table) -> list[Record]:
    with package.connect(path.parent) as connection:
        rows = connection.sql(f"SELECT * FROM ({table_sql(take_snapshot(path, table))}) ORDER BY id").to_arrow_table()
    return from_arrow(table.record, rows.to_pylist())


def test_rows_of_older_and_newer_records_lie_in_one_table_and_each_reader_sees_its_own(tmp_path: Path) -> None:
    path = tmp_path / "evolving"
    old = Old(id="1", one=OldPart(a=1), many=(OldPart(a=2),))
    new = New(id="2", fresh=("x",), one=NewPart(a=1, b="b", c=3), many=(NewPart(a=2, b="y"),))
    upgraded = New(id="1", one=NewPart(a=1), many=(NewPart(a=2),))
    land_rows(path, OLD, [old], key="old", version=1, after=None)
    assert read(path, NEW) == [upgraded], "no newer row has landed yet"
    land_rows(path, NEW, [new], key="new", version=1, after=None)
    land_rows(path, OLD, [old.model_copy(update={"id": "3"})], key="older writer", version=1, after=None)
    expected = [upgraded, new, upgraded.model_copy(update={"id": "3"})]
    assert read(path, NEW) == expected
    assert [row.id for row in read(path, OLD)] == ["1", "2", "3"]  # type: ignore[attr-defined]
    tidy_table(path)
    assert read(path, NEW) == expected, "compaction keeps what only some rows have"


@pytest.mark.parametrize("table", TABLES)
def test_a_view_has_the_documented_types_with_rows_and_without(
    warehouse: Warehouse, make: SimpleNamespace, table: str
) -> None:
    fields = TABLES[table].record.model_fields.items()
    documented = [(name, column_type(field.annotation)) for name, field in fields]
    rows = {"task_specs": [make.task_spec(1)], "episodes": [make.episode(1)], "turns": make.turns(1)}
    for landed in ([], rows.get(table, [])):
        warehouse.land(table, landed, key=str(len(landed)))
        with warehouse.connect() as connection:
            described = connection.execute(f"DESCRIBE {table}").fetchall()
            types = [connection.sql(f"SELECT NULL::{kind} AS c").types[0] for _, kind in documented]
        assert [(row[0], row[1]) for row in described] == [
            (name, str(kind)) for (name, _), kind in zip(documented, types, strict=True)
        ]


def test_every_view_of_an_empty_home_can_be_read(warehouse: Warehouse) -> None:
    assert {view: warehouse.sql(f"FROM {view}")[1] for view in VIEWS} == {view: [] for view in VIEWS}


def test_turns_show_only_where_their_landing_stands_in_episodes(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("turns", make.turns(1, "lost"), key="killed before the episodes landed")
    assert warehouse.read("turns") == []
    warehouse.land("turns", make.turns(1, "found"), key="again")
    warehouse.land("episodes", [make.episode(1, "found")], key="again")
    assert {turn.landing for turn in warehouse.read("turns")} == {"found"}
    assert warehouse.sql("SELECT count(*) FROM turns")[1] == [(2,)]


def test_the_latest_try_of_an_episode_is_the_one_that_counts(warehouse: Warehouse, make: SimpleNamespace) -> None:
    tries = [make.episode(1, outcome="teacher_error", verdict="unknown"), make.episode(1, try_number=2)]
    warehouse.land("episodes", tries, key="one")
    assert [row.try_number for row in warehouse.read("latest_episodes")] == [2]
    assert [row.try_number for row in warehouse.read("episodes")] == [1, 2]


def test_the_latest_try_is_found_in_whatever_order_tries_landed(warehouse: Warehouse, make: SimpleNamespace) -> None:
    for number, tried in ((1, 3), (2, 1), (1, 1), (3, 2), (1, 2), (2, 2)):
        warehouse.land("episodes", [make.episode(number, try_number=tried)], key=f"{number}/{tried}")
    window = "SELECT episode_id, max(try_number) FROM episodes GROUP BY episode_id ORDER BY episode_id"
    found = warehouse.query("SELECT episode_id, try_number FROM latest_episodes ORDER BY episode_id")
    assert found == warehouse.query(window) and [tried for _, tried in found] == [3, 2, 2]


def test_rows_are_chosen_by_sql_with_parameters_over_other_views(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("episodes", [make.episode(n) for n in range(4)], key="one")
    warehouse.land("trajectories", [make.trajectory(2)], key="one")
    where = "list_contains(?::VARCHAR[], task_id) AND episode_id NOT IN (SELECT episode_id FROM trajectories)"
    chosen = warehouse.read("episodes", where, [["task-1", "task-2"]])
    assert [row.episode_id for row in chosen] == ["episode-1"]
    assert warehouse.column("episodes", "task_id", "attempt = ?", [1]) == [f"task-{n}" for n in range(4)]


def test_the_funnel_counts_tasks_attempts_successes_and_what_was_kept(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    warehouse.land("task_specs", [make.task_spec(n) for n in range(3)], key="one")
    failed = make.episode(1, verdict="failed", reward=0.0)
    warehouse.land("episodes", [make.episode(0), failed], key="one")
    warehouse.land("trajectories", [make.trajectory(0), make.trajectory(0, trajectory_id="other curation")], key="one")
    columns, rows = warehouse.sql("FROM funnel")
    assert [dict(zip(columns, row, strict=True)) for row in rows] == [
        {"environment": "db", "tasks": 3, "episodes": 2, "passed": 1, "trajectories": 1}
    ]


def test_a_connection_to_earlier_versions_shows_what_stood_then(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("rejections", [make.rejection(1)], key="one")
    versions = warehouse.versions()
    warehouse.land("rejections", [make.rejection(2)], key="two")
    warehouse.land("task_specs", [make.task_spec(1)], key="one")
    with warehouse.connect(versions) as connection:
        assert connection.sql("SELECT source FROM rejections").fetchall() == [("a:1",)]
        assert connection.sql("FROM task_specs").fetchall() == [], "nothing had landed then"
    assert len(warehouse.read("rejections", versions=versions)) == 1
    with pytest.raises(WarehouseError, match="is at version 2, there is no 9"):
        warehouse.connect({"rejections": 9})


@pytest.mark.parametrize(
    "query", ["DELETE FROM episodes", "COPY episodes TO 'x.csv'", "SELECT 1; SELECT 2", "ATTACH 'x.db'", ""]
)
def test_sql_of_people_only_reads(warehouse: Warehouse, query: str) -> None:
    with pytest.raises(ConfigError, match="Only one SELECT"):
        warehouse.sql(query)


def test_sql_that_fails_is_told_with_the_views_there_are(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigError, match=r"(?s)nosuch.*The views are: task_specs, episodes"):
        warehouse.sql("SELECT nosuch FROM episodes")
    with pytest.raises(ConfigError, match="The query fails"):
        warehouse.sql("SELEC 1")


def test_nothing_is_fetched_for_a_function_that_duckdb_does_not_have(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigError, match=r"fts|does not exist"):
        warehouse.sql("SELECT stem('running', 'english')")


def test_the_catalog_opens_read_only_in_another_process_and_folder(
    warehouse: Warehouse, make: SimpleNamespace, tmp_path: Path
) -> None:
    warehouse.land("turns", make.turns(1), key="one")
    warehouse.land("episodes", [make.episode(1)], key="one")
    path = warehouse.write_catalog()
    script = f"import duckdb; print(duckdb.connect({str(path)!r}, read_only=True).sql('FROM turns').fetchall()[0][0])"
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "episode-1"


def test_the_catalog_is_replaced_whole_while_it_is_read(warehouse: Warehouse, make: SimpleNamespace) -> None:
    import duckdb

    with duckdb.connect(str(warehouse.write_catalog()), read_only=True) as before:
        warehouse.land("rejections", [make.rejection(1)], key="one")
        warehouse.write_catalog()
        assert before.sql("SELECT count(*) FROM rejections").fetchall() == [(0,)]
    assert sorted(path.name for path in warehouse.home.iterdir()) == ["home.json", "tables", "warehouse.duckdb"]


@pytest.mark.parametrize("name", ["two words", "Müller", "o'brien & sons #2"])
def test_a_home_may_have_a_name_with(name: str, tmp_path: Path, make: SimpleNamespace) -> None:
    warehouse = Warehouse(tmp_path / name)
    warehouse.land("conversations", [make.conversation(1)], key="one")
    assert warehouse.sql("SELECT count(*) FROM conversations")[1] == [(1,)]


@pytest.mark.parametrize("name", ["[1] notes", "a*b", "what?", "100%25"])
def test_a_home_that_the_table_format_would_misread_is_refused_with_the_character(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no .+ in the path. Give another --home."):
        Warehouse(tmp_path / name)
    assert not (tmp_path / name).exists()
