"""Reports are read from the tables, and their numbers add up."""

from __future__ import annotations

from typing import Any

import pytest

from reports import funnel as report
from warehouse.warehouse import Warehouse


@pytest.fixture(scope="session")
def warehouse(smoke: Any) -> Warehouse:
    return Warehouse(smoke.home)


def test_the_funnel_never_widens(warehouse: Warehouse) -> None:
    for row in report.funnel(warehouse, 1).records():
        counts = [row[name] for name in ("proposed", "admitted", "attempted", "passed", "kept")]
        assert counts == sorted(counts, reverse=True) and counts[-1] > 0


def test_what_was_proposed_was_admitted_or_turned_away(warehouse: Warehouse) -> None:
    turned = {"os": 0, "db": 0}
    for row in report.reasons(warehouse, 1).records():
        if row["stage"] in ("generate", "admit"):
            turned[row["world"]] += row["rows"]
    for row in report.funnel(warehouse, 1).records():
        assert row["proposed"] == row["admitted"] + turned[row["world"]]


def test_a_build_that_never_was_has_an_empty_funnel(warehouse: Warehouse) -> None:
    assert {row["proposed"] for row in report.funnel(warehouse, 99).records()} == {0}


def test_outcomes_add_up_to_the_episodes(warehouse: Warehouse) -> None:
    rows = report.outcomes(warehouse, 1).records()
    assert sum(row["episodes"] for row in rows) == warehouse.count("latest_episodes")


def test_costs_add_up_to_the_completions_and_every_stage_that_asked_is_named(warehouse: Warehouse) -> None:
    rows = report.costs(warehouse).records()
    assert sum(row["requests"] for row in rows) == warehouse.count("completions")
    assert {row["stage"] for row in rows} == {"generate_tasks", "collect_episodes", "curate_trajectories"}


def test_acceptance_counts_every_final_episode_that_may_be_trained_on(warehouse: Warehouse) -> None:
    rows = report.acceptance(warehouse).records()
    assert sum(row["episodes"] for row in rows) == warehouse.count("latest_episodes", "verdict <> 'unknown'")
    assert sum(row["kept"] for row in rows) == warehouse.count("trajectories")
    assert all(row["acceptance"] == round(row["kept"] / row["episodes"], 3) for row in rows)


def test_the_sample_begins_with_the_task_not_with_the_example(warehouse: Warehouse) -> None:
    messages = report.sample(warehouse, 1)
    assert messages[0]["role"] == "user" and messages[1]["train"]
    assert report.sample(warehouse, 99) == []


def test_releases_are_listed_with_their_place(warehouse: Warehouse, smoke: Any) -> None:
    (row,) = report.releases(warehouse).records()
    assert (row["release"], row["path"]) == (smoke.ran.json["release_id"], smoke.ran.json["path"])
