"""F1, exact match, executability: how an answer's values are judged against those that are right.

Source: THUDM/AgentBench@578c5e9f knowledgegraph/task.py (`calculate_overall`). Values are texts, as there: a count of
`3` is not `3.0`. A variable that stands for nothing is not executable, and no answer at all has nothing of the three.
"""

from __future__ import annotations

from collections.abc import Collection

from schemas.episode import RewardPart, Verdict

_SHOWN = 3


def judge_values(given: Collection[str] | None, right: Collection[str]) -> Verdict:
    """Judge values as sets; `given` is None where no variable was named as the answer. The reward is F1."""
    if given is None:
        return _verdict(0.0, 0.0, 0.0, "no_answer: no variable was named as the final answer")
    mine, theirs = set(given), set(right)
    common = len(mine & theirs)
    f1 = 2 * common / (len(mine) + len(theirs)) if common else 0.0
    exact = float(mine == theirs and bool(theirs))
    return _verdict(f1, exact, float(bool(mine)), _compared(mine, theirs))


def _verdict(f1: float, exact: float, executable: float, detail: str) -> Verdict:
    parts = (
        RewardPart(name="f1", value=f1),
        RewardPart(name="exact_match", value=exact),
        RewardPart(name="executability", value=executable),
    )
    return Verdict(name="passed" if exact else "failed", reward=f1, parts=parts, detail=detail)


def _compared(mine: set[str], theirs: set[str]) -> str:
    """Say how many are right, missing and too many, without saying what is right."""
    if mine == theirs:
        return f"all {len(theirs):,} right"
    beyond = sorted(mine - theirs)
    said = f": {', '.join(beyond[:_SHOWN])}{', ...' if len(beyond) > _SHOWN else ''}" if beyond else ""
    return f"{len(mine & theirs):,} of {len(theirs):,} right, {len(beyond):,} beyond{said}"
