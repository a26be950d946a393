"""Chooses how an export keeps untrained replies out of the loss: as asked, as the template allows, or safely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from formats.catalogue import Given
from formats.releases.strategies import Strategy
from formats.releases.tokenized import TokenizedRows, look_at_template
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from formats.releases.training import TrainerForm

TOKENIZED = "tokenized"
_ASKED = "it was asked for"


class Plan(NamedTuple):
    """How rows are written, and why so."""

    strategy: str
    """As it is said: a strategy, or `tokenized`."""
    rows: Strategy
    """What each row becomes."""
    why: str
    look: TokenizedRows | None = None
    """The tokenizer that was given."""

    @property
    def layout(self) -> str:
        """Whether a row stays one row."""
        return "fan-out" if self.rows in ("fan-out", "cut") else "packed"

    @property
    def note(self) -> dict[str, str]:
        """Return what the manifest says of it."""
        return {"strategy": self.strategy, "layout": self.layout, "because": self.why}


def choose_plan(trainer: TrainerForm, given: Given) -> Plan:
    """Choose what was asked for, what the template allows, or else what is right for every template.

    Raises:
        ConfigError: the trainer cannot do it, or the template is no ground to train on.
    """
    asked = given.get("strategy")
    if asked is not None and asked not in trainer.can:
        raise ConfigError(
            f"{trainer.name} cannot be written with --strategy {asked}; it can with {', '.join(trainer.can)}"
        )
    folder = given.get("tokenizer")
    if folder is None:
        if asked == TOKENIZED:
            raise ConfigError("--strategy tokenized needs --tokenizer DIR, the tokenizer as it will be trained")
        rows = _named(trainer, asked) if asked else trainer.default
        return Plan(rows, rows, _ASKED if asked else trainer.because)
    look = look_at_template(Path(folder))
    keeps = look.kind == "append_only"
    why = f"the template of {Path(folder).name} {'keeps' if keeps else 'rewrites'} what was said before"
    if trainer.is_tokenized and asked in (None, TOKENIZED):
        return Plan(TOKENIZED, "native" if keeps else "fan-out", why, look)
    if asked is not None:
        return Plan(asked, _named(trainer, asked), _ASKED, look)
    rows = trainer.packed if keeps and trainer.packed else trainer.default
    return Plan(rows, rows, why, look)


def _named(trainer: TrainerForm, asked: str) -> Strategy:
    return next(one for one in trainer.strategies if one == asked)
