"""A user's own tasks: a row is a task, or says what is wrong with it; the published schema is the one in docs/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from formats.tasks.task_jsonl import main, read_tasks, task_schema
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

ROOT = Path(__file__).resolve().parents[3]
ROW: dict[str, Any] = {
    "environment": "os",
    "instruction": "How many files are in /srv?",
    "setup": {"init": [{"code": "touch /srv/a"}]},
    "reference": [{"code": "ls /srv | wc -l"}],
    "check": {"kind": "script", "scripts": [{"code": '[ "$1" = "$2" ]'}]},
}


def read(tmp_path: Path, *rows: object) -> list[TaskSpec | Rejection]:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return list(read_tasks(path, license="MIT"))


def test_a_row_becomes_a_task_of_one_s_own(tmp_path: Path) -> None:
    (task,) = read(tmp_path, ROW)
    assert isinstance(task, TaskSpec)
    assert (task.origin, task.license, task.provenance.source) == ("own", "MIT", "mine.jsonl:1")
    assert task.build is None and task.probes == ()


def test_a_row_needs_no_more_than_world_instruction_and_check(tmp_path: Path) -> None:
    row = {"environment": "db", "instruction": "Add Max.", "check": {"kind": "state"}}
    assert isinstance(read(tmp_path, row)[0], TaskSpec)


def test_ids_and_proofs_are_computed_whatever_the_file_says(tmp_path: Path) -> None:
    claims = {"task_id": "mine", "probes": [{"name": "x", "passed": True}], "build": 7, "provenance": {"source": "?"}}
    honest, claiming = read(tmp_path, ROW, ROW | claims)
    assert isinstance(honest, TaskSpec) and isinstance(claiming, TaskSpec)
    assert claiming.model_dump(exclude={"provenance"}) == honest.model_dump(exclude={"provenance"})


def test_what_was_exported_can_be_imported_again(tmp_path: Path) -> None:
    (task,) = read(tmp_path, ROW)
    assert isinstance(task, TaskSpec)
    (again,) = read(tmp_path, task.model_dump(mode="json"))
    assert isinstance(again, TaskSpec) and again.task_id == task.task_id


@pytest.mark.parametrize(
    ("row", "reason", "said"),
    [
        ("{", "not_json", ""),
        ('"text"', "not_a_task", "a task is a JSON object, this is str"),
        ({key: ROW[key] for key in ("environment", "instruction")}, "not_a_task", "check: it is missing"),
        (ROW | {"chek": {}}, "not_a_task", "chek: there is no such key; allowed are"),
        (ROW | {"origin": "heaven"}, "not_a_task", "origin"),
    ],
)
def test_a_bad_row_says_what_is_wrong_where(tmp_path: Path, row: object, reason: str, said: str) -> None:
    bad, good = read(tmp_path, row, ROW)
    assert isinstance(bad, Rejection) and isinstance(good, TaskSpec)
    assert (bad.stage, bad.reason, bad.source) == ("import", reason, "mine.jsonl:1") and said in bad.detail


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl"):
        list(read_tasks(tmp_path / "none.jsonl"))


def test_the_published_schema_is_the_one_in_the_docs(tmp_path: Path) -> None:
    assert main(["--check", str(ROOT / "docs" / "task-spec.schema.json")]) == 0
    assert main(["--check", str(tmp_path / "none.json")]) == 1
    assert set(task_schema()["required"]) == {"environment", "instruction", "check"}
    assert "task_id" not in task_schema()["properties"]
