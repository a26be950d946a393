"""The dataset card: README.md of a release, whose YAML tells `datasets.load_dataset` where the rows are.

A pure function of its facts: no time, cost, path or host, so that the same release has the same card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2

from formats.plain_words import escape
from formats.releases.release_folder import SPLITS
from schemas.mixture_config import MixtureConfig
from schemas.release import GuessableShare, Share, SourceDigest
from schemas.run_config import RunConfig

Cell = str | int | float | None
UNPROVEN = "recorded"
"""Source of rows that nothing of ours has run."""

_HUB_LICENSES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "CC-BY-4.0": "cc-by-4.0", "CC-BY-SA-4.0": "cc-by-sa-4.0"}
_HUB_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The hub's own names for sizes; above the last it is `n>1M`."""


class CardTable(NamedTuple):
    """A table on the card: acceptance by world, the funnel, ..."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class ReleaseFacts(NamedTuple):
    """What a release says about itself, besides its rows."""

    release_id: str
    config: RunConfig
    """Its `mixture` is the recipe."""
    curation_id: str
    sources: tuple[SourceDigest, ...]
    shares: tuple[Share, ...]
    guessable: GuessableShare
    notes: tuple[str, ...] = ()
    tables: tuple[CardTable, ...] = ()
    has_calls: bool = False
    """Whether any row has calls, tools or reasoning: then `messages` has columns for them."""
    reasons: Mapping[str, str] = {}
    """Why a row is not in `tool_calls`: a half sentence by reason."""


class LicenseCount(NamedTuple):
    source: str
    """agent, or the general stratum."""
    license: str
    rows: int


def render_card(
    facts: ReleaseFacts,
    licenses: Sequence[LicenseCount],
    configs: Mapping[str, Mapping[str, int]],
    sources: Mapping[tuple[str, str], int],
    left_out: Mapping[str, int],
) -> str:
    """Render README.md of what was written.

    Args:
        licenses: rows by source and licence.
        configs: rows by config and split, of those that have any.
        sources: rows by source and split.
        left_out: rows that are not in `tool_calls`, by reason.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    template = environment.from_string(Path(__file__).with_name("dataset_card.md.jinja").read_text(encoding="utf-8"))
    rows = sum(count.rows for count in licenses)
    return template.render(
        facts=facts,
        escape=escape,
        rows=rows,
        unproven=sum(count.rows for count in licenses if count.source == UNPROVEN),
        license=_name_license(licenses),
        size=next((name for limit, name in _HUB_SIZES if rows < limit), "n>1M"),
        shares=_render_shares(facts.shares),
        configs=configs,
        splits=_render_splits(sources),
        left_out=dict(sorted(left_out.items())),
        reasons=facts.reasons,
        writers=escape(_name_writers(facts.config.mixture), keep="`"),
        thresholds=escape(_name_thresholds(facts.config)),
        licenses=render_table(("source", "licence", "rows"), licenses),
        sources=render_table(("table", "digest"), [(source.table, source.digest) for source in facts.sources]),
        render_table=render_table,
    )


def render_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Render a Markdown table, numbers to the right; floats with three decimals, None as a dash."""
    numeric = [bool(rows) and all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    lines = [list(map(escape, columns)), ["---:" if is_number else "---" for is_number in numeric]]
    lines += [[_render_cell(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _render_cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.3f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return escape(cell)


def _render_shares(shares: Sequence[Share]) -> str:
    achieved = ("rows (share)", "turns (share)", "tokens (share)", "trained tokens (share)")
    return render_table(
        ("source", "asked", *achieved, "rows", "repeated", "available"),
        [
            (
                *(s.stratum, s.asked, s.achieved_rows, s.achieved_turns, s.achieved_tokens),
                *(s.achieved_trained_tokens, s.rows, s.repeated, s.available),
            )
            for s in shares
        ],
    )


def _render_splits(sources: Mapping[tuple[str, str], int]) -> str:
    names = sorted({source for source, _ in sources})
    return render_table(("source", *SPLITS), [(name, *(sources.get((name, s), 0) for s in SPLITS)) for name in names])


def _name_writers(recipe: MixtureConfig) -> str:
    """Name, per stratum, the models whose chats the recipe counts to it; a source takes chats of whatever model."""
    if any(source.table == "conversations" for source in recipe.sources.values()):
        return "whoever the column `model` names"
    models = {s: sorted(m for m, of in recipe.source_models.items() if of == s) for s in sorted(recipe.strata)}
    return "; ".join(f"{' or '.join(names) or 'nobody'} ({stratum})" for stratum, names in models.items())


def _name_license(licenses: Sequence[LicenseCount]) -> str:
    """Return the hub's name where one known licence covers all rows, else `other`."""
    names = {count.license for count in licenses}
    return _HUB_LICENSES.get(names.pop(), "other") if len(names) == 1 else "other"


def _name_thresholds(config: RunConfig) -> str:
    thresholds = config.curate.thresholds
    return ", ".join(f"{thresholds.get(name, 1.0):g} ({name})" for name in sorted(config.environments or ()))
