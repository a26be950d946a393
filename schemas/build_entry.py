"""BuildEntry: what became of a build, as far as it is known: it began, it finished, or it was left behind."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from schemas.record import VOLATILE, Record

BuildStatus = Literal["begun", "finished", "abandoned"]


class BuildEntry(Record):
    """One thing that became of a build, or of a stage that was run by itself; `builds` and `stage_runs` sum it up."""

    number: int
    """As in `episodes`: from 1; of a stage by itself from -1 downwards."""
    kind: str
    """build, or the stage that was run by itself: generate, collect, curate, import, publish, ..."""
    status: BuildStatus
    """abandoned = left unfinished for another configuration."""
    config: str
    """Name of its configuration."""
    config_hash: str
    """Of all that it makes, pace apart: equal for builds that make their rows in the same way."""
    happened_at: Annotated[datetime | None, VOLATILE] = None
    """When it began or finished; None = abandoned: nobody noted when."""
