"""A build that is killed once its episodes are there goes on: the same bytes in the end, no request twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.killed_builds import STAGES, Builder, is_frugal, is_the_same_home, kill_and_continue, share_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.mark.parametrize("stage", STAGES[2:])
def test_a_build_killed_in_a_later_stage_ends_with_every_table_and_the_release_the_same(
    stage: str, quiet: Builder, undisturbed: Path
) -> None:
    killed = kill_and_continue(quiet, stage, share_of(stage))
    assert killed.left == []
    assert is_the_same_home(killed.home, undisturbed)
    assert is_frugal(killed)
