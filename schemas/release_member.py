"""ReleaseMember: that a release holds a row."""

from __future__ import annotations

from schemas.record import Record


class ReleaseMember(Record):
    """One row of a release: which trajectory or conversation it is, and where it stands."""

    release_id: str
    row_id: str
    """Of the trajectory or conversation."""
    copy_number: int = 1
    """From 1; more than one where the recipe repeats rows (`mixture.epochs`)."""
    split: str
    """train or validation."""
    position: int
    """In its split, from 0."""
    source: str
    """agent, or the name of a general stratum."""
