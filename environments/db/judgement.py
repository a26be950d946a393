"""What a judge says of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Judgement:
    """Whether an answer is right, and why not."""

    passed: bool
    reason: str = ""
    """Stable code: no_answer, wrong_answer, wrong_order."""
    detail: str = ""
