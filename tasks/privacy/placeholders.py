"""Puts typed placeholders in the place of secrets and personal data: one value, one placeholder, all through a row.

`[EMAIL_1]` stands for the first address of mail in a row wherever it stands: in what a person said, in a command, in
its output, in the answer, in other letters, percent-encoded, with other blanks between its digits. Where that cannot be
kept, the row is turned away.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from schemas.message import Message
from tasks.privacy.credentials import find_credentials
from tasks.privacy.personal import PERSONAL, PrivateSpan

CONTRACT = 2
"""Raised by hand when something else is found. 2 = tokens with a prefix of services that nobody listed."""
LOOKED_BY = f"trajmill {CONTRACT}, detect-secrets {importlib.metadata.version('detect-secrets')}"
"""What looked, as rows name it."""
PLACEHOLDER = re.compile(r"\[(?:EMAIL|IBAN|CARD|SSN|PHONE|IP|TOKEN|SECRET|PASSWORD|PRIVATE_KEY)_\d+\]")
_NUMBERS = frozenset({"PHONE", "CARD", "SSN"})
"""Kinds whose digits are the value, however they are written."""
_ENCODED = re.compile(r"(?:[\w.~+-]|%[0-9A-Fa-f]{2})*%[0-9A-Fa-f]{2}(?:[\w.~+()-]|%[0-9A-Fa-f]{2})*")
_BEFORE = 40
"""Characters before such a value that say what it is."""
_NUMBER = re.compile(r"\+?\(?\d[\d ().-]{6,24}\d")


class Unhideable(ValueError):
    """A value stands in a row in a form in which no placeholder can stand for it; the text says which kind."""


class HiddenRow(NamedTuple):
    """A row's messages with placeholders."""

    messages: tuple[Message, ...]
    kinds: tuple[str, ...]
    """What was found, sorted; empty = the messages are as they were."""


@functools.lru_cache(maxsize=4096)
def find_private(text: str) -> tuple[PrivateSpan, ...]:
    """Return the secrets and personal data of a text, in order; where two overlap, the one that begins first counts."""
    found = [*_find_plain(text), *(_find_encoded(text) if "%" in text else ())]
    kept: list[PrivateSpan] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if (not kept or one.start >= kept[-1].end) and not _is_placeholder(text, one):
            kept.append(one)
    return tuple(kept)


def find_secrets(text: str) -> Iterator[PrivateSpan]:
    """Yield the secrets of a text, personal data apart; they may overlap."""
    return (one for one in find_credentials(text, text.lower()) if not _is_placeholder(text, one))


def _is_placeholder(text: str, one: PrivateSpan) -> bool:
    return any(PLACEHOLDER.match(text, start) for start in (one.start, max(0, one.start - 1)))


def _find_plain(text: str) -> Iterator[PrivateSpan]:
    lower = text.lower()
    yield from find_credentials(text, lower)
    for recogniser in PERSONAL:
        yield from recogniser.find(text, lower)


def _find_encoded(text: str) -> Iterator[PrivateSpan]:
    """Yield what stands percent-encoded in an address, read with what stands before it: `phone=%2B1...`."""
    for match in _ENCODED.finditer(text):
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        for one in _find_plain(before + unquote(match[0])):
            if one.end > len(before):
                yield PrivateSpan(one.kind, *match.span())
                break


def hide_text(text: str) -> str:
    """Return a text by itself with placeholders.

    Raises:
        Unhideable: a value stands there in another form as well.
    """
    names = _name(((text, find_private(text)),))
    return _replace(text, names) if names else text


def hide_messages(messages: Sequence[Message]) -> HiddenRow:
    """Return a row's messages with placeholders.

    Raises:
        Unhideable: a value stands there in a form in which none can stand for it.
    """
    names = _name((text, find_private(text)) for message in messages for text in _texts(message))
    if not names:
        return HiddenRow(tuple(messages), ())
    hidden = tuple(_hide(message, names) for message in messages)
    for message in hidden:
        for text in _texts(message):
            _require_gone(text, names)
    return HiddenRow(hidden, tuple(sorted({kind for kind, _ in names.values()})))


def _texts(message: Message) -> Iterable[str]:
    yield message.content
    if message.reasoning_content:
        yield message.reasoning_content
    for call in message.tool_calls:
        yield call.arguments


def _name(found: Iterable[tuple[str, Sequence[PrivateSpan]]]) -> dict[str, tuple[str, str]]:
    """Return kind and placeholder by value."""
    names: dict[str, tuple[str, str]] = {}
    known: dict[tuple[str, str], str] = {}
    for text, some in found:
        for one in some:
            value = text[one.start : one.end]
            same = (one.kind, _same(one.kind, value))
            number = 1 + sum(kind == one.kind for kind, _ in known)
            known.setdefault(same, f"[{one.kind}_{number}]")
            names.setdefault(value, (one.kind, known[same]))
    return names


def _same(kind: str, value: str) -> str:
    """Return what two spellings of one value share."""
    if kind in _NUMBERS:
        return re.sub(r"\D", "", unquote(value))
    return unquote(value).lower() if kind == "EMAIL" else value


def _hide(message: Message, names: dict[str, tuple[str, str]]) -> Message:
    calls = tuple(call.model_copy(update={"arguments": _replace(call.arguments, names)}) for call in message.tool_calls)
    reasoning = message.reasoning_content
    hidden = {
        "content": _replace(message.content, names),
        "tool_calls": calls,
        "reasoning_content": reasoning and _replace(reasoning, names),
    }
    return message.model_copy(update=hidden)


def _replace(text: str, names: dict[str, tuple[str, str]]) -> str:
    for value in sorted(names, key=len, reverse=True):
        kind, placeholder = names[value]
        for form in dict.fromkeys(
            (value, quote(value, safe=""), value.replace('"', '\\"'), value.replace("\n", "\\n"))
        ):
            if kind == "EMAIL":
                text = re.sub(rf"(?<![\w.]){re.escape(form)}(?!\w)", placeholder, text, flags=re.IGNORECASE)
            elif kind in _NUMBERS or kind == "IP":
                text = re.sub(rf"(?<![\w.]){re.escape(form)}(?!\w|\.\d)", placeholder, text)
            else:
                text = text.replace(form, placeholder)
    digits = {_same(kind, value): placeholder for value, (kind, placeholder) in names.items() if kind in _NUMBERS}
    if digits:
        text = _NUMBER.sub(lambda found: digits.get(re.sub(r"\D", "", found[0]), found[0]), text)
    return text


def _require_gone(text: str, names: dict[str, tuple[str, str]]) -> None:
    plain = unquote(text)
    joined = re.sub(r"[\s().-]", "", text)
    for value, (kind, _) in names.items():
        if len(value) >= 8 and (value in plain or (kind in _NUMBERS and _same(kind, value) in joined)):
            raise Unhideable(f"a value of the kind {kind} stands in another form as well")
