"""Admission turns weak checks away and lets honest ones in: the rates over the labelled set (check_set/README.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from environments.admission import admit
from environments.os.world import OsWorld
from tests.environments.os.test_check_set import Row, rows, task_of

WEAK_TURNED_AWAY = 0.95
HONEST_TURNED_AWAY = 0.02


async def turned_away(world: OsWorld, found: Sequence[Row]) -> dict[str, str]:
    """Return the rows whose task does not come in, by name, with the probe that says so."""
    reasons = {}
    for row in found:
        failed = [probe for probe in await admit(world, task_of(row)) if not probe.passed]
        if failed:
            reasons[row["name"]] = f"{failed[0].name}: {failed[0].detail}"
    return reasons


@pytest.mark.slow
async def test_weak_checks_are_turned_away(world: OsWorld, tell: Callable[[str], None]) -> None:
    found = rows("weak")
    away = await turned_away(world, found)
    left = [row["name"] for row in found if row["name"] not in away]
    tell(f"weak checks: {len(away)} of {len(found)} turned away; let in: {left}")
    assert len(away) >= WEAK_TURNED_AWAY * len(found), left


@pytest.mark.slow
async def test_honest_checks_come_in(world: OsWorld, tell: Callable[[str], None]) -> None:
    found = rows("honest")
    away = await turned_away(world, found)
    tell(f"honest checks: {len(away)} of {len(found)} turned away: {away}")
    assert len(away) <= HONEST_TURNED_AWAY * len(found), away
