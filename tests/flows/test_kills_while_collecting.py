"""A build that is ended while it collects episodes goes on: the same bytes in the end, no request twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from benchmarks.killed_builds import STOPPED, Builder, is_frugal, is_the_same_home, kill_and_continue, share_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

STAGE = "collect_episodes"


def test_a_build_killed_while_it_collects_ends_with_every_table_and_the_release_the_same(
    quiet: Builder, undisturbed: Path
) -> None:
    killed = kill_and_continue(quiet, STAGE, share_of(STAGE))
    assert killed.left == []
    assert is_the_same_home(killed.home, undisturbed)
    assert is_frugal(killed)


def test_ctrl_c_ends_with_a_word_and_the_same_command_goes_on(quiet: Builder, undisturbed: Path) -> None:
    killed = kill_and_continue(quiet, STAGE, 0.4, signal.SIGINT)
    assert (killed.code, killed.said[-len(STOPPED) :]) == (130, STOPPED)
    assert killed.left == []
    assert is_the_same_home(killed.home, undisturbed)


def test_sigterm_ends_a_build_as_tidily(quiet: Builder, undisturbed: Path) -> None:
    killed = kill_and_continue(quiet, STAGE, 0.5, signal.SIGTERM)
    assert (killed.code, killed.said[-len(STOPPED) :]) == (130, STOPPED)
    assert killed.left == []
    assert is_the_same_home(killed.home, undisturbed)
