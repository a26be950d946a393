"""The novelty gate: exact ROUGE-L F1 against everything admitted (Self-Instruct, threshold 0.7).

ROUGE-L F1 = 2 LCS / (m + n) over tokens, which is rapidfuzz's normalised Indel similarity once every token is one
character; the decision itself is made with rouge-score's own arithmetic, so that both decide alike at the threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import Indel, LCSseq

_TOKEN = re.compile(r"[a-z0-9]+")  # rouge-score's default tokenizer, no stemming
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
        for text in admitted:
            self.admit(text)

    def too_close(self, text: str) -> Neighbour | None:
        """Return the closest admitted text where its ROUGE-L F1 reaches the threshold, else None."""
        encoded = self._encode(text)
        if not encoded:
            return None
        cutoff = self._threshold - _MARGIN
        found = process.extractOne(encoded, self._encoded, scorer=Indel.normalized_similarity, score_cutoff=cutoff)
        if found is None:
            return None
        score = _f_measure(LCSseq.similarity(encoded, found[0]), len(found[0]), len(encoded))
        return Neighbour(score, self._texts[found[2]]) if score >= self._threshold else None

    def admit(self, text: str) -> None:
        """Add a text to what later ones are compared with."""
        self._encoded.append(self._encode(text))
        self._texts.append(text)

    def _encode(self, text: str) -> str:
        return "".join(self._character(token) for token in _TOKEN.findall(text.lower()))

    def _character(self, token: str) -> str:
        known = self._characters.get(token)
        if known is None:
            number = _FIRST + len(self._characters)
            known = chr(number if number < _SURROGATES else number + _AFTER - _SURROGATES)
            self._characters[token] = known
        return known


def _f_measure(common: int, target: int, prediction: int) -> float:
    precision, recall = common / prediction, common / target
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
