"""The page says of AgentBench's tasks what a run of the trials gives; a part of them is tried again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.trust import PROBES, TABLE, name_of, read_all, read_record, render, split_of, try_all

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "agentbench"
PAGE = ROOT / "docs" / "trust.md"
EVERY = 24
"""One task in this many is tried again: what gets through is told by the kind of check, of which there are few."""


def test_the_page_is_what_the_record_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert TABLE.start in page and TABLE.end in page
    told = "run: python -m benchmarks.trust --data DIR --write docs/trust.md"
    assert TABLE.put(page, render(read_record())) == page, told


def test_the_record_holds_all_tasks_but_the_duplicate() -> None:
    splits = [split_of(trial.name) for trial in read_record()]
    assert (splits.count("dev"), splits.count("std")) == (26, 55)  # one std task is another's duplicate
    assert splits.count("train") >= 499
    assert {probe for trial in read_record() for probe in (*trial.ours, *trial.theirs)} <= set(PROBES)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/agentbench is absent")
def test_a_part_of_the_tasks_tried_again_gives_what_the_record_says() -> None:
    known = {trial.name: trial for trial in read_record()}
    again = asyncio.run(try_all([spec for spec in read_all(SHARED) if name_of(spec) in known][::EVERY]))
    assert again
    assert [trial for trial in again if trial != known[trial.name]] == []
