"""Exports that compare attempts, from a home of an earlier commit: its tasks alone, and each split for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands.export import write_folder
from formats.catalogue import find_exporters
from formats.releases.release_folder import ReleaseFolder, read_release
from schemas.errors import ConfigError, InputError
from tasks.publish.mixture import publish_release
from tasks.publish.read_attempts import attempts_in
from tasks.workshop import Workshop

EXPORTERS = find_exporters(installed=False)


def export(name: str, shop: Workshop, release: ReleaseFolder, out: Path, **said: str) -> dict[str, list[Any]]:
    exporter = EXPORTERS[name]
    attempts = attempts_in(shop.warehouse, shop.worlds)
    exported = write_folder(exporter, release, out, exporter.settle(said), attempts)
    lines = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in sorted(out.glob("*.jsonl"))}
    assert exported.rows == sum(map(len, lines.values()))
    assert exported.left_out.keys() <= exporter.reasons.keys()
    return {split: [json.loads(line) for line in some] for split, some in lines.items()}


def fail_at_every_task(shop: Workshop) -> int:
    """Land a failed attempt beside each accepted one of a solver, the same but for its end; return how many."""
    kept = "verdict = 'passed' AND episode_id IN (SELECT episode_id FROM trajectories)"
    passed = [one for one in shop.warehouse.read("latest_episodes", kept) if one.solver.kind == "teacher"]
    change = {"verdict": "failed", "reward": 0.0, "attempt": 2, "landing": "failed"}
    for one in passed:
        turns = shop.warehouse.read("turns", "episode_id = ? AND landing = ?", (one.episode_id, one.landing))
        other = {"episode_id": one.episode_id[::-1], "landing": "failed"}
        did = [turn.model_copy(update=other) for turn in sorted(turns, key=lambda turn: turn.index)]
        did[-1] = did[-1].model_copy(update={"action": '["nobody knows"]', "action_kind": "answer"})
        shop.warehouse.land("turns", did, key=f"failed/turns/{one.episode_id}")
        failed = one.model_copy(update=change | {"episode_id": one.episode_id[::-1]})
        shop.warehouse.land("episodes", [failed], key=f"failed/{one.episode_id}")
    return len(passed)


async def test_pairs_and_reward_rows_are_of_the_release_s_tasks_and_stay_in_their_split(
    old_shop: Workshop, tmp_path: Path
) -> None:
    failed = fail_at_every_task(old_shop)
    release = read_release(Path((await publish_release.fn(1, [])).path))
    tasks = {split: {row.task_id for row in release.rows(split)} - {None} for split in release.splits}
    pairs = export("preferences", old_shop, release, tmp_path / "pairs")
    rewards = export("rewards", old_shop, release, tmp_path / "rewards")
    assert pairs.keys() == rewards.keys() == tasks.keys() == {"train", "validation"}
    verdicts = {one.episode_id: one.verdict for one in old_shop.warehouse.read("latest_episodes")}
    for split, rows in pairs.items():
        assert {row["task_id"] for row in rows} <= tasks[split]
        sides = {(verdicts[row["chosen_episode"]], verdicts[row["rejected_episode"]]) for row in rows}
        assert sides <= {("passed", "failed")}
    assert sum(map(len, pairs.values())) == failed > 0
    for split, rows in rewards.items():
        assert {row["task_id"] for row in rows} <= tasks[split]
        assert all((verdicts[row["episode_id"]] == "passed") == row["label"] for row in rows)
    assert {row["label"] for row in rewards["train"]} == {True, False}
    steps = export("steps", old_shop, release, tmp_path / "steps")
    trained = [m for row in release.rows() if row.task_id for m in row.messages if m.train]
    assert len(steps["train"]) == len(trained)


async def test_an_option_that_cannot_be_is_told_and_nothing_is_left(old_shop: Workshop, tmp_path: Path) -> None:
    release = read_release(Path((await publish_release.fn(1, [])).path))
    for said in ({"span": "word"}, {"most": "0"}, {"most": "many"}):
        with pytest.raises(ConfigError, match="--span is episode or turn and --most a number from 1"):
            export("preferences", old_shop, release, tmp_path / "deep" / "out", **said)
    assert list(tmp_path.glob("deep*")) == []


async def test_a_release_whose_rows_do_not_name_their_tasks_is_told(old_shop: Workshop, tmp_path: Path) -> None:
    (folder,) = (old_shop.home / "releases").iterdir()
    with pytest.raises(InputError, match="is of before rows named their tasks; publish once more"):
        export("preferences", old_shop, read_release(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()
