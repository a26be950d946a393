"""Reasoning kept apart from the reply: it is on the receipt, and nobody reads or trains on it."""

from __future__ import annotations

import re

from teachers.endpoint.replies import ReplyMessage

_OPEN, _CLOSE = "<think>", "</think>"
_LOST_OPENING = re.compile(r"</think>[ \t]*(?=\n|$)")
"""A closing tag that ends its line: one that is quoted in a command or a sentence ends nothing."""


def split_reasoning(message: ReplyMessage) -> tuple[str, str | None]:
    """Return (reply, reasoning): from a field of its own, or from the head of the text.

    DeepSeek and older vLLM name the field `reasoning_content`; newer vLLM, Ollama and OpenRouter `reasoning`. A server
    that runs without a reasoning parser leaves <think>...</think> in the text; where the chat template has written the
    opening tag into the prompt, the text has only the closing one.
    """
    reply, inline = split_text(message.text)
    told = [part for part in (message.reasoning or message.reasoning_content, inline) if part]
    return reply, "\n\n".join(told) or None


def split_text(text: str) -> tuple[str, str | None]:
    """Cut thoughts off the head of a text; a thought that never ends leaves no reply."""
    head = text.lstrip()
    if head.startswith(_OPEN):
        thought, _, reply = head[len(_OPEN) :].partition(_CLOSE)
        return reply.lstrip(), thought.strip() or None
    if _CLOSE not in text:
        return text, None
    found = _LOST_OPENING.search(text)
    if found is None or _OPEN in text[: found.start()]:
        return text, None
    return text[found.end() :].lstrip(), text[: found.start()].strip() or None
