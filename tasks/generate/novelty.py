"""The novelty gate: exact ROUGE-L F1 against everything admitted (Self-Instruct, threshold 0.7).

Tokens of a text in plain ASCII are rouge-score's. Other scripts have words, too; where they are written without spaces
(Chinese, Japanese, Thai, ...) every two neighbouring characters are a token, since single ones are shared by all texts.
A text without a token is compared as it stands, so the same one never comes in twice.

ROUGE-L F1 = 2 LCS / (m + n) over tokens, which is rapidfuzz's normalised Indel similarity once every token is one
character; the decision itself is made with rouge-score's own arithmetic, so that both decide alike at the threshold.

Two texts of m and n tokens at F1 >= t have t (m + n) / 2 in common at least, so they share one of the rarest
(1 - t / (2 - t)) m + 1 tokens of either (prefix filtering; Chaudhuri et al. 2006): only such texts are compared.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

_TOKEN = re.compile(r"[a-z0-9]+")  # rouge-score's default tokenizer, no stemming
_WORD = re.compile(r"[^\W_]+")
_MARK = re.compile(r"[\u0610-\u061a\u064b-\u065f\u0670\u0640\u0591-\u05c7\u0300-\u036f]")
"""Vowel points, accents and stretches, which one may write or leave out."""
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: scripts that put no space between words."""
_FIRST, _SURROGATES, _AFTER = 0x100, 0xD800, 0xE000
_MARGIN = 1e-4
"""rapidfuzz loses matches that lie within 1e-9 of its cutoff, so it is asked for a little more and judged exactly."""


class Neighbour(NamedTuple):
    """The closest text that was admitted before."""

    score: float
    text: str


class NoveltyGate:
    """Holds what is admitted; the order of questions decides, so ask in a fixed order."""

    def __init__(self, admitted: Iterable[str] = (), threshold: float = 0.7) -> None:
        self._threshold = threshold
        self._characters: dict[str, str] = {}
        self._encoded: list[str] = []
        self._texts: list[str] = []
        self._least = (threshold - _MARGIN) / (2 - threshold + _MARGIN)
        """Share of a text's tokens that a text too close to it has at least."""
        self._ranks: dict[tuple[str, int], int] = {}
        """Of a token's first, second, ... place in a text: what came up later is rarer, more or less."""
        self._holders: defaultdict[int, list[int]] = defaultdict(list)
        """Texts that have a token among their rarest."""
        for text in admitted:
            self.admit(text)

    def too_close(self, text: str, but_for: str | None = None) -> Neighbour | None:
        """Return the closest admitted text where its ROUGE-L F1 reaches the threshold, else None.

        `but_for` is a text that it may be like (what it was grown from), though never the same.
        """
        encoded, allowed = self._encode(text), None if but_for is None else self._encode(but_for)
        if not encoded:
            return None
        cutoff = self._threshold - _MARGIN
        near = self._near(encoded)
        others = [self._encoded[place] for place in near]
        if allowed is not None and allowed != encoded:  # extractOne passes None over
            others = [None if one == allowed else one for one in others]  # type: ignore[misc]
        found = process.extractOne(encoded, others, scorer=Indel.normalized_similarity, score_cutoff=cutoff)
        if found is None:
            return None
        score = _f_measure(LCSseq.similarity(encoded, found[0]), len(found[0]), len(encoded))
        return Neighbour(score, self._texts[near[found[2]]]) if score >= self._threshold else None

    def admit(self, text: str) -> None:
        """Add a text to what later ones are compared with."""
        encoded = self._encode(text)
        for rank in self._rarest(encoded):
            self._holders[rank].append(len(self._texts))
        self._encoded.append(encoded)
        self._texts.append(text)

    def _near(self, encoded: str) -> Sequence[int]:
        """Return, in order, the places of all texts that may be too close; all, where most of them may be."""
        holders = [self._holders[rank] for rank in self._rarest(encoded) if rank in self._holders]
        if self._least <= 0 or 2 * sum(map(len, holders)) > len(self._texts):
            return range(len(self._texts))
        return sorted(set().union(*holders))

    def _rarest(self, encoded: str) -> list[int]:
        """Return the ranks of as many of a text's tokens as one too close to it must share one of."""
        times: Counter[str] = Counter()
        ranks = []
        for token in encoded:
            times[token] += 1
            ranks.append(self._ranks.setdefault((token, times[token]), len(self._ranks)))
        kept = len(ranks) - math.ceil(self._least * len(ranks)) + 1
        return sorted(ranks, reverse=True)[:kept]

    def _encode(self, text: str) -> str:
        return "".join(map(self._character, tokens_of(text)))

    def _character(self, token: str) -> str:
        known = self._characters.get(token)
        if known is None:
            number = _FIRST + len(self._characters)
            known = chr(number if number < _SURROGATES else number + _AFTER - _SURROGATES)
            self._characters[token] = known
        return known


def tokens_of(text: str) -> list[str]:
    """Return the tokens that a text is compared by."""
    if text.isascii():
        tokens = _TOKEN.findall(text.lower())
    else:
        plain = _MARK.sub("", unicodedata.normalize("NFKC", text).casefold())
        tokens = [token for word in _words(plain) for token in _cut(word)]
    return tokens or [" ".join(text.split())] * bool(text.strip())


def _words(text: str) -> Iterator[str]:
    """Yield words; what a script without spaces writes in a row is one, marks within it included."""
    at = 0
    for run in _UNSPACED.finditer(text):
        yield from _WORD.findall(text[at : run.start()])
        yield run[0]
        at = run.end()
    yield from _WORD.findall(text[at:])


def _cut(word: str) -> Iterator[str]:
    if len(word) > 1 and _UNSPACED.fullmatch(word):
        yield from (word[i : i + 2] for i in range(len(word) - 1))
    else:
        yield word


def _f_measure(common: int, target: int, prediction: int) -> float:
    precision, recall = common / prediction, common / target
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
