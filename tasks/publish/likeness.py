"""Finds texts that read nearly the same: ROUGE-L F1 as the novelty gate measures it, without comparing all with all.

Two texts of m and n tokens at F1 >= t have t (m + n) / 2 tokens in common at least, so they share one of the rarest
(1 - t / (2 - t)) m + 1 tokens of either (prefix filtering; Chaudhuri et al. 2006). Only such pairs are compared.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Indel

from tasks.generate.novelty import tokens_of

ALIKE = 0.7
"""As for tasks that are made up (Self-Instruct)."""
CHATS_ALIKE = 0.95
"""Of what chats ask first: many real questions are of one pattern and yet others."""
MOST_TOKENS = 64
"""Texts are compared by their beginning: a chat may quote a whole file."""
_ROUNDING = 1e-9


def find_alike(texts: Sequence[str], threshold: float = ALIKE) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions whose texts reach the threshold: enough of them to connect all that do."""
    firsts: dict[tuple[str, ...], int] = {}
    for position, text in enumerate(texts):
        tokens = tuple(tokens_of(text)[:MOST_TOKENS])
        if (first := firsts.setdefault(tokens, position)) != position:
            yield first, position
    yield from _compare(list(firsts.items()), threshold)


def likeness(one: str, other: str) -> float:
    """Return the ROUGE-L F1 of two texts, of their beginnings."""
    return Indel.normalized_similarity(tokens_of(one)[:MOST_TOKENS], tokens_of(other)[:MOST_TOKENS])


def _compare(distinct: Sequence[tuple[tuple[str, ...], int]], threshold: float) -> Iterator[tuple[int, int]]:
    counted = [_numbered(tokens) for tokens, _ in distinct]
    least = threshold / (2 - threshold)
    often = Counter(token for tokens in counted for token in tokens)
    holders: dict[tuple[str, int], list[int]] = defaultdict(list)
    for here, tokens in enumerate(counted):
        rare = sorted(tokens, key=lambda token: (often[token], token))
        rare = rare[: len(rare) - math.ceil(least * len(rare) - _ROUNDING) + 1]
        near = {number for token in rare for number in holders[token] if _may_reach(counted[number], tokens, least)}
        for there in sorted(near):
            one, other = distinct[there], distinct[here]
            if Indel.normalized_similarity(one[0], other[0], score_cutoff=threshold - _ROUNDING):
                yield one[1], other[1]
        for token in rare:
            holders[token].append(here)


def _may_reach(one: Sequence[object], other: Sequence[object], least: float) -> bool:
    """Whether two lengths are near enough for the threshold."""
    return min(len(one), len(other)) >= least * max(len(one), len(other)) - _ROUNDING


def _numbered(tokens: Sequence[str]) -> list[tuple[str, int]]:
    """Tell the second `the` of a text from its first: sets of these have as much in common as the texts."""
    seen: Counter[str] = Counter()
    numbered = []
    for token in tokens:
        seen[token] += 1
        numbered.append((token, seen[token]))
    return numbered
