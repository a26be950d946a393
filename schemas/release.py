"""Release: a mixture's immutable published form."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from schemas.record import VOLATILE, Record


class SourceDigest(Record):
    table: str
    digest: str
    version: Annotated[int, VOLATILE]
    """Delta version that was read; pinned by `gc` while the release is kept."""


class Share(Record):
    """One stratum of the mixture: what was asked and what was had."""

    stratum: str
    """agent, or the name of a general stratum."""
    asked: float
    """Share that the recipe asks for, in its unit: rows unless it says otherwise."""
    achieved_rows: float
    achieved_turns: float
    achieved_tokens: float
    rows: int
    available: int
    """Rows that the sources held."""
    achieved_trained_tokens: float = 0.0
    """0 also where it was not counted yet."""
    repeated: int = 0
    """Of `rows`: second and later copies (`mixture.epochs`)."""


class GuessableShare(Record):
    """Agent rows whose task has an answer that a guess may hit: an accepted episode proves less there."""

    asked: float
    """Share of the agent rows that they may take at most."""
    achieved: float
    """Share of the agent rows that they take."""
    rows: int
    left_out: int
    """Eligible ones above that."""


class FileHash(Record):
    path: str
    sha256: str
    bytes: int
    rows: int | None = None
    """Rows, where the file is a table."""


class Release(Record):
    release_id: str
    """h(source digests, recipe, seed, lock file)."""
    recipe: str
    """The `[mixture]` section, as JSON."""
    curation_id: str
    sources: tuple[SourceDigest, ...]
    shares: tuple[Share, ...]
    guessable: GuessableShare | None = None
    """None = published before these rows were told apart."""
    rows: int
    """Of both splits."""
    validation_rows: int = 0
    """Those of them that are for validation."""
    files: tuple[FileHash, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know: strata that ran short, ..."""
    build: int
    created_at: Annotated[datetime, VOLATILE]
    path: Annotated[str, VOLATILE]
    seconds: Annotated[float, VOLATILE]
    cost_usd: Annotated[float, VOLATILE]
    """What everything in the home had cost when it was published."""
