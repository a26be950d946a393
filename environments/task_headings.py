"""Headings of a made-up task's parts, as models write them: any level, bold, numbered, with a colon, or bare."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

SYNONYMS: Mapping[str, str] = {
    "problem": "task|question|assignment",
    "explanation": "rationale|approach|solution explanation|notes",
    "initialisation": "init|set-?up|preparation|initial state|environment",
    "reference": "solution|sql|query|statement|reference",
    "evaluation": "check(?:er)?|verification|validation|grading|test",
}
"""Other words for a part, understood where its own word is nowhere."""
_TAIL = (
    r"(?:\s+(?:statement|description|text|script|code|sql|solution|answer|query|command|commands"
    r"|statements|block|part|section"
    r"|bash|shell|python|implementation|for (?:other )?authors|for the (?:assistant|agent"
    r"|author)))*(?:\s*\([^)\n]{1,40}\))?"
)
_AFTER = re.compile(r"([*_`#>\]\s]*)([:：.–—-]?)([*_`#\]\s]*)(.*)\Z", re.DOTALL)

MOST_TITLE_CHARS = 300
"""Of a line, what is searched for a title: a pattern goes back over what it does not find."""


class Heading(NamedTuple):
    title: str
    style: str
    """Level, bold, numbered or bare: the headings of one task look alike."""
    rest: str
    """Text on its line."""


def heading_pattern(words: Mapping[str, str]) -> re.Pattern[str]:
    """Return what matches the beginning of a heading, up to its title's last word; `words` are patterns by title."""
    named = "|".join(f"(?P<{title}>{word})" for title, word in words.items())
    number = r"(?:(?:part|step|section)?\s*[(\[]?(?:\d{1,2}|[ivx]{1,3}|[a-e])\\?[)\].:]?\s*[.:–—-]?\s*[*_]*)?"
    return re.compile(
        rf"(?P<before>(?:[^\w\n]|_)*)(?P<number>{number})(?:the\s+)?(?:{named})(?P<tail>{_TAIL})(?![^\W_])",
        re.IGNORECASE,
    )


def heading_in(line: str, pattern: re.Pattern[str]) -> Heading | None:
    """Read a heading: marked by hashes, bold, a number, a tag, a colon, or by standing alone on its line."""
    found = pattern.match(line, 0, MOST_TITLE_CHARS)
    after = _AFTER.match(line[found.end() :]) if found else None
    if found is None or after is None:
        return None
    title = next(name for name, text in found.groupdict().items() if text and name not in ("before", "number", "tail"))
    before, rest = found["before"], after[4].strip()
    style = f"#{before.count('#')}" if "#" in before else ("bold" if re.search(r"\*\*|__", before) else "")
    style = style or ("tag" if before.strip().endswith("<") and line.strip().endswith(">") else "")
    style = style or ("numbered" if found["number"].strip() else "bare")
    if "/" in before or (style == "bare" and (before.strip(" *_>-") or before[:1].isspace())):
        return None
    is_parted = bool(after[2]) or (style == "bold" and re.search(r"\*\*|__", after[1] + after[3]))
    if style == "bare" and (not found[title][0].isupper() or (rest and after[2] not in (":", "："))):
        return None
    if (rest and not is_parted) or (style == "numbered" and rest and after[2] not in (":", "：")):
        return None
    return Heading(title, style, rest.rstrip("#").strip() if style.startswith("#") else rest)
