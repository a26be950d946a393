"""One form for answers that say the same: `220 files`, `1,174`, a quoted name. Never more lenient than written here.

AgentBench's own tasks do not come here: there the answer is judged as it was given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.task_spec import Lines

_PER_LINE = re.compile(
    r"\bper line\b|\b(?:its|their|an?) own lines?\b|\bline by line\b|\blines? each\b|\bto a line\b"
    r"|\b(?:separate|individual|new) lines?\b|\beach on a(?: separate| new)? line\b",
    re.IGNORECASE,
)
_ANY_ORDER = re.compile(
    r"\bin any order\b|\bin whatever order\b|\bin no (?:particular|specific) order\b"
    r"|\border (?:does not|doesn't) (?:matter|count)\b",
    re.IGNORECASE,
)
_MARK = re.compile(r"(?:[-*\u2022]|\d{1,3}[.)])[ \t]+")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_COUNT = re.compile(r"(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?:\s*(?P<unit>[A-Za-z%]+))?")
_QUOTES = ("'", '"', "`")
_SCALES = re.compile(
    r"%|percent|[kmgt]|(?:[kmgt]i?)?b|(?:kilo|mega|giga|tera)?bytes?|bits?|dozen|hundred|thousand|million|billion"
    r"|m?s|min|h|(?:millisecond|second|minute|hour|day|week|month|year)s?"
)
"""Units that change what a number says; dropped only where the problem itself asks in them."""


def lines_asked(problem: str) -> Lines:
    """Tell from a problem's words whether its answer has several lines, and whether their order counts."""
    if not _PER_LINE.search(problem):
        return "one"
    return "in_any_order" if _ANY_ORDER.search(problem) else "in_order"


def canonical_answer(answer: str, reference_output: str, instruction: str, lines: Lines = "one") -> str:
    """Return the answer as the check shall see it, stripped.

    Of an answer that may have several lines each is taken by itself, without the mark of a list (`- `, `2. `) that none
    of the reference's lines has; where their order does not count, the lines that the reference has come in its order.
    """
    if lines == "one" or "\n" not in reference_output.strip():
        return _canonical(answer, reference_output, instruction)
    wanted = [line.strip() for line in reference_output.strip().splitlines()]
    given = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    if given and not any(map(_MARK.match, wanted)) and all(map(_MARK.match, given)):
        given = [_MARK.sub("", line) for line in given]
    if len(given) == len(wanted):
        asked = wanted if lines == "in_order" else [_fellow(line, wanted, instruction) for line in given]
        given = [_canonical(*pair, instruction) for pair in zip(given, asked, strict=True)]
    if lines == "in_any_order" and sorted(given) == sorted(wanted):
        given = wanted
    return reference_output.strip() if given == wanted else "\n".join(given)


def _fellow(line: str, wanted: Sequence[str], instruction: str) -> str:
    """Return the reference's line that an answer's line says in another form, or else itself."""
    return next((one for one in wanted if _canonical(line, one, instruction) == one), line)


def _canonical(answer: str, reference_output: str, instruction: str) -> str:
    """Return an answer of one line in the reference's form.

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
