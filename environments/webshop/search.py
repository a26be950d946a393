"""The shop's search: BM25 as Lucene computes it, with Anserini's k1 and b, over stemmed words.

Pyserini (Lucene's English analyser) is the original's; here a plural's end is all that is taken off (Harman's S
stemmer, 1991), so that ranks may differ a little. Products of equal score stand in the catalogue's order.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from environments.webshop.words import words

SEARCH_CONTRACT = 1
"""Raised by hand when searches would come out otherwise."""
MOST_HITS = 50
"""WebShop: SEARCH_RETURN_N."""
_K1, _B = 0.9, 0.4
_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
_MOST_WORDS = 200
"""Of a query; what follows is not looked at."""
_STOP = frozenset(words("stop"))
"""Lucene's English stop words."""


class Search:
    """An index over texts; positions are those of the texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        import bm25s  # half a second, and only who searches needs it

        words = [words_of(text) for text in texts]
        self._index: Any = None
        if any(words):
            logging.getLogger("bm25s").setLevel(logging.WARNING)  # it tells of every index, and sets itself to DEBUG
            self._index = bm25s.BM25(method="lucene", k1=_K1, b=_B)
            self._index.index(words, show_progress=False)

    def hits(self, query: str) -> list[int]:
        """Return the positions of the best texts that share a word with the query, the best first."""
        import numpy as np

        words = words_of(query)[:_MOST_WORDS]
        if self._index is None or not words:
            return []
        scores = self._index.get_scores(words)
        found = np.flatnonzero(scores > 0)
        if len(found) > MOST_HITS:
            least = np.partition(scores[found], len(found) - MOST_HITS)[len(found) - MOST_HITS]
            found = found[scores[found] >= least]
        return [int(one) for one in found[np.lexsort((found, -scores[found]))][:MOST_HITS]]


def words_of(text: str) -> list[str]:
    """Cut a text into the words that count, without the ends of plurals."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "us" else word
