"""Mixes agent data with general chat at eta (AgentTuning: eta 0.2, GPT-4 : GPT-3.5 = 1 : 4).

Agent rows are the anchor: all of them go in, but for those over the cap on guessable ones, and those of foreign sets
that the recipe names; general rows are asked for in proportion. Rows are chosen and ordered by sha256 of their id and
the seed, so the choice does not know the order in which they came.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from schemas.errors import ConfigError
from schemas.release import GuessableShare, Share
from schemas.run_config import MixtureConfig

AGENT = "agent"
RECORDED = "recorded"
"""The stratum of foreign sets that a recipe names."""


class Eligible(NamedTuple):
    """What mixing needs to know of a row."""

    id: str
    turns: int
    """Messages that the loss counts on."""
    tokens: int
    """Approximate tokens in all messages."""
    source_model: str | None = None
    """Who wrote the replies of a general chat; None = nobody says, and then it stays out."""
    guessable: bool = False
    """Whether a guess may hit the answer of an agent row's task."""


class Pick(NamedTuple):
    """One row of the mixture."""

    id: str
    stratum: str
    """agent, or the name of a general stratum."""


class Mixture(NamedTuple):
    picks: tuple[Pick, ...]
    """In sha256 order."""
    shares: tuple[Share, ...]
    """agent first, then the strata by name."""
    guessable: GuessableShare
    notes: tuple[str, ...]
    """Strata that ran short, chats that belong to none, agent rows over the cap."""


def mix_samples(
    agent: Iterable[Eligible], general: Iterable[Eligible], recipe: MixtureConfig, recorded: Iterable[Eligible] = ()
) -> Mixture:
    """Choose the rows of a mixture; an id given twice counts once. Recorded rows count to eta, as agent rows do.

    Raises:
        ConfigError: the strata's shares do not add up to 1, or a stratum is called `agent`.
    """
    _check(recipe)
    of_sets = {RECORDED: _by_id(recorded)} if recipe.recorded else {}
    pools = {AGENT: _by_id(agent), **of_sets, **{name: {} for name in sorted(recipe.strata)}}
    outside: dict[str, int] = defaultdict(int)
    for candidate in _by_id(general).values():
        stratum = recipe.source_models.get(candidate.source_model or "")
        if stratum in recipe.strata:
            pools[stratum][candidate.id] = candidate
        else:
            outside[candidate.source_model or ""] += 1
    eligible = {**pools, AGENT: _cap_guessable(pools[AGENT], recipe)}
    anchor = {name: len(eligible[name]) for name in (AGENT, *of_sets)}
    asked = {**anchor, **_rows_asked(sum(anchor.values()), recipe)}
    chosen = {name: _choose(pool, asked[name], recipe.seed) for name, pool in eligible.items()}
    guessable = _count_guessable(pools[AGENT], chosen[AGENT], recipe)
    picks = [Pick(candidate.id, name) for name, rows in chosen.items() for candidate in rows]
    return Mixture(
        picks=tuple(sorted(picks, key=lambda pick: sampling_key(pick.id, recipe.seed))),
        shares=_shares(chosen, pools, recipe),
        guessable=guessable,
        notes=(*_notes(asked, pools, outside), *_note_guessable(guessable)),
    )


def sampling_key(row_id: str, seed: int) -> tuple[str, str]:
    """Return the key by which rows are chosen and ordered: sha256 of id and seed, then the id."""
    return hashlib.sha256(f"{row_id}:{seed}".encode()).hexdigest(), row_id


def _check(recipe: MixtureConfig) -> None:
    total = sum(recipe.strata.values())
    if abs(total - 1) > 1e-6 or min(recipe.strata.values()) < 0:
        raise ConfigError(
            f"The shares in mixture.strata add up to {total:g}; none is negative and together they are 1."
        )
    for name, what in ((AGENT, "the agent data"), (RECORDED, "the foreign sets")):
        if name in recipe.strata:
            raise ConfigError(f"A stratum of mixture.strata is called {name!r}; that is {what}. Use another name.")


def _by_id(candidates: Iterable[Eligible]) -> dict[str, Eligible]:
    return {candidate.id: candidate for candidate in candidates}


def _cap_guessable(pool: Mapping[str, Eligible], recipe: MixtureConfig) -> dict[str, Eligible]:
    """Leave out guessable rows, the last in sha256 order, until they are no larger a share of what stays than asked."""
    tagged = [row_id for row_id, candidate in pool.items() if candidate.guessable]
    cap = Fraction(str(recipe.guessable))
    most = len(tagged) if cap == 1 else int((len(pool) - len(tagged)) * cap / (1 - cap))
    over = set(sorted(tagged, key=lambda row_id: sampling_key(row_id, recipe.seed))[most:])
    return {row_id: candidate for row_id, candidate in pool.items() if row_id not in over}


def _count_guessable(pool: Mapping[str, Eligible], chosen: Sequence[Eligible], recipe: MixtureConfig) -> GuessableShare:
    rows = sum(candidate.guessable for candidate in chosen)
    left_out = sum(candidate.guessable for candidate in pool.values()) - rows
    achieved = round(rows / len(chosen), 6) if chosen else 0.0
    return GuessableShare(asked=recipe.guessable, achieved=achieved, rows=rows, left_out=left_out)


def _note_guessable(guessable: GuessableShare) -> tuple[str, ...]:
    if not guessable.left_out:
        return ()
    rows = f"{guessable.left_out} agent row{'' if guessable.left_out == 1 else 's'}"
    most = f"the recipe takes {guessable.asked:.0%} of such at most, and {guessable.rows} are in."
    return (f"{rows} left out whose answer a guess may hit: {most}",)


def _rows_asked(agent_rows: int, recipe: MixtureConfig) -> dict[str, int]:
    """Split agent * (1 - eta) / eta over the strata; what rounding leaves goes to the largest remainders."""
    eta = Fraction(str(recipe.eta))
    total = round(agent_rows * (1 - eta) / eta)
    shares = {name: Fraction(str(share)) for name, share in sorted(recipe.strata.items())}
    exact = {name: total * share / sum(shares.values()) for name, share in shares.items()}
    rows = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (rows[name] - exact[name], name))
    for name in by_remainder[: total - sum(rows.values())]:
        rows[name] += 1
    return rows


def _choose(pool: Mapping[str, Eligible], count: int, seed: int) -> list[Eligible]:
    return [pool[row_id] for row_id in sorted(pool, key=lambda row_id: sampling_key(row_id, seed))[:count]]


def _shares(
    chosen: Mapping[str, list[Eligible]], pools: Mapping[str, Mapping[str, Eligible]], recipe: MixtureConfig
) -> tuple[Share, ...]:
    everything = [candidate for rows in chosen.values() for candidate in rows]
    anchor = {name: len(chosen[name]) for name in (AGENT, RECORDED) if name in chosen}
    asked = {name: recipe.eta * rows / (sum(anchor.values()) or 1) for name, rows in anchor.items()}
    asked |= {AGENT: recipe.eta} if RECORDED not in anchor else {}
    asked |= {name: (1 - recipe.eta) * share for name, share in recipe.strata.items()}

    def part(rows: list[Eligible], field: str) -> float:
        total = sum(getattr(candidate, field) for candidate in everything)
        return round(sum(getattr(candidate, field) for candidate in rows) / total, 6) if total else 0.0

    return tuple(
        Share(
            stratum=name,
            asked=round(asked[name], 6),
            achieved_rows=round(len(rows) / len(everything), 6) if everything else 0.0,
            achieved_turns=part(rows, "turns"),
            achieved_tokens=part(rows, "tokens"),
            rows=len(rows),
            available=len(pools[name]),
        )
        for name, rows in chosen.items()
    )


def _notes(
    asked: Mapping[str, int], pools: Mapping[str, Mapping[str, Eligible]], outside: Mapping[str, int]
) -> tuple[str, ...]:
    notes = [] if asked[AGENT] or asked.get(RECORDED) else ["No trajectory is eligible: the mixture is empty."]
    for name, count in asked.items():
        if count > len(pools[name]):
            notes.append(f"{name} ran short: {count} rows asked, {len(pools[name])} there; not refilled from others.")
    for model, count in sorted(outside.items()):
        chats = f"{count} chat{'' if count == 1 else 's'}"
        if model:
            notes.append(f"{chats} by {model} left out: the recipe maps that model to no stratum.")
        else:
            notes.append(f"{chats} left out: no model is named as the author.")
    return tuple(notes)
