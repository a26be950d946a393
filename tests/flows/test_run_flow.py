"""What a server of its own has recorded by the time the command ends: all runs of the build, and its artifacts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

STAGES = ["generate_tasks", "collect_episodes", "curate_trajectories", "ingest_conversations", "publish_mixture"]


class History:
    """Prefect's database of a home, read only."""

    def __init__(self, home: Path) -> None:
        self._connection = sqlite3.connect(f"file:{home}/prefect/prefect.db?mode=ro", uri=True)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def history(smoke: Any) -> History:
    return History(smoke.home)


def test_the_build_and_its_five_stages_are_recorded_as_completed_in_order(history: History) -> None:
    runs = history.ask(
        "SELECT flow.name, run.state_name, run.parent_task_run_id IS NULL FROM flow_run run "
        "JOIN flow ON flow.id = run.flow_id ORDER BY run.start_time"
    )
    assert runs == [("build", "Completed", 1), *((stage, "Completed", 0) for stage in STAGES)]


def test_every_task_run_that_began_is_recorded_as_completed(history: History, smoke: Any) -> None:
    tasks = "SELECT count(*) FROM task_run WHERE id NOT IN (SELECT coalesce(parent_task_run_id, '') FROM flow_run)"
    assert history.ask(tasks) == [(smoke.ran.json["task_runs"],)]
    assert history.ask("SELECT DISTINCT state_name FROM task_run") == [("Completed",)]
    assert "did not record" not in smoke.ran.err


def test_runs_say_their_build_and_config_and_carry_the_tags_to_filter_by(history: History) -> None:
    assert history.ask("SELECT DISTINCT name FROM flow_run") == [("build 1 · smoke",)]
    tags = {tuple(sorted(orjson.loads(tags))) for (tags,) in history.ask("SELECT tags FROM flow_run")}
    assert tags == {
        ("config:smoke", "trajmill"),
        *(("config:smoke", f"stage:{stage}", "trajmill") for stage in STAGES),
    }


def test_task_runs_are_named_by_what_they_do(history: History) -> None:
    names = {name for (name,) in history.ask("SELECT name FROM task_run WHERE tags LIKE '%stage:%'")}
    expected = {"derive tasks", "generate round 0", "curate shard 0", "validate tables", "publish release"}
    assert expected <= names
    assert {name for name in names if name.startswith("collect")} == {
        "collect db teacher wave 1 shard 0",
        "collect os teacher wave 1 shard 0",
    }


def test_the_artifacts_stand_under_their_fixed_keys(history: History) -> None:
    kinds = dict(history.ask("SELECT DISTINCT key, type FROM artifact"))
    tables = ("build-progress", "funnel", "reject-reasons", "yield-by-world", "cost")
    assert kinds == dict.fromkeys(tables, "table") | dict.fromkeys(("data-card", "release"), "markdown")


def test_the_funnel_on_the_dashboard_is_the_funnel_that_was_printed(history: History, smoke: Any) -> None:
    ((data,),) = history.ask("SELECT data FROM artifact WHERE key = 'funnel'")
    assert orjson.loads(orjson.loads(data)) == smoke.ran.json["funnel"]


def test_the_release_on_the_dashboard_says_how_to_load_it(history: History, smoke: Any) -> None:
    ((data,),) = history.ask("SELECT data FROM artifact WHERE key = 'release'")
    page = orjson.loads(data)
    assert f'load_dataset("{smoke.ran.json["path"]}", split="train")' in page
    assert smoke.ran.json["release_id"] in page


def test_the_build_logs_what_each_stage_did(history: History) -> None:
    lines = history.ask(
        "SELECT message FROM log WHERE flow_run_id IN (SELECT id FROM flow_run WHERE parent_task_run_id IS NULL) "
        "ORDER BY timestamp"
    )
    told = [line.split(":")[0] for (line,) in lines if " done, " in line]
    assert told == STAGES


def test_looking_at_a_folder_that_is_no_home_leaves_nothing_there(
    trajmill: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert trajmill("status", home=tmp_path / "typo").code == 2
    assert list(tmp_path.iterdir()) == []
