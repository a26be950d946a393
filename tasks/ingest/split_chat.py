"""Cuts a long chat at a person's turns into chats that fit, each with the system message; no exchange is lost.

FastChat's split_long_conversation.py loses the last exchange where that one makes it too long, and emits an empty chat
where the first one does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

from formats.chats.chat import Said
from schemas.errors import ConfigError
from schemas.message import approximate_tokens

_EACH = 6
"""Tokens of a message's role and ends (FastChat split_long_conversation.py)."""
_S = TypeVar("_S", bound=Said)


def split_chat(messages: Sequence[_S], most: int | None, count: Callable[[str], int]) -> list[list[_S]]:
    """Return the chat in parts of at most `most` tokens; an exchange longer than that is a part by itself."""
    lengths = [] if most is None else _lengths(messages, most, count)
    if most is None or sum(lengths) <= most:
        return [list(messages)]
    roles = [message[0] if isinstance(message, tuple) else message.role for message in messages]
    start = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
    head, held = list(messages[:start]), sum(lengths[:start])
    parts: list[list[_S]] = []
    length = 0
    for first, end in _exchanges(roles, start):
        own = sum(lengths[first:end])
        if parts and held + length + own <= most:
            parts[-1] += messages[first:end]
            length += own
        else:
            parts.append([*head, *messages[first:end]])
            length = own
    return parts


def _lengths(messages: Sequence[Said], most: int, count: Callable[[str], int]) -> list[int]:
    """Return the tokens of each message; or, where a chat fits all the same, of some as many as they have at most.

    ASCII has a byte a token, and one more where a tokenizer puts a blank before a text. The longest are counted first.
    """
    plain = {i: len(one[1]) for i, one in enumerate(messages) if isinstance(one, tuple) and one[1].isascii()}
    lengths = [_EACH + 1 + plain[i] if i in plain else _length(one, count) for i, one in enumerate(messages)]
    total = sum(lengths)
    for place in sorted(plain, key=lambda place: -plain[place]) if total > most else ():
        total -= lengths[place]
        lengths[place] = _length(messages[place], count)
        total += lengths[place]
        if total <= most:
            break
    return lengths


def _length(message: Said, count: Callable[[str], int]) -> int:
    if isinstance(message, tuple):
        return _EACH + count(message[1])
    calls = (text for call in message.tool_calls for text in (call.name, call.arguments))
    return _EACH + sum(count(text) for text in (message.content, message.reasoning_content or "", *calls) if text)


def _exchanges(roles: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Return where each exchange begins and ends: a person's turn and all that follows up to the next."""
    begins = [i for i in range(start, len(roles)) if roles[i] == "user" or i == start]
    return list(zip(begins, [*begins[1:], len(roles)], strict=True))


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
