"""A turn that cannot be read is answered with why, a few times; the answer is never part of what is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import prompts
from environments.base import Reading
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message

PROMPT = "repair"


def say_why(completion: Completion, reading: Reading, max_tokens: int) -> tuple[Message, Message]:
    """Return a reply that could not be read, as it stands, and what is said to it.

    Broken calls are told as text: endpoints refuse to be shown arguments that are no JSON.
    """
    was_cut = completion.finish_reason == "length"
    why = prompts.load(PROMPT).render(
        problem=reading.problem.rstrip(".") or "it holds no action", max_tokens=max_tokens if was_cut else None
    )
    said = completion.reply.strip() or reading.candidate or "(nothing)"
    return Message(role="assistant", content=said), Message(role="user", content=why)


def understood(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the turns that were understood, numbered through: what is shown to the solver later, and trained on."""
    return tuple(turn.model_copy(update={"index": i}) for i, turn in enumerate(t for t in turns if t.valid))
