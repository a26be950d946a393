"""MixtureConfig: the recipe of a release, the section `[mixture]` of a configuration."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.band import Band
from schemas.record import Record

Unit = Literal["rows", "turns", "trained_tokens"]
"""turns: messages that the loss counts on; trained_tokens: tokens in these."""
ATTEMPTS = re.compile(r"correct|shortest|best-([1-9][0-9]{0,3})")


def _says_a_band(words: str | None) -> str | None:
    if words is not None:
        Band.read(words)
    return words


def _says_which(words: str) -> str:
    if not ATTEMPTS.fullmatch(words):
        raise ValueError(f"{words!r} is none of correct, shortest, best-N (best-1, best-2, ...)")
    return words


Attempts = Annotated[str, AfterValidator(_says_which)]
PassRates = Annotated[str | None, AfterValidator(_says_a_band)]


class SourceConfig(Record):
    """Rows of one table that a mixture draws from, `[mixture.sources.<name>]`."""

    table: Literal["trajectories", "conversations"]
    where: str = "true"
    """SQL condition over the table's columns; it may read other tables and views (docs/tables.md). A row belongs to the
    first source that takes it."""
    weight: float | None = Field(default=None, gt=0)
    """Its part of the agent data, or of the general data, beside the others of its table. None = all rows that it takes
    are one pool with the others without a weight."""


class CapsConfig(Record):
    """Agent rows at most, in the order of sha256; None = as many as there are."""

    task: int | None = Field(default=None, ge=1)
    """Of one task."""
    family: int | None = Field(default=None, ge=1)
    """Of one family of tasks in a world; tasks of no family count together."""
    world: int | None = Field(default=None, ge=1)
    """Of one world."""


class MixtureConfig(Record):
    """The recipe."""

    eta: float = Field(default=0.2, ge=0, le=1)
    """Share of agent data (AgentTuning: 0.2, of a scan from 0 to 1)."""
    strata: dict[str, float] = {"gpt-4": 0.2, "gpt-3.5": 0.8}
    """Shares within the general data (AgentTuning: GPT-4 : GPT-3.5 = 1 : 4)."""
    source_models: dict[str, str] = {"gpt-4": "gpt-4", "gpt-3.5": "gpt-3.5", "gpt-3.5-turbo": "gpt-3.5"}
    """Source model -> stratum; chats of other models stay out and are counted."""
    guessable: float = Field(default=0.1, ge=0, le=1)
    """Share of the agent rows at most whose answer a guess may hit (`0`, yes or no, a small number). At a tenth, nine
    rows in ten are proven work even if all of these were luck; the demo's are about a twentieth."""
    validation: float = Field(default=0.0, ge=0, le=0.5)
    """Share of the rows of each source that is for validation; what belongs together is on one side."""
    recorded: tuple[str, ...] = ()
    """Foreign sets whose rows are taken, by the names under which they were imported: a source of their own beside the
    agent rows, within eta. Nothing of them was proven; none is taken unnamed."""
    pass_rate: PassRates = None
    """Which tasks' rows are taken, by the share of their attempts that passed, as measured over all builds and solvers:
    `"0 < rate < 1"` leaves out what nobody solves and what everybody does, `"rate <= 0.5"` what is easy. None = all."""
    min_attempts: int = Field(default=2, ge=1)
    """Attempts that a task's rate is measured by at least; with `pass_rate` tasks of fewer stay out."""
    seed: int = 0
    curation_id: str | None = None
    """None = the newest curation."""
    rows_per_shard: int = Field(default=2000, ge=1)
    unit: Unit = "rows"
    """What shares are counted in. An agent row is longer than a chat: at eta 0.2 by rows agent data may be half of the
    tokens."""
    total: int | None = Field(default=None, ge=1)
    """Of the whole mixture, in that unit. None = all agent rows go in, and general ones in proportion."""
    sources: dict[str, SourceConfig] = {}
    """What the mixture draws from, by name. None given = all trajectories of its curation, and chats by
    `source_models`."""
    epochs: dict[str, Annotated[float, Field(gt=0, le=100)]] = {}
    """How often the rows of `agent` or of a general stratum may stand in the mixture at most: 3.9 = all of them three
    times and most a fourth time. One that is not named: once."""
    caps: CapsConfig = CapsConfig()
    attempts: Attempts = "correct"
    """Which of several kept attempts at a task: `correct` (all that were kept), `shortest` (the one with the fewest
    turns), `best-N` (N of the highest reward, the shorter ones first)."""
    tokenizer: str | None = None
    """Folder with the `tokenizer.json` that tokens are counted by. None = estimated: UTF-8 bytes / 4."""
    tokenizer_sample: int = Field(default=2000, ge=0)
    """Rows of each source that the tokenizer counts to calibrate the estimate, whose error on others the card says;
    0 = it counts every row."""
    versions: dict[str, int] = {}
    """Versions of tables that the mixture is made from, as a release's `sources` name them; of others the newest."""

    @model_validator(mode="after")
    def _weighs_all_or_none(self) -> MixtureConfig:
        for table in ("trajectories", "conversations"):
            weights = {name: one.weight for name, one in self.sources.items() if one.table == table}
            if len(weights) > 1 and len({weight is None for weight in weights.values()}) > 1:
                without = sorted(name for name, weight in weights.items() if weight is None)
                raise ValueError(f"of the sources of {table} {without} have no weight: give all of them one, or none")
        return self
