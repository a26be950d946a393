"""Logs of other agents, from the file to the release: imported, run again here, curated, published."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from commands.cli import run
from flows.open_workshop import open_workshop
from schemas.errors import ConfigError
from tasks.collect.recordings import plan_replay_shards, replay_shard
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.ingest.conversations import general_files, ingest_file
from tasks.publish.mixture import publish_release
from tasks.publish.validate_tables import validate_tables
from warehouse.warehouse import Warehouse

PLANTS = {
    "name": "plants",
    "columns": [{"name": "name"}, {"name": "height_cm", "type": "INTEGER"}],
    "rows": [["fern", 40], ["palm", 900], ["oak", 2000]],
}
TASK = {
    "environment": "db",
    "instruction": "Which plants are taller than 100 cm?",
    "setup": {"tables": [PLANTS], "database_name": "garden"},
    "reference": [{"code": "SELECT name FROM plants WHERE height_cm > 100"}],
    "check": {"kind": "rows"},
}
LOOK = {"thought": "What is there?", "action_kind": "sql", "action": "SELECT * FROM plants", "observation": "[]"}
RIGHT = {"thought": "Compare.", "action_kind": "sql", "action": "SELECT name FROM plants WHERE height_cm >= 900"}
WRONG = {"thought": "All of them.", "action_kind": "sql", "action": "SELECT name FROM plants"}
SUBMIT = {"thought": "That is it.", "action_kind": "submit", "action": ""}
LINES: list[dict[str, Any]] = [
    {"task": TASK, "model": "gpt-4", "agent": "react", "turns": [LOOK, RIGHT, SUBMIT], "success": False},
    {"task": TASK, "model": "gpt-4", "agent": "react", "turns": [LOOK, WRONG, SUBMIT], "success": True, "reward": 1},
    {"task": TASK, "model": "small", "turns": [{"action_kind": "bash", "action": "ls"}]},
    {"task_id": "nobody's", "turns": [LOOK]},
    {"task": TASK, "turns": []},
]

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def called(*arguments: str) -> dict[str, Any]:
        monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
        code = run([*arguments, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.err
        made: dict[str, Any] = json.loads(said.out)
        return made

    return called


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def test_a_log_comes_in_once_and_its_bad_lines_by_name(call: Call, log: Path, tmp_path: Path) -> None:
    bad = {"unknown_task": 1, "not_an_episode": 1}
    made = call("import", "episodes", str(log), "--license", "MIT")
    assert made == {"imported": 3, "rejected": 2, "imported_before": 0, "by_reason": bad}
    warehouse = Warehouse(tmp_path / "home")
    assert (warehouse.count("task_specs"), warehouse.count("recordings"), warehouse.count("episodes")) == (1, 3, 0)
    assert warehouse.column("recordings", "DISTINCT environment") == ["db"]
    assert call("import", "episodes", str(log), "--license", "MIT")["imported_before"] == 5


def test_an_action_in_words_that_no_world_knows_is_told_when_it_is_imported(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    log.write_text(json.dumps({"task": TASK, "turns": [LOOK, {"action_kind": "shell", "action": "ls"}]}) + "\n")
    assert run(["import", "episodes", str(log)]) == 1
    assert "every row was rejected" in capsys.readouterr().err
    (told,) = Warehouse(tmp_path / "home").read("rejections")
    assert (told.reason, told.environment) == ("unknown_action", "db")
    assert told.detail == "turn 1: no world has an action 'shell'; db has answer, sql, submit"


def test_lint_reads_a_log_and_lands_nothing(call: Call, log: Path, tmp_path: Path) -> None:
    made = call("import", "episodes", str(log), "--lint")
    assert (made["would_import"], made["by_reason"]) == (4, {"not_an_episode": 1})  # ids are looked up when it lands
    assert not (tmp_path / "home").exists()


async def test_a_log_becomes_trajectories_of_a_release(
    call: Call, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("import", "episodes", str(log), "--license", "MIT")
    settings = {"environments": ["db"], "general.conversations": 80}
    async with open_workshop("build", "smoke", settings) as workshop:
        for part, index in plan_replay_shards(workshop, "db", None):
            await replay_shard.fn(workshop.build, part, index)
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
        for path in general_files(workshop):
            await ingest_file.fn(path, "Apache-2.0")
        await validate_tables.fn(workshop.build)
        release = await publish_release.fn(workshop.build, [])
    both = "SELECT model, success, verdict, outcome FROM recordings r JOIN episodes e USING (recording_id) ORDER BY ALL"
    assert Warehouse(tmp_path / "home").query(both.replace("model,", "r.model,")) == [
        ("gpt-4", False, "passed", "finished"),
        ("gpt-4", True, "failed", "finished"),
        ("small", None, "failed", "invalid_action"),
    ]
    rows = [
        row for file in Path(release.path).glob("data/messages/*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    (mine,) = [row for row in rows if row["source"] == "agent"]
    assert (mine["origin"], mine["license"]) == ("recorded", "MIT")
    assert [m["content"] for m in mine["messages"] if m["role"] == "assistant"][-3:] == [
        "What is there?\n\nAction: Operation\n```sql\nSELECT * FROM plants\n```",
        "Compare.\n\nAction: Operation\n```sql\nSELECT name FROM plants WHERE height_cm >= 900\n```",
        'That is it.\n\nAction: Answer\nFinal Answer: ["palm", "oak"]',
    ]


async def test_recordings_are_collected_without_a_teacher(
    call: Call, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configured endpoint is not there: a run that asks stops before it begins, one that replays does not."""
    call("import", "episodes", str(log))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    elsewhere = {"environments": ["db"], "teacher.kind": "openai"}
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        async with open_workshop("collect", "smoke", elsewhere):
            pass
    async with open_workshop("collect", "smoke", elsewhere, asks=False) as workshop:
        ((part, index),) = plan_replay_shards(workshop, "db", None)
        assert await replay_shard.fn(workshop.build, part, index) == {"episodes": 3, "passed": 1}


@pytest.mark.slow
def test_the_command_collects_recordings_and_the_next_one_has_nothing_left(call: Call, log: Path) -> None:
    call("import", "episodes", str(log))
    command = [
        str(Path(sys.executable).with_name("trajmill")),
        "collect",
        "--solver",
        "recorded",
        "--config",
        "smoke",
        "--json",
    ]
    made = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(2)]
    assert made[0]["by_verdict"] == {"passed": 1, "failed": 2} and made[1]["episodes"] == 0


def test_intercode_needs_tasks_and_databases_that_are_there(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    assert run(["import", "intercode-sql", str(log)]) == 2
    assert "--tasks FILE and --databases FILE; --tasks is missing" in capsys.readouterr().err
    assert run(["import", "intercode-sql", str(log), "--tasks", str(log)]) == 2
    assert "--databases is missing" in capsys.readouterr().err
    assert run(["import", "intercode-sql", str(log), "--tasks", str(log), "--databases", "none.sql"]) == 2
    assert "--databases: no such file: none.sql" in capsys.readouterr().err
