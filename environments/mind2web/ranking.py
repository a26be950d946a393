"""Ranks a page's candidates by the words that they share with the task: who has no file of scores has this.

Mind2Web ranks by a trained model, whose scores come in `scores_all_data.pkl`; a row says by which of the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lxml import etree

from environments.mind2web.pruning import show

_WORD = re.compile(r"\w+")


def rank_by_words(page: etree._Element, candidates: Sequence[str], task: str) -> list[str]:
    """Return candidates, those first that share most words with the task; rare words of the page weigh more."""
    shown = {choice.element: choice.words for choice in show(page, candidates).choices}
    words = {name: set(_WORD.findall(shown.get(name, "").lower())) for name in candidates}
    common = Counter(word for some in words.values() for word in some)
    wanted = set(_WORD.findall(task.lower()))
    weight = {name: sum(1 / common[word] for word in some & wanted) for name, some in words.items()}
    return sorted(candidates, key=lambda name: -weight[name])


def best(ranked: Sequence[str], wanted: Sequence[str], top: int) -> list[str]:
    """Return the best `top` candidates, what is wanted among them whatever its rank."""
    kept = [name for name in ranked if name in wanted][:top]
    others = [name for name in ranked if name not in wanted][: max(0, top - len(kept))]
    return [name for name in ranked if name in {*kept, *others}]
