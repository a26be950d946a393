"""What chat models wrap an answer in: a box, a fence, bold letters, a note beside it.

What stands beside an answer must be prose: with a second answer in it, there is not one answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEDGE = (
    r"\b(?:or|either|alternatively|otherwise|maybe|perhaps|possibly|could|might|may|instead|rather|actually|correction"
    r"|sorry|wait)\b"
)
OTHER = re.compile(_HEDGE, re.IGNORECASE)
"""A word that offers another answer."""
VALUE = re.compile(rf"[\[{{(`\"]|\d|{_HEDGE}", re.IGNORECASE)
"""What a second answer has: a literal, a quoted value, a number, a word that offers another."""
_LITERAL = re.compile(rf"[\[{{`\"]|{_HEDGE}", re.IGNORECASE)
_TYPOGRAPHIC = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_STATEMENT = re.compile(r"^```\s*sql\b.*?^```\s*$", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_QUOTED = re.compile(r'"[^"\n]+"')
PROSE_WORDS = 3


def unwrapped(text: str) -> Iterator[str]:
    """Yield the text, and what stands in its box, its fence or its bold letters."""
    yield text
    yield from _boxed(text)
    inside, beside = _fenced(text)
    if inside and is_note(beside):
        yield inside
    bare = text.replace("**", "").replace("`", "").strip("_* \n")
    yield bare
    if bare.startswith(("[", "{", "(")) and '"' not in bare:
        yield bare.translate(_TYPOGRAPHIC)
    start = min((place for place in map(bare.find, "[{") if place > 0), default=0)
    if start and is_note(bare[:start]):
        bare = bare[start:]
    head = _leading_literal(bare)
    if head and is_note(_aside(text, head), _LITERAL):
        yield head


def without_note(text: str) -> str:
    """Return the list or object that a text begins with where only a note follows it, else the text."""
    head = _leading_literal(text)
    return head if head and is_note(_aside(text, head), _LITERAL) else text


def _aside(text: str, head: str) -> str:
    """Return what is said after the answer, without a statement in a fence and what it says again of the answer."""
    bare = _STATEMENT.sub("", text).replace("**", "").replace("`", "").strip("_* \n")
    return _QUOTED.sub(lambda found: "" if found[0] in head else found[0], bare.partition(head)[2])


def _fenced(text: str) -> tuple[str, str]:
    """Return what stands in the text's one fence, and what beside it; nothing where there are several."""
    inside: list[str] = []
    beside: list[str] = []
    mark, count = "", 0
    for line in text.splitlines():
        said = line.strip()
        if mark and said.startswith(mark) and not said.strip(mark[0]):
            mark = ""
        elif not mark and said.startswith(("```", "~~~")):
            mark, count = said[:3], count + 1
        else:
            (inside if mark else beside).append(line)
    return ("\n".join(inside).strip(), "\n".join(beside)) if count == 1 else ("", "")


def _boxed(text: str) -> Iterator[str]:
    r"""Yield what the one `\boxed{...}` holds, without TeX's own signs."""
    start = text.find("\\boxed{")
    if start < 0 or text.count("\\boxed") > 1 or OTHER.search(text):
        return
    depth, inside = 0, ""
    for place in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            inside = text[start + len("\\boxed{") : place]
            break
    inside = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", inside)
    yield re.sub(r"\\([%$#&_{}])", r"\1", inside.replace("{,}", ",").replace("\\,", "").replace("\\!", "")).strip()


def _leading_literal(text: str) -> str:
    """Return the list or object that the text begins with; empty = none, or it is not closed."""
    if not text.startswith(("[", "{")):
        return ""
    depth, quote, is_escaped = 0, "", False
    for place, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and not is_escaped else quote
            is_escaped = sign == "\\" and not is_escaped
        elif sign == '"' or (sign == "'" and text[place - 1] in "[({, :"):
            quote = sign
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0)
            if depth == 0:
                return text[: place + 1]
    return ""


def is_note(text: str, other: re.Pattern[str] = VALUE) -> bool:
    """Whether the text beside an answer is prose that holds no second one (`other`)."""
    return all(_is_prose(line.strip(), other) for line in text.splitlines())


def _is_prose(line: str, other: re.Pattern[str]) -> bool:
    said = line.strip(" \t.:;-–—()")
    if not said or other.search(said):
        return not said
    return len(said.split()) >= (2 if line.startswith("(") else PROSE_WORDS) or line.endswith(":")
