from __future__ import annotations

import types
import typing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import WarehouseError
from schemas.record import Record
from schemas.tables import TABLES, column_type
from warehouse.columns import from_arrow, record_schema, to_arrow
from warehouse.warehouse import Warehouse

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    type(None): st.none(),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's annotation."""
    if annotation in SCALARS:
        return SCALARS[annotation]
    if isinstance(annotation, type):
        return records(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin in (typing.Union, types.UnionType):
        if {str, int, float} <= set(arguments):  # cells of a table, kept as JSON: finite
            return st.none() | SCALARS[str] | SCALARS[int] | st.floats(allow_nan=False, allow_infinity=False)
        return st.one_of(*(values(member) for member in arguments))
    return values(arguments[0])


def records(record: type[Record]) -> st.SearchStrategy[Any]:
    fields = {name: values(field.annotation) for name, field in record.model_fields.items()}
    return st.fixed_dictionaries(fields).map(record.model_validate)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rows_to_columns_and_back_is_the_identity(table: Any, data: st.DataObject) -> None:
    rows = data.draw(st.lists(records(table.record), max_size=3))
    assert from_arrow(table.record, to_arrow(table.record, rows).to_pylist()) == rows


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_landed_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("home"))
    rows = data.draw(st.lists(records(TABLES["task_specs"].record), max_size=3, unique_by=lambda row: row.task_id))
    warehouse.land("task_specs", rows, key="one")
    assert {row.task_id: row for row in warehouse.read("task_specs")} == {row.task_id: row for row in rows}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_arrow_types_say_what_the_documented_types_say(table: Any) -> None:
    connection = duckdb.connect()
    connection.register("arrow", record_schema(table.record).empty_table())
    held = {row[0]: row[1] for row in connection.execute("DESCRIBE arrow").fetchall()}
    fields = table.record.model_fields.items()
    documented = {name: column_type(field.annotation).replace("JSON", "VARCHAR") for name, field in fields}
    for name, kind in documented.items():
        said = connection.execute(f"SELECT typeof(NULL::{kind})").fetchall()[0][0]
        assert held[name] == said


@pytest.mark.parametrize(
    "changes",
    [{"difficulty": 2**70}, {"instruction": "\ud800"}, {"setup": {"tables": [["nan"]]}}],
    ids=["an integer beyond 64 bits", "a lone surrogate", "NaN in a cell"],
)
def test_a_value_that_fits_no_column_is_told(make: SimpleNamespace, changes: dict[str, Any]) -> None:
    if "setup" in changes:
        spec = make.task_spec(1)
        cell = spec.setup.tables[0].model_copy(update={"rows": ((float("nan"),),)})
        changes = {"setup": spec.setup.model_copy(update={"tables": (cell,)})}
    with pytest.raises(WarehouseError, match="A TaskSpec holds a value that no column can hold"):
        to_arrow(TABLES["task_specs"].record, [make.task_spec(1).model_copy(update=changes)])


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match="Give another --home"):
        Warehouse(tmp_path / "file")
