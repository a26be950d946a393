"""What mixing knows of a row, and which rows of one task, family or world are too many."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from schemas.mixture_config import ATTEMPTS, MixtureConfig, Unit


class Eligible(NamedTuple):
    """What mixing needs to know of a row."""

    id: str
    turns: int
    """Messages that the loss counts on."""
    tokens: int
    """Tokens in all messages."""
    source_model: str | None = None
    """Who wrote the replies of a general chat; None = nobody says, and then it stays out."""
    guessable: bool = False
    """Whether a guess may hit the answer of an agent row's task."""
    trained_tokens: int = 0
    """Tokens in messages that the loss counts on."""
    task: str = ""
    """Of an agent row, and so are the others; empty = a general chat."""
    family: str = ""
    world: str = ""
    episode: str = ""
    """Of one episode all rows are taken, or none."""
    reward: float = 0.0
    source: str = ""
    """Of `mixture.sources`: the first that takes it; empty = none is given."""


WEIGHTS: Mapping[Unit, Callable[[Eligible], int]] = {
    "rows": lambda row: 1,
    "turns": lambda row: row.turns,
    "trained_tokens": lambda row: row.trained_tokens,
}
"""What a row counts."""
UNIT_WORDS: Mapping[Unit, str] = {"rows": "rows", "turns": "turns", "trained_tokens": "trained tokens"}


def sampling_key(row_id: str, seed: int) -> tuple[str, str]:
    """Return the key by which rows are chosen and ordered: sha256 of id and seed, then the id."""
    return hashlib.sha256(f"{row_id}:{seed}".encode()).hexdigest(), row_id


class Thinned(NamedTuple):
    rows: tuple[Eligible, ...]
    notes: tuple[str, ...]
    """What was left out, and why."""


def thin_out(agent: Sequence[Eligible], recipe: MixtureConfig) -> Thinned:
    """Leave out attempts that the recipe does not choose, then what is over the caps on a task, a family, a world."""
    chosen = _choose_attempts(agent, recipe)
    notes = [f"{_rows(len(agent) - len(chosen))} left out: of several attempts at a task the recipe takes "
             f"{recipe.attempts}."] if len(chosen) < len(agent) else []  # fmt: skip
    for name, key_of, words in _CAPS:
        cap = getattr(recipe.caps, name)
        if cap is None:
            continue
        kept = _cap(chosen, key_of, cap, recipe.seed)
        if len(kept) < len(chosen):
            notes.append(f"{_rows(len(chosen) - len(kept))} left out: the recipe takes {cap:,} of {words} at most.")
        chosen = kept
    return Thinned(tuple(chosen), tuple(notes))


_CAPS: tuple[tuple[str, Callable[[Eligible], object], str], ...] = (
    ("task", lambda row: row.task, "one task"),
    ("family", lambda row: (row.world, row.family), "one family of tasks"),
    ("world", lambda row: row.world, "one world"),
)


def _choose_attempts(agent: Sequence[Eligible], recipe: MixtureConfig) -> list[Eligible]:
    if recipe.attempts == "correct":
        return list(agent)
    best = ATTEMPTS.fullmatch(recipe.attempts)
    most = int(best[1]) if best and best[1] else 1
    episodes: dict[str, dict[str, list[Eligible]]] = defaultdict(lambda: defaultdict(list))
    for row in agent:
        episodes[row.task][row.episode].append(row)
    chosen: list[Eligible] = []
    for of_task in episodes.values():
        by_merit = sorted(of_task.values(), key=lambda rows: _merit(rows, recipe))
        chosen += [row for rows in by_merit[:most] for row in rows]
    return chosen


def _merit(rows: Sequence[Eligible], recipe: MixtureConfig) -> tuple[object, ...]:
    """Return what an episode's rows are ordered by, the best first."""
    reward = 0.0 if recipe.attempts == "shortest" else max(row.reward for row in rows)
    length = sum(row.turns for row in rows), sum(row.trained_tokens for row in rows)
    return -reward, *length, min(sampling_key(row.id, recipe.seed) for row in rows)


def _cap(rows: Iterable[Eligible], key_of: Callable[[Eligible], object], cap: int, seed: int) -> list[Eligible]:
    taken: Counter[object] = Counter()
    kept = []
    for row in sorted(rows, key=lambda row: sampling_key(row.id, seed)):
        if taken[key_of(row)] < cap:
            taken[key_of(row)] += 1
            kept.append(row)
    return kept


def _rows(count: int) -> str:
    return "1 agent row" if count == 1 else f"{count:,} agent rows"
