"""Cleans one chat: its turns are repaired, its texts mended, and what is wrong with the rest is told.

Most chats are questions and replies in turns with nothing wrong: their words are looked at as they stand, and no record
is made of a message. Any other goes the long way, which gives the same where both can go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from formats.chats.chat import Said, as_message
from schemas.cleaning import CleaningConfig
from schemas.rejection import Refusal
from tasks.ingest.mend import (
    MIN_CHARACTERS,
    find_fault,
    find_words,
    is_service_error,
    mend_messages,
    mend_texts,
    repair,
)


class CleanChat(NamedTuple):
    """A chat that may come in."""

    messages: Sequence[Said]
    done: tuple[str, ...]
    """Repairs that were made."""


def clean_chat(said: Sequence[Said], rules: CleaningConfig) -> CleanChat | Refusal:
    """Return a chat without what can be mended, or why it is turned away."""
    return _clean_plain(said, rules) or _clean_any(said, rules)


def _clean_plain(said: Sequence[Said], rules: CleaningConfig) -> CleanChat | None:
    """Clean a chat whose turns need no repair and whose texts have no fault; None = it is another."""
    pairs = [one for one in said if isinstance(one, tuple)]
    if not pairs or len(pairs) < len(said) or [role for role, _ in pairs] != ["user", "assistant"] * (len(said) // 2):
        return None
    texts, done = mend_texts([text for _, text in pairs], rules)
    if sum(map(len, texts)) < MIN_CHARACTERS or not all(texts) or any(map(str.isspace, texts)):
        return None
    if any(map(is_service_error, texts[1::2])) or find_words(texts, rules):
        return None
    return CleanChat([(role, text) for (role, _), text in zip(pairs, texts, strict=True)] if done else pairs, done)


def _clean_any(said: Sequence[Said], rules: CleaningConfig) -> CleanChat | Refusal:
    messages, repaired = repair([as_message(one) for one in said])
    messages, mended = mend_messages(messages, rules)
    return find_fault(messages, rules) or CleanChat(messages, (*repaired, *mended))
