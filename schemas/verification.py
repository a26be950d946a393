"""Verification: what came of running a proof again. A report and no table: what has landed stays as it was."""

from __future__ import annotations

from typing import Literal

from schemas.episode import Verdict
from schemas.record import Record

Cause = Literal["times", "numbers", "names", "order", "text", "state", "reward", "probe"]
"""What sets two runs apart. An observation that is the same once dates and clock times are masked: times; once random
names are: names; once every number is (process ids, sizes, but counts as well): numbers; once its lines are sorted:
order; else text. state: the files or the database as they were left. reward: what the check said. probe: a trial of a
task."""

BY_NATURE: tuple[Cause, ...] = ("times", "names", "order")
"""Causes that say nothing about the proof: a program shows the time, a name it drew, or lines as they came."""


class Difference(Record):
    """One thing that came out otherwise."""

    where: str
    """`turn 3` (what its action showed), `state`, `reward`, or the probe's name."""
    cause: Cause
    detail: str
    """`- what was recorded` and `+ what came now`, cut; for a probe why it failed."""


class Verification(Record):
    """One proof that was run again."""

    id: str
    """Episode or task."""
    kind: Literal["episode", "task"]
    environment: str
    elsewhere: str = ""
    """What the episode was made on and what this is, where the two are not one world; empty = the same world."""
    broken: str = ""
    """Why it could not be run to its end; empty = it was."""
    differences: tuple[Difference, ...] = ()
    """In the order in which they were met."""
    has_state: bool = True
    """False = no state was recorded with the episode, so observations and reward alone were compared."""
    verdict: Verdict | None = None
    """What the check said of an episode now; None = it broke before it was judged, or this is a task."""

    @property
    def is_same(self) -> bool:
        """Whether everything came out as recorded."""
        return not self.broken and not self.differences

    @property
    def holds(self) -> bool:
        """Whether nothing came out otherwise but what never comes out twice the same."""
        return not self.broken and all(difference.cause in BY_NATURE for difference in self.differences)

    @property
    def shows_same(self) -> bool:
        """Whether this is so of what the actions showed and left, whatever was said of it."""
        told = (difference.cause for difference in self.differences if difference.cause != "reward")
        return not self.broken and all(cause in BY_NATURE for cause in told)
