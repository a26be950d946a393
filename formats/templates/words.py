"""The first half of a proof: in words, without a template.

Where a record is the row's beginning, message by message, turns are compared by their place. Else (folded, joined,
calls said as text) their words are counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from formats.releases.release_folder import ReleaseRow
from formats.templates.reading import TrainerRow
from formats.templates.trainers import Trainer
from schemas.message import Message, approximate_tokens

_THINK = re.compile(r"</?think>")


def find_fault(row: ReleaseRow, trainer: Trainer, readings: Sequence[TrainerRow]) -> str | None:
    """Say how the words that carry loss differ from those of the row's trained turns, if they do."""
    said = [str(one.get("content")) for reading in readings for one in reading.messages]
    if mark := next((mark for mark in trainer.own_marks if any(mark in text for text in said)), None):
        return f"{mark!r} stands in its text, where {trainer.name} takes it for the end of a turn"
    carried = [one for reading in readings for one, carries in reading.each() if carries]
    should = [message for message in row.messages if message.train]
    if not carried:
        return f"nothing carries loss, and {len(should)} turns should"
    found: Counter[str] = Counter(word for one in carried for word in words_of(one))
    wanted = [Counter(word for message in should for word in _words(message, spell)) for spell in _SPELLINGS]
    if found in wanted:
        return _find_fault_of_place(row, readings)
    less, more = wanted[0] - found, found - wanted[0]
    sides = (("carry loss and should not", more), ("should carry loss and do not", less))
    faults = [f"these words {what}: {_some(words)}" for what, words in sides if words]
    return f"{len(carried)} turns carry loss, {len(should)} should; " + "; ".join(faults)


def _find_fault_of_place(row: ReleaseRow, readings: Sequence[TrainerRow]) -> str | None:
    """Say if turns of the same words were taken for one another."""
    said = [(one.role, *(_words(one, spell) for spell in _SPELLINGS)) for one in row.messages]
    carried: list[int] = []
    for reading in readings:
        pairs = zip(reading.messages, said, strict=False)
        is_beginning = len(reading.messages) <= len(said) and all(
            one["role"] == role and words_of(one) in words for one, (role, *words) in pairs
        )
        if not is_beginning:
            return None
        carried += [at for at, carries in enumerate(reading.trained) if carries]
    should = [at for at, message in enumerate(row.messages) if message.train]
    return None if sorted(carried) == should else f"turns {carried} carry loss, turns {should} should, each once"


def estimate_tokens(reading: TrainerRow) -> tuple[int, int]:
    """Estimate the tokens of a row, and of its messages that carry loss."""
    sizes = [(approximate_tokens(" ".join(words_of(one))), carries) for one, carries in reading.each()]
    return sum(size for size, _ in sizes), sum(size for size, carries in sizes if carries)


def _words(message: Message, spell: Callable[[str], str]) -> list[str]:
    calls = [f"{call.name}({spell(call.arguments)})" for call in message.tool_calls]
    return _split([message.reasoning_content or "", message.content, *calls])


def words_of(message: Mapping[str, Any]) -> list[str]:
    """Return the words of a message as a trainer has it: thoughts, content, calls."""
    held = [call.get("function", call) for call in message.get("tool_calls") or ()]
    calls = [f"{one['name']}({_as_text(one['arguments'])})" for one in held]
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return _split([str(message.get("reasoning_content") or message.get("thinking") or ""), content, *calls])


def _split(texts: Iterable[str]) -> list[str]:
    return _THINK.sub(" ", "\n".join(texts)).split()


def _given(arguments: str) -> str:
    return arguments or "{}"


def _canonical(arguments: str) -> str:
    try:
        return _spell(orjson.loads(_given(arguments)))
    except orjson.JSONDecodeError:
        return arguments


_SPELLINGS = (str, _given, _canonical)
"""How forms write arguments: as the model did, nothing as `{}`, as an object."""


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else _spell(arguments)


def _spell(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _some(words: Counter[str], most: int = 12) -> str:
    listed = list(words.elements())
    return repr(" ".join(listed[:most])) + (f" and {len(listed) - most} words more" if len(listed) > most else "")
