"""What attempts ended with, and when two of them ended alike: two that say or leave nothing agree on nothing."""

from __future__ import annotations

import re
from typing import NamedTuple

UNEARNED = ("answer_not_earned", "answered_without_acting")
"""Heads of a failed verdict's detail that say how an answer was come by, not that it is wrong."""

_NOTHING = re.compile(r"none|null|nil|nothing|nan|na|n|a|unknown|undefined|unavailable|empty|done|finish|ok")
_AFTER_NO = re.compile(r"answers?|results?|rows?|match(?:es)?|records?|data|output|found")
_GIVING_UP = (
    r"can(?: ?no|')t|could(?:n't| not)|unable|was(?:n't| not) able|do(?:es)?(?:n't| not) know|failed to"
    r"|gave up|giv(?:e|ing) up|not (?:sure|able|possible|enough|determin\w+)|impossible|no (?:idea|such)|ran out of"
)
_GAVE_UP = re.compile(
    rf"(?:(?:i(?:'m| am|'ve| have)?|sorry|unfortunately|we|error)\b[\s,.:]*)*(?:error:|(?:{_GIVING_UP})(?![\w.-]*\w))",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans("’‘`", "'''")
_MOST_CHARS = 100_000
"""Of an answer that is looked at."""


class Ending(NamedTuple):
    """What an attempt ended with."""

    answer: str | None
    """None = none was given, or none counts."""
    state: str | None = None
    """Digest of what it left behind, by-products apart; None = not known, or it does not count."""


def says_something(answer: str | None) -> bool:
    """Whether an answer has substance: not empty, no word for nothing, no giving up."""
    text = (answer or "")[:_MOST_CHARS].translate(_APOSTROPHES).strip().strip("[](){}\"'`*.").strip()
    words = re.findall(r"\w+", text.lower())
    if not words:
        return any(not character.isspace() for character in text)  # `+`, `->`: signs may be what is asked for
    after_no = words[1:] if words[0] == "no" else []
    is_nothing = all(map(_NOTHING.fullmatch, words)) or (bool(after_no) and all(map(_AFTER_NO.fullmatch, after_no)))
    return not is_nothing and not _GAVE_UP.match(text)


def is_alike(one: Ending, other: Ending) -> bool:
    """Compare two endings as they stand: the same words, blanks apart, and the same state, as far as both are known."""
    if _plain(one.answer) != _plain(other.answer):
        return False
    return one.state == other.state or one.state is None or other.state is None


def _plain(answer: str | None) -> list[str]:
    return (answer or "")[:_MOST_CHARS].split()
