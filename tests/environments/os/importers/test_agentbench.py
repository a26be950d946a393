"""AgentBench's OS tasks in all shapes that its data has; real files where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.os.importers.agentbench import TOLD, read_tasks
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import Script, TaskSpec

SHARED = Path(__file__).parents[4].parent / "shared" / "data" / "agentbench"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/agentbench is absent")

RECORD: dict[str, Any] = {
    "description": "How many?",
    "create": {"local": "default", "init": {"code": "touch a"}},
    "start": "sleep 9 &",
    "evaluation": {"check": [None, {"language": "python", "code": "exit(0)"}], "example": "ls | wc -l"},
    "labels": ["file", "count"],
}


def read(tmp_path: Path, value: Any, name: str = "tasks.json", **options: Any) -> list[TaskSpec | Rejection]:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return list(read_tasks(path, **options))


def only_spec(rows: list[TaskSpec | Rejection]) -> TaskSpec:
    (row,) = rows
    assert isinstance(row, TaskSpec), row
    return row


def only_rejection(rows: list[TaskSpec | Rejection]) -> Rejection:
    (row,) = rows
    assert isinstance(row, Rejection), row
    return row


def changed(**evaluation: Any) -> dict[str, Any]:
    return {**RECORD, "evaluation": evaluation}


def test_a_record_becomes_a_benchmark_task(tmp_path: Path) -> None:
    spec = only_spec(read(tmp_path, [RECORD]))
    assert spec.origin == "benchmark"
    assert spec.instruction == "How many?"
    assert spec.setup.init == (Script(code="touch a"),)
    assert spec.setup.start == Script(code="sleep 9 &")
    assert (spec.setup.cwd, spec.setup.image) == ("/", "default")
    assert (spec.check.kind, spec.check.reference_on) == ("chain", "final")
    assert spec.check.scripts == (None, Script(code="exit(0)", language="python"))
    assert spec.reference == (Script(code="ls | wc -l"),)
    assert (spec.family, spec.labels, spec.license) == ("file", ("file", "count"), "Apache-2.0")
    assert spec.provenance.source == "tasks.json:1"


def test_a_file_may_hold_one_object_a_list_or_lines(tmp_path: Path) -> None:
    one = read(tmp_path, json.dumps(RECORD, indent=2))
    listed = read(tmp_path, [RECORD])
    lines = read(tmp_path, json.dumps(RECORD), "tasks.jsonl")
    wrapped = read(tmp_path, json.dumps({"split": "dev", "index": 0, "record": RECORD}), "lines.jsonl")
    assert len({only_spec(rows).task_id for rows in (one, listed, lines, wrapped)}) == 1
    assert only_spec(wrapped).provenance.source == "lines.jsonl:1 (dev[0])"


def test_script_files_are_read_below_their_folder(tmp_path: Path) -> None:
    (tmp_path / "scripts" / "check").mkdir(parents=True)
    (tmp_path / "scripts" / "check" / "0.sh").write_text("exit 0")
    rows = read(tmp_path, [changed(check={"file": "check/0.sh"})], scripts=tmp_path / "scripts")
    assert only_spec(rows).check.scripts == (Script(code="exit 0"),)


@pytest.mark.parametrize("name", ["missing.sh", "../tasks.json", "/etc/hostname"])
def test_a_script_that_is_not_below_the_folder_turns_the_record_away(tmp_path: Path, name: str) -> None:
    (tmp_path / "scripts").mkdir()
    rows = read(tmp_path, [changed(check={"file": name})], scripts=tmp_path / "scripts")
    assert only_rejection(rows).reason == "script_file_missing"


def test_without_a_folder_of_scripts_the_option_is_named(tmp_path: Path) -> None:
    rejection = only_rejection(read(tmp_path, [changed(check={"file": "check/0.sh"})]))
    assert "--scripts" in rejection.detail


@pytest.mark.parametrize(
    ("match", "answer", "regex"),
    [
        ("yes", "yes", None),
        ({"answer": "yes", "strip": True}, "yes", None),
        ({"regex": "^y", "strip": True}, None, "^y"),
    ],
)
def test_match_wins_over_check(tmp_path: Path, match: Any, answer: str | None, regex: str | None) -> None:
    spec = only_spec(read(tmp_path, [changed(match=match, check="exit 1")]))
    assert spec.check.kind == "match"
    assert (spec.check.answer, spec.check.regex) == (answer, regex)
    assert spec.reference == ()


@pytest.mark.parametrize(
    ("record", "label"),
    [
        ({**RECORD, "create": [None, {"code": "x"}]}, "create_is_list"),
        (changed(match="1", example="echo 1"), "example_beside_match"),
        ({**changed(match="1"), "example": "echo 1"}, "example_outside_evaluation"),
        (changed(match={"answer": "1"}), "match_without_strip"),
    ],
)
def test_what_is_odd_is_told_by_a_label(tmp_path: Path, record: dict[str, Any], label: str) -> None:
    spec = only_spec(read(tmp_path, [record]))
    assert label in spec.labels
    assert label in TOLD


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([1], "not_an_object"),
        ({**RECORD, "description": ""}, "no_description"),
        ({**RECORD, "evaluation": None}, "no_evaluation"),
        (changed(example="x"), "no_evaluation"),
        (changed(check=[]), "empty_check"),
        (changed(check=[None]), "no_reference"),
        (changed(check=[7]), "bad_script"),
        (changed(check={"language": "c", "code": "x"}), "unsupported_language"),
        (changed(check={"language": "bash"}), "bad_script"),
        (changed(match=[]), "bad_match"),
        (changed(match={"regex": "(", "strip": True}), "bad_match"),
        (changed(match={"answer": "1", "strip": False}), "bad_match"),
        ({**RECORD, "create": "default"}, "bad_create"),
    ],
)
def test_a_record_that_is_no_task_has_a_reason(tmp_path: Path, record: Any, reason: str) -> None:
    rejection = only_rejection(read(tmp_path, [record]))
    assert (rejection.stage, rejection.reason, rejection.source) == ("import", reason, "tasks.json:1")


def test_one_bad_line_costs_one_record(tmp_path: Path) -> None:
    rows = read(tmp_path, "{nonsense\n" + json.dumps(RECORD) + "\n", "tasks.jsonl")
    assert [type(row) for row in rows] == [Rejection, TaskSpec]


def test_the_same_task_twice_is_a_duplicate_that_names_the_first(tmp_path: Path) -> None:
    _, second = read(tmp_path, [RECORD, RECORD])
    assert isinstance(second, Rejection)
    assert (second.reason, second.detail) == ("duplicate", "the same task as tasks.json:1")


def test_the_check_sees_the_agents_programs_only_where_the_task_is_about_one(tmp_path: Path) -> None:
    suid = {**RECORD, "create": {"init": "chmod u+s /usr/bin/find"}}
    shell = {**RECORD, "create": {"init": "#!/bin/bash\nuseradd -s /bin/bash jack"}}
    assert not only_spec(read(tmp_path, [suid])).check.trusted_tools
    assert only_spec(read(tmp_path, [shell])).check.trusted_tools


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json"):
        list(read_tasks(tmp_path / "absent.json"))


@needs_shared
def test_all_82_real_tasks_come_in_or_have_a_reason() -> None:
    rows = list(read_tasks(SHARED / "os_tasks.jsonl"))
    specs = [row for row in rows if isinstance(row, TaskSpec)]
    (rejection,) = (row for row in rows if isinstance(row, Rejection))
    assert (len(rows), len(specs)) == (82, 81)
    assert (
        rejection.reason == "duplicate"
    )  # data/5/new.json[7] repeats data/dev.json[10], the list in `create` included
    assert "create_is_list" in rejection.detail
    assert [s.provenance.source for s in specs if "create_is_list" in s.labels] == [
        "os_tasks.jsonl:11 (data/dev.json[10])"
    ]
    assert sum(spec.check.kind == "match" for spec in specs) == 14


@needs_shared
def test_all_500_real_training_tasks_come_in() -> None:
    rows = list(read_tasks(SHARED / "os_train_first500.jsonl"))
    assert len(rows) == 500
    assert all(isinstance(row, TaskSpec) and row.check.kind == "chain" for row in rows)
    assert all(isinstance(row, TaskSpec) and row.explanation for row in rows)
