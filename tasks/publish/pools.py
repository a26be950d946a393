"""How much is drawn from where: the pools of a mixture, what each is asked for, and the rows that come closest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import cycle, islice
from typing import NamedTuple

from schemas.mixture_config import MixtureConfig
from tasks.publish.eligible import WEIGHTS, Eligible, sampling_key

AGENT = "agent"
RECORDED = "recorded"
"""The stratum of foreign sets that a recipe names."""
COPY_MARK = "/"
"""Between a row's id and its number, of the second and later copies of a row in a release."""


class Pick(NamedTuple):
    """One row of the mixture."""

    id: str
    stratum: str
    """agent, recorded, or the name of a general stratum."""
    copy: int = 1
    """From 1; above it the recipe repeats the row."""
    source: str = ""
    """The pool that it was drawn from: agent, a stratum, or a source of the recipe."""

    @property
    def name(self) -> str:
        """Return the id that it has in the release: the row's own, and for a copy its number behind it."""
        return self.id if self.copy == 1 else f"{self.id}{COPY_MARK}{self.copy}"


class DrawnRow(NamedTuple):
    """A row in the mixture."""

    row: Eligible
    copy: int = 1
    """From 1: above it the recipe repeats the row."""


class Pool(NamedTuple):
    """Rows that share one part of the mixture."""

    name: str
    """agent, a stratum, or a source of the recipe."""
    stratum: str
    """What its rows are called in the release."""
    share: Fraction
    """Of its side, agent or general."""
    rows: tuple[Eligible, ...]
    """In the order of sha256."""

    def capacity(self, recipe: MixtureConfig) -> int:
        """Return what it holds, in the recipe's unit, repeated as often as the recipe lets it."""
        weigh = WEIGHTS[recipe.unit]
        return sum(weigh(drawn.row) for drawn in self.every(recipe))

    def every(self, recipe: MixtureConfig) -> Iterator[DrawnRow]:
        """Yield its rows in their order, then once more, as far as `epochs` go."""
        epochs = Fraction(str(recipe.epochs.get(self.name, recipe.epochs.get(self.stratum, 1.0))))
        most = math.floor(len(self.rows) * epochs)
        for number, row in enumerate(islice(cycle(self.rows), most)):
            yield DrawnRow(row, number // len(self.rows) + 1)

    def draw(self, asked: int, recipe: MixtureConfig) -> list[DrawnRow]:
        """Return the first rows that come nearest to what is asked."""
        weigh, had, drawn = WEIGHTS[recipe.unit], 0, []
        for one in self.every(recipe):
            weight = weigh(one.row)
            if 2 * had + weight > 2 * asked:
                break
            had += weight
            drawn.append(one)
        return drawn


def agent_pools(rows: Iterable[Eligible], recipe: MixtureConfig) -> list[Pool]:
    """Return where agent rows come from: sources with a weight each have a pool of their own."""
    weights = {n: s.weight for n, s in recipe.sources.items() if s.table == "trajectories" and s.weight is not None}
    if not weights:
        return [Pool(AGENT, AGENT, Fraction(1), _ordered(rows, recipe))]
    pools = _by(lambda row: row.source, rows)
    total = sum(Fraction(str(weight)) for weight in weights.values())
    return [
        Pool(name, AGENT, Fraction(str(weight)) / total, _ordered(pools.get(name, ()), recipe))
        for name, weight in weights.items()
    ]


def beside_recorded(agent: Sequence[Pool], rows: Iterable[Eligible], recipe: MixtureConfig) -> list[Pool]:
    """Return the agent side of a mixture with the foreign sets that the recipe names: each has what it holds of eta."""
    if not recipe.recorded:
        return list(agent)
    recorded = Pool(RECORDED, RECORDED, Fraction(1), _ordered(rows, recipe))
    ours, theirs = most_of(agent, recipe), recorded.capacity(recipe)
    part = Fraction(theirs, ours + theirs) if ours + theirs else Fraction(0)
    return [*(pool._replace(share=pool.share * (1 - part)) for pool in agent), recorded._replace(share=part)]


def general_pools(rows: Iterable[Eligible], recipe: MixtureConfig) -> list[Pool]:
    """Return where chats come from: the strata, or the sources of the recipe that are there instead of them."""
    sources = {name: one.weight for name, one in recipe.sources.items() if one.table == "conversations"}
    if not sources:
        pools = _by(lambda row: recipe.source_models.get(row.source_model or ""), rows)
        return _weighted(recipe.strata, pools, recipe)
    pools = _by(lambda row: row.source, rows)
    weigh = WEIGHTS[recipe.unit]
    weights = {n: sum(map(weigh, pools.get(n, ()))) if weight is None else weight for n, weight in sources.items()}
    return _weighted(weights, pools, recipe)


def _weighted(
    weights: Mapping[str, float], pools: Mapping[str | None, Sequence[Eligible]], recipe: MixtureConfig
) -> list[Pool]:
    total = sum(Fraction(str(weight)) for weight in weights.values()) or Fraction(1)
    return [
        Pool(name, name, Fraction(str(weight)) / total, _ordered(pools.get(name, ()), recipe))
        for name, weight in sorted(weights.items())
    ]


def amounts(agent: Sequence[Pool], general: Sequence[Pool], recipe: MixtureConfig) -> dict[str, int]:
    """Return what each pool is asked for, in the recipe's unit: agent rows are the anchor where no total is given."""
    eta = Fraction(str(recipe.eta))
    if recipe.total is not None:
        ours = round(recipe.total * eta)
        theirs = recipe.total - ours
    elif eta:
        ours = most_of(agent, recipe)
        theirs = round(ours * (1 - eta) / eta)
    else:
        ours, theirs = 0, most_of(general, recipe)
    return {**_apportion(agent, ours), **_apportion(general, theirs)}


def most_of(pools: Sequence[Pool], recipe: MixtureConfig) -> int:
    """Return the most that pools can give together in their shares."""
    return min((math.floor(pool.capacity(recipe) / pool.share) for pool in pools if pool.share), default=0)


def _apportion(pools: Sequence[Pool], total: int) -> dict[str, int]:
    """Split a total by shares; what rounding leaves goes to the largest remainders."""
    exact = {pool.name: total * pool.share for pool in pools}
    parts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def _by(key_of: Callable[[Eligible], str | None], rows: Iterable[Eligible]) -> dict[str | None, list[Eligible]]:
    pools: dict[str | None, list[Eligible]] = {}
    for row in rows:
        pools.setdefault(key_of(row), []).append(row)
    return pools


def _ordered(rows: Iterable[Eligible], recipe: MixtureConfig) -> tuple[Eligible, ...]:
    return tuple(sorted(rows, key=lambda row: sampling_key(row.id, recipe.seed)))
