"""Snap a malformed action to the closest admissible one by BLEU, as AgentTuning did for ALFWorld.

Source: reference/agenttuning.md 3.2 (NLTK sentence_bleu, smoothing method 4, whitespace tokens, score > 0.01).
"""

from __future__ import annotations

from collections.abc import Sequence

THRESHOLD = 0.01
"""AgentBench's ALFWorld task: a lower score is no resemblance at all."""


def snap(text: str, admissible: Sequence[str], threshold: float = THRESHOLD) -> str | None:
    """Return the admissible action that `text` means, or None where none resembles it.

    The first line counts, without regard to case; an exact match needs no score; of equal scores the first one wins.
    """
    lines = text.strip().lower().split("\n")
    meant = lines[0].strip()
    if not meant:
        return None
    for action in admissible:
        if action.strip().lower() == meant:
            return action
    scores = [resemblance(meant, action) for action in admissible]
    best = max(range(len(scores)), key=scores.__getitem__, default=None)
    return admissible[best] if best is not None and scores[best] > threshold else None


def resemblance(text: str, action: str) -> float:
    """Return BLEU-4 of `text` against `action`, in [0, 1], on lower-cased whitespace tokens."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu  # slow to import, rarely needed

    reference, hypothesis = action.lower().split(), text.lower().split()
    if not reference or not hypothesis:
        return 0.0
    return float(sentence_bleu([reference], hypothesis, smoothing_function=SmoothingFunction().method4))
