"""dbbench rows become tasks: writes with reference and golden hash, reads with a label and no reference."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from environments.db.importers.agentbench import read_tasks
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "agentbench"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/agentbench is absent")

TABLE = {"table_name": "T", "table_info": {"columns": [{"name": "A"}, {"name": "B"}], "rows": [["1", 2], ["x", None]]}}
READ = {
    "description": "What is A?",
    "add_description": "The name of this table is T.",
    "label": ["1"],
    "type": ["aggregation-SUM"],
    "source": "wikisql",
    "table": TABLE,
    "sql": {"query": "SELECT AFROM T", "length": 1},
}
WRITE = {
    "description": "Add x.",
    "add_description": "",
    "label": ["INSERT INTO T VALUES ('x', 'y')"],
    "type": ["INSERT"],
    "table": TABLE,
    "answer_md5": "[('09aa8fbf72f39362970f95a1276b957c',)]",
}


def read(tmp_path: Path, *rows: Any) -> list[TaskSpec | Rejection]:
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return list(read_tasks(tmp_path / "rows.jsonl"))


def test_a_write_has_its_reference_and_the_bare_golden_hash(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, WRITE)
    assert isinstance(spec, TaskSpec)
    assert spec.reference[0].code == WRITE["label"][0]
    assert (spec.check.kind, spec.check.answer) == ("agentbench_hash", "09aa8fbf72f39362970f95a1276b957c")
    assert {column.type for column in spec.setup.tables[0].columns} == {"TEXT COLLATE NOCASE"}


def test_a_read_has_its_label_and_never_the_mangled_query(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, READ)
    assert isinstance(spec, TaskSpec)
    assert (spec.check.kind, spec.check.expected, spec.reference) == ("label", ("1",), ())
    assert spec.instruction == "What is A?\nThe name of this table is T."
    assert (spec.family, spec.labels) == ("aggregation", ("aggregation-SUM", "wikisql"))
    assert "FROM" not in spec.model_dump_json()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"description": None}, "no_description"),
        ({"label": []}, "no_label"),
        ({"label": "1"}, "no_label"),
        ({"table": None}, "no_table"),
        ({"table": {}}, "bad_table"),
        (
            {"table": {**TABLE, "table_info": {"columns": [{"name": "A"}, {"name": "a"}], "rows": []}}},
            "duplicate_columns",
        ),
        ({"table": {**TABLE, "table_info": {"columns": [{"name": "A"}], "rows": [["1", "2"]]}}}, "ragged_rows"),
        ({"table": {**TABLE, "table_info": {"columns": [{"name": "A"}], "rows": [[["1"]]]}}}, "bad_cell"),
        ({"type": ["UPDATE"]}, "no_hash"),
    ],
)
def test_a_bad_row_is_a_rejection_with_its_line(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    good, bad = read(tmp_path, READ, {**READ, **change})
    assert isinstance(good, TaskSpec) and isinstance(bad, Rejection)
    assert (bad.reason, bad.source) == (reason, "rows.jsonl:2")


def test_broken_lines_and_duplicates_are_rejections(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(["{", "[1]", json.dumps(READ), json.dumps(READ)]))
    found = list(read_tasks(tmp_path / "rows.jsonl"))
    assert [item.reason if isinstance(item, Rejection) else "task" for item in found].count("task") == 1
    assert len(found) >= 3 and isinstance(found[-1], Rejection) and found[-1].reason == "duplicate"


@needs_data
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("dbbench_dev.jsonl", {"agentbench_hash": 40, "label": 20}),
        ("dbbench_standard_first150.jsonl", {"agentbench_hash": 50, "label": 100}),
    ],
)
def test_every_row_of_the_real_files_is_imported(name: str, counts: dict[str, int]) -> None:
    found = list(read_tasks(DATA / name))
    assert all(isinstance(item, TaskSpec) for item in found)
    assert Counter(item.check.kind for item in found if isinstance(item, TaskSpec)) == counts
