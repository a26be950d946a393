"""Mixes agent data with general chat at eta (AgentTuning: eta 0.2, GPT-4 : GPT-3.5 = 1 : 4).

Agent rows are the anchor: all of them go in, but for those over the cap on guessable ones and what the recipe caps
besides, and general rows are asked for in proportion; where the recipe gives a total, both are. Rows are chosen and
ordered by sha256 of their id and the seed, so the choice does not know the order in which they came, and what a small
mixture takes of a source a larger one takes as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from schemas.errors import ConfigError
from schemas.mixture_config import MixtureConfig
from schemas.release import GuessableShare, Share
from tasks.publish.eligible import UNIT_WORDS, WEIGHTS, Eligible, sampling_key, thin_out
from tasks.publish.pools import (
    AGENT,
    RECORDED,
    DrawnRow,
    Pick,
    Pool,
    agent_pools,
    amounts,
    beside_recorded,
    general_pools,
    most_of,
)


class PoolOutcome(NamedTuple):
    """What came of one pool, in the recipe's unit."""

    name: str
    stratum: str
    asked: int
    had: int
    rows: int
    repeated: int
    """Of the rows: second and later copies."""


class Mixture(NamedTuple):
    picks: tuple[Pick, ...]
    """In sha256 order."""
    shares: tuple[Share, ...]
    """agent first, then the strata by name."""
    guessable: GuessableShare
    notes: tuple[str, ...]
    """Strata that ran short, chats that belong to none, rows over a cap, rows that are repeated."""
    parts: tuple[PoolOutcome, ...] = ()
    """By pool."""


def mix_samples(
    agent: Iterable[Eligible], general: Iterable[Eligible], recipe: MixtureConfig, recorded: Iterable[Eligible] = ()
) -> Mixture:
    """Choose the rows of a mixture; an id given twice counts once. Recorded rows count to eta, as agent rows do.

    Raises:
        ConfigError: the strata's shares do not add up to 1, a stratum is called `agent`, or a side of the mixture is
            empty because the recipe's sources take no row.
    """
    _check(recipe)
    rows, chats, of_sets = _by_id(agent), _by_id(general), _by_id(recorded)
    thinned = thin_out(rows, recipe)
    eligible = _cap_guessable(thinned.rows, recipe)
    ours = beside_recorded(agent_pools(eligible, recipe), of_sets, recipe)
    theirs = general_pools(chats, recipe)
    _check_sources(ours, theirs, recipe)
    asked = amounts(ours, theirs, recipe)
    drawn = [(pool, pool.draw(asked[pool.name], recipe)) for pool in (*ours, *theirs)]
    chosen = _by_stratum(drawn)
    guessable = _count_guessable(thinned.rows, chosen.get(AGENT, []), recipe)
    picks = [Pick(one.row.id, pool.stratum, one.copy, pool.name) for pool, them in drawn for one in them]
    available = {pool.stratum: len(pool.rows) for pool in theirs} | {AGENT: len(rows), RECORDED: len(of_sets)}
    parts = tuple(_part(pool, them, asked[pool.name], recipe) for pool, them in drawn)
    short = _note_short(parts, dict(drawn_pools(drawn)), recipe)
    outside = _note_outside(chats, theirs, recipe)
    return Mixture(
        picks=tuple(sorted(picks, key=lambda pick: sampling_key(pick.name, recipe.seed))),
        shares=_shares(chosen, available, (ours, theirs), recipe),
        guessable=guessable,
        notes=(*short, *outside, *thinned.notes, *_note_guessable(guessable), *_note_repeats(parts)),
        parts=parts,
    )


def drawn_pools(drawn: Iterable[tuple[Pool, object]]) -> Iterable[tuple[str, Pool]]:
    """Yield the pools by name."""
    return ((pool.name, pool) for pool, _ in drawn)


def _check(recipe: MixtureConfig) -> None:
    total = sum(recipe.strata.values())
    if abs(total - 1) > 1e-6 or min(recipe.strata.values()) < 0:
        raise ConfigError(
            f"The shares in mixture.strata add up to {total:g}; none is negative and together they are 1."
        )
    named = {name for name, one in recipe.sources.items() if one.table == "conversations"}
    for name, what in ((AGENT, "the agent data"), (RECORDED, "the foreign sets")):
        if name in recipe.strata or name in named:
            where = "mixture.strata" if name in recipe.strata else "mixture.sources, of conversations,"
            raise ConfigError(f"A stratum of {where} is called {name!r}; that is {what}. Use another name.")


def _check_sources(ours: Sequence[Pool], theirs: Sequence[Pool], recipe: MixtureConfig) -> None:
    """Refuse a mixture of one side alone that a source's condition made so: that is a mistake in it, not a shortage."""
    sides = {
        "agent": ours if recipe.eta > 0 and most_of(ours, recipe) == 0 else (),
        "general": theirs if recipe.eta < 1 and not any(pool.rows for pool in theirs) else (),
    }
    for side, pools in sides.items():
        lacking = [f"mixture.sources.{pool.name}" for pool in pools if pool.name in recipe.sources and not pool.rows]
        if lacking:
            raise ConfigError(
                f"{', '.join(lacking)} takes no row, so the mixture's {side} side is empty where eta = {recipe.eta:g} "
                "asks for it: no row meets its `where`, a source before it takes them all, or there is none. "
                "`trajmill sql` shows what a condition meets"
            )


def _by_id(candidates: Iterable[Eligible]) -> list[Eligible]:
    return list({candidate.id: candidate for candidate in candidates}.values())


def _by_stratum(drawn: Iterable[tuple[Pool, list[DrawnRow]]]) -> dict[str, list[DrawnRow]]:
    chosen: dict[str, list[DrawnRow]] = {}
    for pool, them in drawn:
        chosen.setdefault(pool.stratum, []).extend(them)
    return chosen


def _cap_guessable(pool: Sequence[Eligible], recipe: MixtureConfig) -> list[Eligible]:
    """Leave out guessable rows, the last in sha256 order, until they are no larger a share of what stays than asked."""
    tagged = [row.id for row in pool if row.guessable]
    cap = Fraction(str(recipe.guessable))
    most = len(tagged) if cap == 1 else int((len(pool) - len(tagged)) * cap / (1 - cap))
    over = set(sorted(tagged, key=lambda row_id: sampling_key(row_id, recipe.seed))[most:])
    return [row for row in pool if row.id not in over]


def _count_guessable(pool: Sequence[Eligible], chosen: Sequence[DrawnRow], recipe: MixtureConfig) -> GuessableShare:
    rows = sum(one.row.guessable for one in chosen)
    distinct = len({one.row.id for one in chosen if one.row.guessable})
    left_out = sum(candidate.guessable for candidate in pool) - distinct
    achieved = round(rows / len(chosen), 6) if chosen else 0.0
    return GuessableShare(asked=recipe.guessable, achieved=achieved, rows=rows, left_out=left_out)


def _note_guessable(guessable: GuessableShare) -> tuple[str, ...]:
    if not guessable.left_out:
        return ()
    rows = f"{guessable.left_out} agent row{'' if guessable.left_out == 1 else 's'}"
    most = f"the recipe takes {guessable.asked:.0%} of such at most, and {guessable.rows} are in."
    return (f"{rows} left out whose answer a guess may hit: {most}",)


def _part(pool: Pool, drawn: Sequence[DrawnRow], asked: int, recipe: MixtureConfig) -> PoolOutcome:
    had = sum(map(WEIGHTS[recipe.unit], (one.row for one in drawn)))
    return PoolOutcome(pool.name, pool.stratum, asked, had, len(drawn), sum(one.copy > 1 for one in drawn))


def _shares(
    chosen: Mapping[str, list[DrawnRow]],
    available: Mapping[str, int],
    sides: tuple[Sequence[Pool], Sequence[Pool]],
    recipe: MixtureConfig,
) -> tuple[Share, ...]:
    everything = [one.row for drawn in chosen.values() for one in drawn]
    ours: defaultdict[str, float] = defaultdict(float)
    for pool in sides[0]:
        ours[pool.stratum] += recipe.eta * float(pool.share)
    asked = {**ours, **{pool.name: (1 - recipe.eta) * float(pool.share) for pool in sides[1]}}

    def part(drawn: list[DrawnRow], field: str) -> float:
        total = sum(getattr(row, field) for row in everything)
        return round(sum(getattr(one.row, field) for one in drawn) / total, 6) if total else 0.0

    return tuple(
        Share(
            stratum=name,
            asked=round(asked[name], 6),
            achieved_rows=round(len(drawn) / len(everything), 6) if everything else 0.0,
            achieved_turns=part(drawn, "turns"),
            achieved_tokens=part(drawn, "tokens"),
            achieved_trained_tokens=part(drawn, "trained_tokens"),
            rows=len(drawn),
            repeated=sum(one.copy > 1 for one in drawn),
            available=available.get(name, 0),
        )
        for name, drawn in chosen.items()
    )


def _note_short(parts: Sequence[PoolOutcome], pools: Mapping[str, Pool], recipe: MixtureConfig) -> list[str]:
    agent = sum(part.asked for part in parts if part.stratum in (AGENT, RECORDED))
    notes = [] if agent or not recipe.eta else ["No trajectory is eligible: the mixture is empty."]
    for part in parts:
        capacity = pools[part.name].capacity(recipe) if part.had < part.asked else part.asked
        if part.asked > capacity:
            words = UNIT_WORDS[recipe.unit]
            asked, there = (part.asked, capacity) if recipe.unit == "rows" else (f"{part.asked:,}", f"{capacity:,}")
            notes.append(f"{part.name} ran short: {asked} {words} asked, {there} there; not refilled from others.")
    return notes


def _note_repeats(parts: Sequence[PoolOutcome]) -> list[str]:
    return [
        f"{part.name} is repeated, as mixture.epochs lets it: {part.rows:,} rows are made of "
        f"{part.rows - part.repeated:,}, and {part.repeated:,} of these stand there once more."
        for part in parts
        if part.repeated
    ]


def _note_outside(chats: Sequence[Eligible], pools: Sequence[Pool], recipe: MixtureConfig) -> list[str]:
    """Tell, by the model that wrote them, chats that no pool takes."""
    inside = {row.id for pool in pools for row in pool.rows}
    outside = Counter(row.source_model or "" for row in chats if row.id not in inside)
    by_source = any(one.table == "conversations" for one in recipe.sources.values())
    notes: dict[str, list[str]] = defaultdict(list)
    for model, count in sorted(outside.items()):
        told = f"{count} chat{'' if count == 1 else 's'}"
        if by_source:
            notes["sources"].append(f"{told} by {model or 'nobody named'}")
        elif model:
            notes["models"].append(f"{told} by {model} left out: the recipe maps that model to no stratum.")
        else:
            notes["models"].append(f"{told} left out: no model is named as the author.")
    taken = [f"Left out, since no source of the recipe takes them: {', '.join(notes['sources'])}."]
    return [*notes["models"], *(taken if notes["sources"] else [])]
