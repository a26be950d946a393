"""Cuts a long chat at a person's turns into chats that fit, each with the system message; no exchange is lost.

FastChat's split_long_conversation.py loses the last exchange where that one makes it too long, and emits an empty chat
where the first one does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from schemas.errors import ConfigError
from schemas.message import Message, approximate_tokens

_EACH = 6
"""Tokens of a message's role and ends (FastChat split_long_conversation.py)."""


def split_chat(messages: Sequence[Message], most: int | None, count: Callable[[str], int]) -> list[list[Message]]:
    """Return the chat in parts of at most `most` tokens; an exchange longer than that is a part by itself."""
    if most is None:
        return [list(messages)]
    lengths = [_length(message, count) for message in messages]
    if sum(lengths) <= most:
        return [list(messages)]
    start = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    head, held = list(messages[:start]), sum(lengths[:start])
    parts: list[list[Message]] = []
    length = 0
    for first, end in _exchanges(messages, start):
        own = sum(lengths[first:end])
        if parts and held + length + own <= most:
            parts[-1] += messages[first:end]
            length += own
        else:
            parts.append([*head, *messages[first:end]])
            length = own
    return parts


def _length(message: Message, count: Callable[[str], int]) -> int:
    calls = (text for call in message.tool_calls for text in (call.name, call.arguments))
    return _EACH + sum(count(text) for text in (message.content, message.reasoning_content or "", *calls) if text)


def _exchanges(messages: Sequence[Message], start: int) -> list[tuple[int, int]]:
    """Return where each exchange begins and ends: a person's turn and all that follows up to the next."""
    begins = [i for i in range(start, len(messages)) if messages[i].role == "user" or i == start]
    return list(zip(begins, [*begins[1:], len(messages)], strict=True))


@functools.cache
def counter(tokenizer: str | None) -> Callable[[str], int]:
    """Return what counts tokens: the tokenizer of a file, or an estimate.

    Raises:
        ConfigError: the file is no tokenizer.
    """
    if tokenizer is None:
        return approximate_tokens
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(tokenizer)
    except Exception as error:  # the library raises the bare class
        raise ConfigError(f"general.cleaning.tokenizer = {tokenizer!r} is no tokenizer: {error}") from error
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
