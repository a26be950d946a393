"""Builds are told over time: begun, finished or left behind, with what each counts; single stages apart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.rejection import Rejection
from warehouse.build_log import log_builds
from warehouse.state import State
from warehouse.warehouse import Warehouse


@pytest.fixture
def state(warehouse: Warehouse) -> State:
    return State(warehouse.home)


def rows(warehouse: Warehouse, sql: str) -> list[tuple[object, ...]]:
    return warehouse.sql(sql)[1]


def test_what_becomes_of_builds_lands_once_each(warehouse: Warehouse, state: State) -> None:
    first = state.open_build("build", "hash", '{"name": "nightly"}')
    assert (log_builds(warehouse, state), log_builds(warehouse, state)) == (1, 0)
    assert rows(warehouse, "SELECT build, config, config_hash, status FROM builds") == [(1, "nightly", "hash", "open")]
    state.finish_build(first.number)
    alone = state.open_build("curate", "other", '{"name": "demo"}')
    state.abandon_build(alone.number)
    assert log_builds(warehouse, state) == 3
    assert rows(warehouse, "SELECT build, status FROM builds") == [(1, "finished")]
    assert rows(warehouse, "SELECT build, stage, status FROM stage_runs") == [(-1, "curate", "abandoned")]
    assert rows(warehouse, "SELECT began_at <= finished_at FROM builds") == [(True,)]


def test_two_who_look_at_once_count_a_build_once(warehouse: Warehouse, state: State) -> None:
    state.open_build("build", "hash", "{}")
    log_builds(warehouse, state)
    entries = state.build_entries()
    warehouse.land("build_log", entries, key="another process landed them, too")
    assert rows(warehouse, "SELECT build FROM builds") == [(1,)]


def test_a_build_counts_what_it_made(warehouse: Warehouse, state: State, make: SimpleNamespace) -> None:
    for number in (1, 2):
        state.open_build("build", "hash", "{}")
        state.finish_build(number)
    log_builds(warehouse, state)
    warehouse.land("task_specs", [make.task_spec(n, build=1) for n in range(5)], key="one")
    lost = make.episode(3, outcome="teacher_error", verdict="unknown")
    failed = make.episode(2, verdict="failed", reward=0.0)
    again = [make.episode(3, outcome="teacher_error", verdict="unknown", try_number=2)]
    episodes = [make.episode(0), make.episode(1), failed, lost, *again, make.episode(4, build=2)]
    warehouse.land("episodes", episodes, key="one")
    warehouse.land(
        "trajectories", [make.trajectory(0), make.trajectory(0, trajectory_id="of another curation")], key=""
    )
    away = Rejection.make(stage="curate", reason="failed", detail="", source="x", raw="", build=1)
    warehouse.land("rejections", [away], key="one")
    counts = "build, tasks, episodes, passed, no_outcome, kept, turned_away, releases, usd"
    assert rows(warehouse, f"SELECT {counts} FROM builds ORDER BY build") == [
        (1, 5, 4, 2, 1, 1, 1, 0, None),
        (2, 0, 1, 1, 0, 0, 0, 0, None),
    ]


def test_the_builds_of_a_home_of_an_earlier_version_are_told(old_home: Path) -> None:
    warehouse, state = Warehouse(old_home), State(old_home)
    assert log_builds(warehouse, state) > 0
    told = rows(warehouse, "SELECT build, status, episodes > 0 FROM builds ORDER BY build")
    assert told and all(episodes for _, status, episodes in told if status == "finished")


FAILED = {
    "a code of the check's own": (
        {"verdict_reason": "check_says_no", "verdict_detail": "exit code 1"},
        "check_says_no",
    ),
    "a code before a colon, as earlier versions have it": ({"verdict_detail": "wrong_rows: two differ"}, "wrong_rows"),
    "words alone": ({"verdict_detail": "the check ended with exit code 1: no"}, "unsaid"),
    "ended before its check": ({"outcome": "turn_limit", "verdict_detail": "ended as turn_limit"}, "turn_limit"),
    "an outage": ({"outcome": "environment_error", "outcome_reason": "no_room", "verdict": "unknown"}, "no_room"),
    "an outage without a cause": ({"outcome": "teacher_error", "verdict": "unknown"}, "teacher_error"),
    "a broken check": ({"verdict": "unknown"}, "check_error"),
}


@pytest.mark.parametrize("case", FAILED)
def test_a_failure_has_its_reason_in_a_column(warehouse: Warehouse, make: SimpleNamespace, case: str) -> None:
    changes, reason = FAILED[case]
    episode = make.episode(1, **{"verdict": "failed", "reward": 0.0, **changes})
    warehouse.land("episodes", [episode, make.episode(2)], key="one")
    lost = episode.verdict == "unknown"
    assert rows(warehouse, "SELECT episode_id, reason, no_outcome FROM failures") == [("episode-1", reason, lost)]


def refused(stage: str, reason: str, detail: str, source: str, original: str | None = None) -> Rejection:
    return Rejection.make(stage=stage, reason=reason, detail=detail, source=source, raw="", original=original)


COPIED = {
    "of an episode": (refused("curate", "duplicate", "as before", "episode-2/curation", "episode-1"), "episode-1"),
    "of a task": (refused("generate", "not_novel", "ROUGE-L F1 0.8 with 'x'", "seed 0", "task-1"), "task-1"),
    "of a chat": (refused("ingest", "duplicate", "the same chat is there as c0ffee", "chats.jsonl:7"), "c0ffee"),
    "of a recording": (refused("import", "duplicate", "the same recording as a.jsonl:1", "a.jsonl:9"), "a.jsonl:1"),
    "of an imported task": (refused("import", "duplicate", "the same task as b.json:3", "b.json:4"), "b.json:3"),
    "before it was noted": (refused("curate", "duplicate", "as before", "episode-3/curation"), None),
}


@pytest.mark.parametrize("case", COPIED)
def test_a_copy_is_told_with_its_original(warehouse: Warehouse, case: str) -> None:
    rejection, original = COPIED[case]
    other = refused("ingest", "language", "the prose is de", "chats.jsonl:8")
    warehouse.land("rejections", [rejection, other], key="one")
    source = rejection.source.removesuffix("/curation")
    assert rows(warehouse, "SELECT source, original FROM copies") == [(source, original)]
