"""Walls that break once, at any moment of a trial: the task is tried again or found as it is, never let in on less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from environments.admission import admit
from environments.os.world import OsWorld
from sandboxes.bubblewrap import PodSession
from schemas.errors import CheckSandboxError, SandboxError
from schemas.task_spec import Probe, TaskSpec

MAKES_A_FILE = {
    "init": "mkdir /srv/in; printf 'b 2\\na 1\\n' >/srv/in/list; echo old >/srv/kept",
    "reference": "sort /srv/in/list >/srv/sorted; echo new >/srv/kept",
    "evaluation": '[ "$(cat /srv/sorted)" = "$(printf \'a 1\\nb 2\')" ] && [ "$(cat /srv/kept)" = new ]',
    "instruction": "Sort /srv/in/list into /srv/sorted and write new into /srv/kept.",
}
"""Its trials compare files, spoil them, take them back and alter what they are made of."""


class Moments:
    """Counts what a session is asked for, and breaks at one of them."""

    def __init__(self) -> None:
        self.asked, self.breaks_at = 0, -1

    def pass_one(self) -> None:
        self.asked += 1
        if self.asked == self.breaks_at:
            raise SandboxError("killed from outside")


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Iterator[Moments]:
    counted = Moments()
    for name in ("exec", "run", "diff", "snapshot"):
        whole: Callable[..., Any] = getattr(PodSession, name)

        async def breaking(self: PodSession, *given: Any, whole: Callable[..., Any] = whole, **named: Any) -> Any:
            counted.pass_one()
            return await whole(self, *given, **named)

        monkeypatch.setattr(PodSession, name, breaking)
    yield counted


def verdicts(probes: tuple[Probe, ...]) -> list[tuple[str, bool, str]]:
    return [(probe.name, probe.passed, probe.detail) for probe in probes]


@pytest.mark.slow
async def test_walls_that_break_at_any_moment_of_the_trials_never_make_them_fewer(
    world: OsWorld, make_task: Callable[..., TaskSpec], moments: Moments
) -> None:
    spec = make_task(**MAKES_A_FILE)
    expected = verdicts(await admit(world, spec))
    assert {"near_misses_fail", "altered_sources_fail", "wiped_files_fail"} <= {name for name, *_ in expected}
    assert all(passed for _, passed, _ in expected)
    in_all, told = moments.asked, 0
    for moment in range(1, in_all + 1):
        moments.asked, moments.breaks_at = 0, moment
        try:
            assert verdicts(await admit(world, spec)) == expected, f"moment {moment} of {in_all}"
        except (SandboxError, CheckSandboxError):
            told += 1
    assert told > in_all / 3
