"""One form for answers that say the same: `220 files`, `1,174`, a quoted name. Never more lenient than written here.

AgentBench's own tasks do not come here: there the answer is judged as it was given.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_COUNT = re.compile(r"(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?:\s*(?P<unit>[A-Za-z%]+))?")
_QUOTES = ("'", '"', "`")
_SCALES = re.compile(
    r"%|percent|[kmgt]|(?:[kmgt]i?)?b|(?:kilo|mega|giga|tera)?bytes?|bits?|dozen|hundred|thousand|million|billion"
    r"|m?s|min|h|(?:millisecond|second|minute|hour|day|week|month|year)s?"
)
"""Units that change what a number says; dropped only where the problem itself asks in them."""


def canonical_answer(answer: str, reference_output: str, instruction: str) -> str:
    """Return the answer as the check shall see it, stripped.

    Surrounding quotes or backticks are dropped unless the reference prints them, and so is a newline spelled out at the
    end (`220\\n`: an answer is one line, so a copied newline is written as an escape). Where the reference prints one
    number and the answer is one number, thousands separators and one unit word after it are dropped (a unit that
    scales, such as KB or minutes, only where the problem names it).
    """
    answer, expected = answer.strip(), reference_output.strip()
    if answer == expected:
        return answer
    answer = _bare(answer, expected)
    count = _COUNT.fullmatch(answer)
    if count and _NUMBER.fullmatch(expected) and _is_plain_unit(count["unit"], instruction):
        return count["number"].replace(",", "")
    return answer


def _bare(text: str, expected: str) -> str:
    """Take off layer by layer, by moving both ends: an answer may be all quotes."""
    ends = "\\n" if not expected.endswith("\\n") else "\0"
    begin, end = _inside(text, 0, len(text))
    while True:
        was = begin, end
        if text.endswith(ends, begin, end):
            begin, end = _inside(text, begin, end - len(ends))
        if end - begin > 1 and text[begin] == text[end - 1] and text[begin] in _QUOTES:
            begin, end = _inside(text, begin + 1, end - 1)
        if (begin, end) == was:
            return text[begin:end]


def _inside(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return the ends of a part without the blanks around it."""
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end


def _is_plain_unit(unit: str | None, instruction: str) -> bool:
    if unit is None or not _SCALES.fullmatch(unit.lower()):
        return True
    named = instruction.lower().replace("%", " percent ")
    wanted = "percent" if unit == "%" else unit.lower().rstrip("s") or "s"
    return re.search(rf"\b{re.escape(wanted)}s?\b", named) is not None
