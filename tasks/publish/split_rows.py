"""Chooses the rows for validation, so that nothing of them was trained on: what belongs together is on one side.

Rows belong together that share a key (a task, its parent, a database or set-up) or read nearly the same, and rows that
belong to one row do so through it. Groups are taken whole, in the order of sha256.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.mixture_config import MixtureConfig
from tasks.publish.eligible import sampling_key
from tasks.publish.likeness import ALIKE, find_alike

LARGEST = 0.2
"""Share of a source's rows that one group may be and still be taken whole, where no smaller group is there: one of the
few databases of a world."""


class Kin(NamedTuple):
    """What splitting needs to know of a row."""

    id: str
    source: str
    """The world of an agent row, the stratum of a chat: each has its share."""
    keys: tuple[str, ...]
    """Names of what no two splits may share."""
    text: str
    """What is asked: rows that ask nearly the same belong together."""
    alike: float = ALIKE
    """From which ROUGE-L F1 on that is nearly the same; compared are rows that say the same of it."""


class Split(NamedTuple):
    validation: frozenset[str]
    """Ids."""
    notes: tuple[str, ...]
    """Sources that have none, since all that belongs together is too much."""


def split_rows(rows: Sequence[Kin], recipe: MixtureConfig) -> Split:
    """Choose rows for validation: of each source the share that the recipe asks for, as far as groups let it."""
    if not recipe.validation:
        return Split(frozenset(), ())
    groups = _group(rows)
    groups.sort(key=lambda group: sampling_key(min(row.id for row in group), recipe.seed))
    there = Counter(row.source for row in rows)
    wanted = {source: round(recipe.validation * count) for source, count in there.items()}
    taken: Counter[str] = Counter()
    chosen: list[Kin] = []
    for group in groups:
        size = Counter(row.source for row in group)
        if all(taken[source] + count <= wanted[source] for source, count in size.items()):
            chosen += group
            taken += size
    for source in sorted(source for source, count in wanted.items() if count and not taken[source]):
        if smallest := _smallest(groups, source, there):
            chosen += smallest
            taken += Counter(row.source for row in smallest)
    return Split(frozenset(row.id for row in chosen), tuple(_notes(wanted, taken, there)))


def _smallest(groups: Iterable[Sequence[Kin]], source: str, there: Counter[str]) -> Sequence[Kin] | None:
    """Return the smallest group of a source, if it is small enough for every source that it has rows of."""
    sizes = [(group, Counter(row.source for row in group)) for group in groups]
    fitting = [
        (size.total(), number, group)
        for number, (group, size) in enumerate(sizes)
        if size[source] and all(count <= LARGEST * there[of] for of, count in size.items())
    ]
    return min(fitting)[2] if fitting else None


def _notes(wanted: dict[str, int], taken: Counter[str], there: Counter[str]) -> Iterable[str]:
    for source, count in sorted(wanted.items()):
        if count and not taken[source]:
            yield (
                f"{source} has no validation rows, {count} of {there[source]} were asked: its rows belong together "
                f"(tasks, databases, likeness) in groups of more than {LARGEST:.0%} of them."
            )


def _group(rows: Sequence[Kin]) -> list[list[Kin]]:
    """Return the rows in groups of what belongs together."""
    leader = list(range(len(rows)))

    def lead(position: int) -> int:
        while leader[position] != position:
            leader[position] = leader[leader[position]]
            position = leader[position]
        return position

    for one, other in _pairs(rows):
        leader[lead(one)] = lead(other)
    groups: dict[int, list[Kin]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[lead(position)].append(row)
    return list(groups.values())


def _pairs(rows: Sequence[Kin]) -> Iterable[tuple[int, int]]:
    first: dict[str, int] = {}
    for position, row in enumerate(rows):
        for key in row.keys:
            yield first.setdefault(key, position), position
    for threshold in sorted({row.alike for row in rows}):
        mine = [position for position, row in enumerate(rows) if row.alike == threshold]
        found = find_alike([rows[position].text for position in mine], threshold)
        yield from ((mine[one], mine[other]) for one, other in found)
