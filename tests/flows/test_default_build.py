"""The main job, as `make demo` runs it: one command, offline, on a fresh home."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from formats.releases.huggingface import verify_release
from warehouse.warehouse import Warehouse

MAX_TASK_RUNS = 60
TOLERANCE = 0.005


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the default build once; return what it printed. How long it takes stands in docs/speed.md."""
    home = tmp_path_factory.mktemp("home")
    command = [str(Path(sys.executable).with_name("trajmill")), "build", "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, cwd=home)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def warehouse(printed: dict[str, Any]) -> Warehouse:
    return Warehouse(Path(printed["path"]).parents[1])


def test_it_keeps_at_least_150_trajectories_over_both_worlds_and_every_kind_of_task(warehouse: Warehouse) -> None:
    query = """SELECT s.environment, s.origin, s.derivation, s.family, count(*) FROM trajectories t
               JOIN task_specs s USING (task_id) GROUP BY ALL"""
    rows = warehouse.query(query)
    assert sum(row[-1] for row in rows) >= 150
    kinds = {row[:3] for row in rows}
    assert {("os", "self_instruct", None), ("db", "self_instruct", None)} <= kinds
    assert {("db", "derived", "replay"), ("db", "derived", "interact")} <= kinds
    families = {(row[0], row[3]) for row in rows}
    topics = ("files", "text processing", "processes", "permissions", "archives", "scripts", "system facts")
    assert {("os", topic) for topic in topics} <= families
    assert {("db", kind) for kind in ("insert", "update", "delete")} <= families


def test_its_mixture_reaches_eta_and_the_strata_by_rows(warehouse: Warehouse) -> None:
    (release,) = warehouse.read("releases")
    achieved = {share.stratum: share.achieved_rows for share in release.shares}
    general = 1 - achieved["agent"]
    assert abs(achieved["agent"] - 0.2) <= TOLERANCE
    assert abs(achieved["gpt-4"] / general - 0.2) <= TOLERANCE
    assert abs(achieved["gpt-3.5"] / general - 0.8) <= TOLERANCE
    shop = [note for note in release.notes if note.startswith("webshop has no validation rows")]  # one shop, one side
    assert release.notes == tuple(shop)


def test_its_release_is_read_by_datasets_offline(printed: dict[str, Any], warehouse: Warehouse) -> None:
    counts = verify_release(Path(printed["path"]))
    worded = printed["rows"] - warehouse.count("trajectories", "dialect = 'rounds'")  # a world without tools
    assert counts == {"messages": printed["rows"], "tool_calls": worded, "conversations": printed["rows"]}


def test_it_makes_at_most_60_prefect_task_runs(printed: dict[str, Any]) -> None:
    assert 10 <= printed["task_runs"] <= MAX_TASK_RUNS


def test_no_row_claims_a_model_that_did_not_write_it(warehouse: Warehouse) -> None:
    models = set(warehouse.column("completions", "model")) | set(warehouse.column("conversations", "source_model"))
    models |= set(warehouse.column("trajectories", "model", "model IS NOT NULL"))
    assert models == {"offline-a", "offline-b"}


def test_what_each_kept_trajectory_cost_is_one_join(warehouse: Warehouse) -> None:
    query = """SELECT count(DISTINCT t.trajectory_id) FROM trajectories t JOIN turns USING (episode_id)
               JOIN completions c USING (completion_id)"""
    asked = warehouse.count("trajectories", "model IS NOT NULL")
    assert warehouse.query(query) == [(asked,)]
