"""import: every row comes in or says why not; the same file twice comes in once; real data, where there is some."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.cli import run
from environments.db.sample import build_sample
from warehouse.state import State
from warehouse.warehouse import Warehouse

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT.parent / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real data stand beside the repository, in ../shared/data")

OWN = {
    "environment": "os",
    "instruction": "How many files are in /srv?",
    "setup": {"init": [{"code": "touch /srv/a"}]},
    "reference": [{"code": "ls /srv | wc -l"}],
    "check": {"kind": "script", "scripts": [{"code": '[ "$1" = "$2" ]'}]},
}


@pytest.fixture
def bring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Import in this process; only formats that start no Prefect."""

    def call(*arguments: str) -> dict[str, Any]:
        monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
        code = run(["import", *arguments, "--json"])
        said = capsys.readouterr()
        made: dict[str, Any] = json.loads(said.out)
        came_in = made["imported"] or made.get("imported_before") or "--lint" in arguments
        assert code == (0 if came_in else 1), said.err
        return made

    return call


def write_own(path: Path) -> Path:
    rows = [OWN, {**OWN, "instruction": "Again?"}, {**OWN, "check": {"kind": "guess"}}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    return path


def test_tasks_of_one_s_own_come_in_and_bad_rows_say_why(bring: Any, tmp_path: Path) -> None:
    made = bring("tasks", str(write_own(tmp_path / "mine.jsonl")))
    assert made == {
        "imported": 2,
        "rejected": 2,
        "imported_before": 0,
        "by_reason": {"not_a_task": 1, "not_json": 1},
    }
    warehouse = Warehouse(tmp_path / "home")
    assert warehouse.count("task_specs") == 2
    assert [r.source for r in warehouse.read("rejections", order_by="source")] == ["mine.jsonl:3", "mine.jsonl:4"]
    assert (tmp_path / "home" / "warehouse.duckdb").is_file()  # what came in is there for SQL at once


def test_a_task_of_one_s_own_is_tried_before_it_comes_in(bring: Any, tmp_path: Path) -> None:
    cheated = {**OWN, "instruction": "Cheated?", "check": {"kind": "script", "scripts": [{"code": "true"}]}}
    wrong = {**OWN, "instruction": "Wrong?", "check": {"kind": "match", "answer": "7"}}
    untried = {**wrong, "instruction": "Untried?", "reference": []}
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (OWN, cheated, wrong, untried)))
    made = bring("tasks", str(path))
    assert made["by_reason"] == {"nothing_fails": 1, "reference_passes_1": 1}
    warehouse = Warehouse(tmp_path / "home")
    probes = {spec.instruction: [p.name for p in spec.probes] for spec in warehouse.read("task_specs")}
    assert probes["Untried?"] == [] and {"reference_passes_2", "reads_no_file"} <= {*probes[OWN["instruction"]]}
    rejections = warehouse.read("rejections", order_by="source")
    assert [(r.stage, r.source) for r in rejections] == [("admit", "mine.jsonl:2"), ("admit", "mine.jsonl:3")]


def test_the_same_file_twice_comes_in_once(bring: Any, tmp_path: Path) -> None:
    path = write_own(tmp_path / "mine.jsonl")
    bring("tasks", str(path))
    assert bring("tasks", str(path)) == {"imported": 0, "rejected": 0, "imported_before": 4, "by_reason": {}}
    assert Warehouse(tmp_path / "home").count("task_specs") == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "there is no row in what was named"),
        ("{\n", "every row was rejected"),
        ('{"env": "os"}\n', "every row was"),
    ],
)
def test_an_import_that_brings_nothing_ends_with_exit_code_1_and_a_sentence_however_often(
    content: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.jsonl").write_text(content)
    for _ in range(2):
        assert run(["import", "tasks", str(tmp_path / "mine.jsonl")]) == 1
        assert told in capsys.readouterr().err


def test_a_row_that_stands_twice_in_one_file_comes_in_once(bring: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(2 * (json.dumps(OWN) + "\n"))
    assert bring("tasks", str(path))["imported"] == 1


def test_a_folder_is_all_its_json_files(bring: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    write_own(tmp_path / "in" / "a.jsonl")
    (tmp_path / "in" / "deeper" / "b.json").write_text(json.dumps([{**OWN, "instruction": "Third?"}]))
    (tmp_path / "in" / "notes.txt").write_text("no task")
    assert bring("tasks", str(tmp_path / "in"))["imported"] == 3


def test_lint_lists_what_is_wrong_and_imports_nothing(bring: Any, tmp_path: Path) -> None:
    made = bring("tasks", str(write_own(tmp_path / "mine.jsonl")), "--lint")
    assert (made["imported"], made["would_import"], made["rejected"]) == (0, 2, 2)
    assert [(row["source"], row["reason"]) for row in made["rows"]] == [
        ("mine.jsonl:3", "not_a_task"),
        ("mine.jsonl:4", "not_json"),
    ]
    assert not (tmp_path / "home").exists()


def test_lint_of_chats_needs_no_prefect_and_names_file_and_line(bring: Any, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text('{"conversations": []}\nnot json\n')
    made = bring("sharegpt", str(path), "--lint")
    assert made["by_reason"] == {"no_messages": 1, "not_json": 1}
    assert [row["source"] for row in made["rows"]] == ["chats.jsonl:1", "chats.jsonl:2"]


def test_a_report_for_people_says_how_many_and_where_the_rest_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    path = write_own(tmp_path / "mine.jsonl")
    assert run(["import", "tasks", str(path)]) == 0
    assert "tasks: 2 imported, 2 rejected\n" in capsys.readouterr().out
    assert run(["import", "tasks", str(path), "--lint"]) == 0
    said = capsys.readouterr().out
    assert "2 would come in, 2 would be rejected; nothing was imported" in said and "mine.jsonl:4" in said


@pytest.mark.parametrize(
    ("content", "told"), [(None, "no such file"), ("folder", "holds no file of JSON values or Parquet"), ("dir", "")]
)
def test_files_that_are_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, told: str
) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.mkdir()
    assert run(["import", "tasks", str(path), "--home", str(tmp_path / "home")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and told in said.err and str(path) in said.err


@pytest.mark.parametrize("format_", ["tasks", "agentbench-os", "agentbench-db", "sharegpt"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"[", b'{"a": ' * 5000, b'null\n1\n"x"\n[]\n{}\n'])
def test_no_content_of_a_file_crashes_an_import(bring: Any, tmp_path: Path, format_: str, content: bytes) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    made = bring(format_, str(path), "--lint")
    assert made["would_import"] == 0 and (made["rejected"] > 0) == bool(content)


@real
def test_agentbench_os_comes_in_whole(bring: Any, tmp_path: Path) -> None:
    made = bring("agentbench-os", str(DATA / "agentbench" / "os_tasks.jsonl"))
    assert made["imported"] + made["rejected"] == 82
    more = bring("agentbench-os", str(DATA / "agentbench" / "os_train_first500.jsonl"))
    assert more["imported"] + more["rejected"] + more["imported_before"] == 500
    assert Warehouse(tmp_path / "home").column("task_specs", "DISTINCT origin") == ["benchmark"]


@real
@pytest.mark.slow
def test_general_chats_of_the_wild_add_up(trajmill: Any, tmp_path: Path) -> None:
    files = sorted((DATA / "sharegpt").iterdir())
    made = trajmill("import", "sharegpt", *map(str, files), "--license", "unknown", "--json", home=tmp_path / "home")
    assert made.code == 0, made.err
    linted = trajmill("import", "sharegpt", *map(str, files), "--lint", "--json", home=tmp_path / "home").json
    warehouse = Warehouse(tmp_path / "home")
    kept, rejected = warehouse.count("conversations"), warehouse.count("rejections")
    assert (made.json["imported"], made.json["rejected"]) == (kept, rejected)
    assert linted["would_import"] + linted["rejected"] == kept + rejected
    chinese = "SELECT count(*) FROM conversations WHERE source_file LIKE 'medicalgpt%'"
    assert warehouse.query(chinese)[0][0] <= 10  # of 1,000
    again = trajmill("import", "sharegpt", *map(str, files), "--json", home=tmp_path / "home").json
    assert (again["imported"], again["rejected"]) == (0, 0) and warehouse.count("conversations") == kept


@pytest.mark.slow
def test_a_bird_folder_comes_in_tried(trajmill: Any, tmp_path: Path) -> None:
    folder = build_sample(tmp_path / "bird")
    made = trajmill("import", "bird", str(folder), "--json", home=tmp_path / "home")
    assert made.code == 0, made.err
    warehouse = Warehouse(tmp_path / "home")
    assert made.json["imported"] == warehouse.count("task_specs") >= 80
    assert warehouse.count("task_specs", "len(probes) = 0") == 0
    again = trajmill("import", "bird", str(folder), "--json", home=tmp_path / "home")
    assert (again.code, again.json["imported"], again.json["rejected"]) == (0, 0, 0), again.err
    assert again.json["imported_before"] > 0, "what stands is told"
    (tmp_path / "shop.sqlite").write_bytes(b"")
    with sqlite3.connect(tmp_path / "shop.sqlite") as shop:
        shop.execute("CREATE TABLE t (a INTEGER)")
    nothing = trajmill("import", "bird", str(tmp_path / "shop.sqlite"), home=tmp_path / "home")
    assert nothing.code == 1 and "there is no question in what was named" in nothing.err
    assert State(tmp_path / "home").stages_alone() == [-3, -2, -1]


@real
@pytest.mark.slow
def test_agentbench_s_databases_are_solved_by_their_references_where_they_have_one(
    trajmill: Any, tmp_path: Path
) -> None:
    home, agentbench = tmp_path / "home", DATA / "agentbench"
    dev = trajmill("import", "agentbench-db", str(agentbench / "dbbench_dev.jsonl"), "--json", home=home).json
    assert (dev["imported"], dev["rejected"]) == (60, 0)
    ran = trajmill("collect", "--solver", "reference", "--set", "environments=['db']", "--json", home=home)
    assert ran.code == 0, ran.err
    assert ran.json["by_verdict"] == {"passed": 40} and ran.json["by_outcome"] == {"finished": 40}
    warehouse = Warehouse(home)
    judged = "SELECT DISTINCT s.check.kind FROM episodes JOIN task_specs s USING (task_id)"
    assert warehouse.query(judged) == [("agentbench_hash",)]
    curated = trajmill("curate", "--set", "environments=['db']", "--json", home=home)
    assert curated.code == 0 and warehouse.count("trajectories") == 0  # nobody trains on what measures them
    more = trajmill("import", "agentbench-db", str(agentbench / "dbbench_standard_first150.jsonl"), "--json", home=home)
    assert more.json["imported"] + more.json["rejected"] + more.json["imported_before"] == 150
    again = trajmill("collect", "--solver", "reference", "--set", "environments=['db']", "--json", home=home)
    assert again.json["by_verdict"] == {"passed": 50}  # the first forty are done


@real
@pytest.mark.nightly
def test_five_hundred_os_references_run(trajmill: Any, tmp_path: Path) -> None:
    home = tmp_path / "home"
    trajmill("import", "agentbench-os", str(DATA / "agentbench" / "os_train_first500.jsonl"), home=home)
    ran = trajmill("collect", "--solver", "reference", "--set", "environments=['os']", "--json", home=home)
    assert ran.code == 0, ran.err
    counts = ran.json["by_verdict"]
    assert sum(counts.values()) == Warehouse(home).count("task_specs") and counts["passed"] >= 300, counts


def test_a_sqlite_file_of_one_s_own_is_what_tasks_are_made_up_on(trajmill: Any, tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE books (book_id INTEGER PRIMARY KEY, title TEXT, pages INTEGER)")
        connection.executemany("INSERT INTO books VALUES (?, ?, ?)", [(n, f"Book {n}", 100 + n) for n in range(20)])
    sets = ["environments=['db']", f"generate.db.bird={path}", "generate.db.requests=6", "generate.rounds=1"]
    flags = [flag for pair in sets for flag in ("--set", pair)]
    made = trajmill("generate", *flags, "--json", home=tmp_path / "home")
    assert made.code == 0, made.err
    stage = made.json["stages"]["generate_tasks"]
    assert stage["done"] == 6 == stage["kept"] + stage["rejected"]
    names = Warehouse(tmp_path / "home").column("task_specs", "DISTINCT setup.database_name")
    assert names == ["library"]
