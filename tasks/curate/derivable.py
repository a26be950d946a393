"""Whether a number in a thought follows from what was visible: a date some days on, a sum, a number of lines to see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Protocol

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")
_AMOUNT = re.compile(r"\b(?:first|last|top|head|tail|limit)(?:\s+(?:of\s+)?|\s*-n\s*)\Z", re.IGNORECASE)
_ROUGHLY = re.compile(r"\s+or so\b", re.IGNORECASE)
_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")


class Seen(Protocol):
    """What was visible."""

    def has_number(self, number: str) -> bool:
        """Whether a number stands there, however it is written."""

    def has_phrase(self, phrase: str) -> bool:
        """Whether words stand there in this order."""


def is_derived(number: str, thought: str, seen: Seen) -> bool:
    """Whether a number follows from what was visible: an amount to look at, a date some days on, a sum worked out."""
    is_there = False
    for sentence in re.split(r"(?<=[.!?;])\s", thought):
        known = [one for one in all_numbers(sentence) if seen.has_number(one)]
        for found in re.finditer(rf"(?<!\d)(?:\d[\d,]*\.)?{re.escape(number)}(?!\d)(?:\.\d+)?", sentence):
            whole, before = found[0].replace(",", ""), sentence[: found.start()]
            is_amount = _AMOUNT.search(before) or _ROUGHLY.match(sentence[found.end() :])
            is_there = True
            if not (is_amount or _adds_up(whole, known) or _is_days_on(number, sentence, seen)):
                return False
    return is_there


def _adds_up(number: str, others: Sequence[str]) -> bool:
    values, wanted = [float(one) for one in dict.fromkeys(others)], float(number)
    close = 0.5 * 10 ** -len(number.partition(".")[2]) + 1e-9
    pairs = ((a, b) for i, a in enumerate(values) for b in values[i + 1 :])
    found = (r for a, b in pairs for r in (a + b, abs(a - b), a * b, b and a / b, a and b / a))
    return any(abs(result - wanted) <= (close if "." in number else 1e-9) for result in found)


def _is_days_on(number: str, sentence: str, seen: Seen) -> bool:
    """Whether a number is of a date in the sentence that lies as many days from a visible one as the sentence says."""
    days = [_day(found) for found in _DATE.finditer(sentence)]
    told = {int(n) for n in re.findall(r"\b\d{1,4}\b", _DATE.sub("", sentence))} | {
        7 * int(n) for n in re.findall(r"\b(\d+) weeks", sentence)
    }
    known = [day for day, text in days if day and seen.has_phrase(text)]
    derived = [text for day, text in days if day and any(abs((day - other).days) in told for other in known)]
    return any(number in set(all_numbers(text)) for text in derived)


def _day(found: re.Match[str]) -> tuple[date | None, str]:
    try:
        return date(int(found[1]), int(found[2]), int(found[3])), found[0]
    except ValueError:
        return None, found[0]


def all_numbers(text: str) -> Iterator[str]:
    """Yield numbers as they are meant (`1,174` = `1174`, `59.60` = `59.6`), and every run of digits."""
    for match in _NUMBER.finditer(text):
        plain = match.group(0).replace(",", "")
        yield plain.rstrip("0").rstrip(".") if "." in plain else plain
    yield from re.findall(r"\d+", text)
