"""Code blocks as models write them, and how one is told from what stands inside it.

CommonMark (markdown-it-py) is not enough: a script that writes a README has fences of its own, which close nothing
while a here-document is open; a block may stand on one line, be closed at the end of its last line, or never.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_OPEN = re.compile(r"^(?P<indent>[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<mark>`{2,}+|~{3,}+|'{3})(?P<info>[^`'\n]*)$")
_ON_ONE_LINE = re.compile(r"^[ \t>]*+(?P<mark>`{3,}+|~{3,}+)(?P<text>.+?)(?P=mark)[ \t]*$")
HEREDOC = re.compile(r"(?<!<)<<-?[ \t]*(['\"\\]?)([A-Za-z_][\w.-]*)\1")
"""Where a here-document begins; the second group is the word that ends it."""
_LANGUAGE = re.compile(r"\{?\.?([A-Za-z][\w+#.-]*)\}?(?:[ \t]+|$)")
_ATTRIBUTE = re.compile(r"\{|[\w-]+[=:]\S|[\w./-]+$")
"""What else stands on an opening line: {.numberLines}, title="x", a file's name."""

_MOST_NESTED = 20


@dataclass(frozen=True)
class Fence:
    """One code block of a text."""

    first: int
    """Line that opens it."""
    last: int
    """Line after it."""
    language: str
    """Lower case; empty = none was said."""
    text: str
    is_closed: bool
    """Whether an end was seen; else it goes to the end of the text."""


def find_fences(lines: Sequence[str], languages: frozenset[str]) -> Iterator[Fence]:
    """Yield the code blocks in their order; a first word counts as a language on a line that holds code where known."""
    at, last_of = 0, {line.strip(): number for number, line in enumerate(lines)}
    while at < len(lines):
        fence = _fence_at(lines, at, languages, last_of)
        if fence is not None:
            yield fence
        at = fence.last if fence is not None else at + 1


def outside(lines: Sequence[str], fences: Sequence[Fence]) -> Iterator[int]:
    """Yield the numbers of the lines that stand in no closed block."""
    covered = {number for fence in fences if fence.is_closed for number in range(fence.first, fence.last)}
    return (number for number in range(len(lines)) if number not in covered)


def _fence_at(lines: Sequence[str], at: int, languages: frozenset[str], last_of: Mapping[str, int]) -> Fence | None:
    whole = _ON_ONE_LINE.match(lines[at])
    if whole:
        language, text = _split_info(whole["text"], languages, is_code=True)
        return Fence(at, at + 1, language, text, True)
    opened = _OPEN.match(lines[at])
    if opened is None:
        return None
    language, begun = _split_info(opened["info"], languages, is_code=False)
    last, end = _closing(lines, at, opened["mark"], last_of)
    body = [_dedent(line, opened["indent"]) for line in lines[at + 1 : last]]
    if end is not None and end.strip():
        body.append(_dedent(end, opened["indent"]))
    is_closed = end is not None
    return Fence(
        at, last + 1 if is_closed else last, language, "\n".join([*([begun] if begun else []), *body]), is_closed
    )


def _closing(lines: Sequence[str], at: int, mark: str, last_of: Mapping[str, int]) -> tuple[int, str | None]:
    """Return the line that closes a block and what code stands on it; None = nothing closes it, it ends there.

    `last_of` is where each line stands for the last time, so that a here-document's end is found without a search.
    """
    bare = re.compile(rf"^[ \t>]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    behind = re.compile(rf"^([^`~]*[^`~\s])[ \t]*{re.escape(mark[0])}{{{len(mark)}}}[ \t]*$")
    word, nested = "", list[int]()
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if word:
            word = "" if line.strip() == word else word
        elif bare.match(line):
            if not nested:
                return number, ""
            nested.pop()
        elif not nested and (found := behind.match(line)):
            return number, found[1]
        elif (opened := _OPEN.match(line)) and opened["mark"].startswith(mark) and opened["info"].strip():
            nested.append(number)
            if len(nested) > _MOST_NESTED:
                break
        elif (begun := HEREDOC.search(line)) and last_of.get(begun[2], -1) > number:
            word = begun[2]
    return (nested[0] if nested else len(lines)), None


def _split_info(info: str, languages: frozenset[str], *, is_code: bool) -> tuple[str, str]:
    """Return language and code of an opening line; `is_code`: the block has no other line."""
    text = info.strip()
    named = _LANGUAGE.match(text)
    if named is None:
        return "", text if is_code else ""
    rest = text[named.end() :].strip()
    if is_code and (named[1].lower() not in languages or not rest):
        return "", text
    if not is_code and (not rest or _ATTRIBUTE.match(rest) or named[1].lower() not in languages):
        rest = ""
    return named[1].lower(), rest


def _dedent(line: str, indent: str) -> str:
    """Take the indentation (or quotation mark) of the opening line off, and no more."""
    if ">" in indent:
        return re.sub(r"^[ ]{0,3}>[ ]?", "", line)
    taken = 0
    while taken < min(len(indent), len(line)) and line[taken] in " \t":
        taken += 1
    return line[taken:]
