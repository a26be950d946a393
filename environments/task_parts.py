"""A reply that holds several made-up tasks, cut into one text each, so that a bad one costs only itself.

Models set tasks apart by headings of their own (`## Task 2`, `=== Task ===`, `<task>`), by rules, by numbers on the
headings of the parts, by beginning again, or write JSON. What is cut is read by `task_text.Sections`, as one task is.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from environments.code_blocks import BlockReader
from environments.dialects.fences import find_fences
from environments.dialects.thoughts import without_reasoning
from environments.task_headings import MOST_TITLE_CHARS, Heading, heading_in
from environments.task_text import Sections
from schemas.rejection import Refusal

_NUMBERS = "one two three four five six seven eight nine ten".split()  # noqa: SIM905
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()  # noqa: SIM905
_NUMBER = rf"(?:\d{{1,2}}|[a-j]|{'|'.join(_NUMBERS)})"
_WORD = r"(?:new\s+|practi[cs]e\s+)?(?:task|exercise|assignment)"
_BEFORE = r"(?P<before>[ \t#*_=~>|<\[(\-–—]*)"
_NUMBERED = re.compile(
    rf"{_BEFORE}(?:{_WORD}\s*(?:no\.?|number|nr\.?|id)?\s*[#=:\"']*\s*(?P<number>{_NUMBER})|(?P<ordinal>{'|'.join(_ORDINALS)})\s+{_WORD})"
    r"(?![\w'’])(?P<of>\s*(?:/|of)\s*\w+)?(?P<parted>[\s*_\"'\])>]*[.:：)\]–—-]?[\s*_>]*)",
    re.IGNORECASE,
)
_DECORATED = re.compile(
    rf"\s*(?:={{2,}}|-{{2,}}|\*{{3,}}|~{{2,}}|\[)\s*{_WORD}\s*(?:={{2,}}|-{{2,}}|\*{{3,}}|~{{2,}}|\])\s*\Z"
    rf"|\s*<{_WORD}(?:\s[^<>]*)?>\s*\Z",
    re.IGNORECASE,
)
_PURE = re.compile(
    r"\s*(?:#{1,6}\s*|\*\*\s*)\(?(?P<number>\d{1,2})[.):]?\s*(?:\*\*)?\s*\Z|\s*(?P<listed>\d{1,2})[.)]\s*\Z"
)
_LISTED = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*+])\s+(?=#|\*\*)")
_DEEP = re.compile(r"^(\W*)(?:\d{1,2}|[A-Ja-j])\.\d{1,2}[.):]?\s+")
_OF_TASK = re.compile(rf"\s+(?:of|for|to)\s+{_WORD}\s*#?\s*{_NUMBER}\b", re.IGNORECASE)
_AFTER_TITLE = re.compile(r"^([\W_]*[A-Za-z][A-Za-z ]*?[A-Za-z])\s*[#(]?\s*(\d{1,2})\)?(?=\W*(?:[:：].*)?\Z)")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[ \t]*\n(.*?)\n?^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)


class TaskText(NamedTuple):
    """One task's part of a reply."""

    text: str
    number: int | None = None
    """The number that it bears; None = it bears none."""


class _Line(NamedTuple):
    text: str
    """As it is read: numbers taken off a heading."""
    heading: Heading | None = None
    begins: bool = False
    """Whether a task begins here."""
    number: int | None = None


def cut_tasks(sections: Sections, reply: str, count: int) -> list[TaskText]:
    """Cut a reply into its tasks, of which there should be `count`; what stands before and between is left out.

    Of the ways to read it (a heading closes a block that nothing closed, headings of one style alone, other words for a
    part) that one counts which finds most whole tasks.
    """
    lines = without_reasoning(reply).lstrip("\ufeff").replace("\r\n", "\n").split("\n")
    best: list[TaskText] = []
    most = -1
    for pattern, closing, one_style in product(sections.patterns, (False, True), (True, False)):
        pieces = _cut_lines(lines, sections, pattern, closing=closing, one_style=one_style)
        whole = _count_whole(sections, pieces)
        if whole > most:
            best, most = pieces, whole
        if most >= count:
            return best
    written = list(_from_json("\n".join(lines), sections))
    return written if _count_whole(sections, written) > most else best


def match_numbers(pieces: Sequence[TaskText], wanted: Sequence[int]) -> tuple[dict[int, TaskText], list[TaskText]]:
    """Return the pieces by what they are of `wanted` (numbers from 0), and those that are too many.

    By the numbers that they bear, where each bears another and they fit what is wanted; else in their order, and of too
    many the last count, as of several drafts of one task.
    """
    borne = {piece.number - 1: piece for piece in pieces if piece.number is not None}
    if pieces and len(borne) == len(pieces) and (borne.keys() <= set(wanted) or borne.keys() >= set(wanted)):
        found = {number: piece for number, piece in borne.items() if number in wanted}
        return found, [piece for number, piece in borne.items() if number not in wanted]
    extra = max(0, len(pieces) - len(wanted))
    return dict(zip(wanted, pieces[extra:], strict=False)), list(pieces[:extra])


def _count_whole(sections: Sections, pieces: Sequence[TaskText]) -> int:
    return sum(not isinstance(sections.read(piece.text), Refusal) for piece in pieces)


def _cut_lines(
    lines: Sequence[str], sections: Sections, pattern: re.Pattern[str], *, closing: bool, one_style: bool
) -> list[TaskText]:
    def title_of(line: str) -> str | None:
        read = _read_line(line, pattern)
        return "task" if read.begins else read.heading.title if read.heading else None

    passages = BlockReader(lines, title_of, sections.code, headings_close=closing).read()
    read = {
        p.number: found
        for p in passages
        if p.block is None and not p.is_quoted and ((found := _read_line(p.text, pattern)).begins or found.heading)
    }
    styles = Counter(line.heading.style for line in read.values() if line.heading)
    style = max(styles, key=styles.__getitem__, default="")
    starts = list(_starts(read, style if one_style else None))
    ends = [*(start for start, _ in starts[1:]), len(lines)]
    pieces = []
    for (start, number), end in zip(starts, ends, strict=False):
        inside = [
            read[i].text if i in read and (i == start or read[i].heading) else lines[i] for i in range(start, end)
        ]
        parts = [read[i].heading for i in range(start, end) if i in read and read[i].heading]
        if parts or number is not None:
            pieces.append(TaskText(_with_first_heading(inside, parts, lines[start], read[start], sections), number))
    return pieces


def _starts(read: Mapping[int, _Line], style: str | None) -> Iterator[tuple[int, int | None]]:
    """Yield where a task begins, and its number: at a mark, or where a part comes that was there."""
    seen: set[str] = set()
    is_begun, current = False, None
    for place, line in sorted(read.items()):
        counts = line.heading is not None and style in (None, line.heading.style)
        again = counts and line.heading is not None and line.heading.title in seen
        is_same = not again and is_begun and (line.number == current if line.number else not seen)
        if line.begins and not is_same:
            yield place, line.number
            seen, is_begun, current = set(), True, line.number
        elif again or (counts and not is_begun):
            yield place, None
            seen, is_begun = set(), True
        if counts and line.heading is not None:
            seen.add(line.heading.title)


def _with_first_heading(
    inside: list[str], parts: Sequence[Heading | None], first: str, begins: _Line, sections: Sections
) -> str:
    """Word a piece; where its first part has no heading, the task's own mark (`## Task 1: text`) is that heading."""
    title = sections.titles[0]
    if begins.begins and not any(part and part.title == title for part in parts):
        found = _NUMBERED.match(first, 0, MOST_TITLE_CHARS)
        rest = first[found.end() :].strip(" *_#=") if found else ""
        if rest or not (inside[1:] and inside[1].startswith("#")):
            inside = [f"### {title.capitalize()}", rest, *inside[1:]]
    return "\n".join(inside)


def _read_line(line: str, pattern: re.Pattern[str]) -> _Line:
    """Read a line outside of code: the mark of a task, the heading of a part, or both on one line."""
    if not line.strip():
        return _Line(line)
    plain = heading_in(line, pattern)
    numbered = _NUMBERED.match(line, 0, MOST_TITLE_CHARS)
    if numbered and _is_mark(numbered, line):
        said = line[numbered.end() :]
        rest = _without_number(numbered["before"] + said)
        heading = heading_in(rest, pattern) if said.strip() else None
        return _Line(rest if heading else "", heading, True, _number_of(numbered))
    if plain:
        return _Line(line, plain)
    if _DECORATED.match(line):
        return _Line("", None, True)
    if pure := _PURE.match(line):
        return _Line("", None, True, int(pure["number"] or pure["listed"]))
    if len(line) > MOST_TITLE_CHARS:
        return _Line(line)
    other = _DEEP.sub(r"\1", _LISTED.sub("", _OF_TASK.sub("", line)))
    for text in (other, _without_number(other)):
        if text != line and (heading := heading_in(text, pattern)):
            return _Line(text, heading)
    return _Line(line)


def _without_number(line: str) -> str:
    """Take a number off the title that it stands behind."""
    return _AFTER_TITLE.sub(r"\1", line) if len(line) <= MOST_TITLE_CHARS else line


def _is_mark(found: re.Match[str], line: str) -> bool:
    """Whether it is a mark and no sentence (`Task 2 needs the file of task 1.`)."""
    marked = bool(re.search(r"[#*_=~<\[|–—]|--", found["before"])) or bool(re.search(r"[.:：)\]–—]", found["parted"]))
    number = found["number"] or ""
    if number.isalpha() and len(number) == 1 and not (number.isupper() or marked):
        return False
    return marked or not line[found.end() :].strip()


def _number_of(found: re.Match[str]) -> int:
    number, ordinal = (found["number"] or "").lower(), (found["ordinal"] or "").lower()
    if ordinal:
        return _ORDINALS.index(ordinal) + 1
    if number in _NUMBERS:
        return _NUMBERS.index(number) + 1
    return int(number) if number.isdigit() else ord(number) - ord("a") + 1


def _from_json(text: str, sections: Sections) -> Iterator[TaskText]:
    """Yield the tasks of JSON: a list, an object that holds one, objects one after another, fenced or bare."""
    fenced = [fence.text for fence in find_fences(text.split("\n"), frozenset())]
    for source in (text, "\n".join(fenced)):
        pieces = [piece for value in _values_in(source) for piece in _tasks_in(value, sections)]
        if pieces:
            yield from pieces
            return


def _values_in(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(strict=False), 0
    while found := re.compile(r"[\[{]").search(text, at):
        try:
            value, at = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            at = found.start() + 1
            continue
        yield value


def _tasks_in(value: Any, sections: Sections) -> Iterator[TaskText]:
    if isinstance(value, list):
        for one in value:
            yield from _tasks_in(one, sections)
    elif isinstance(value, dict):
        words = [
            (heading_in(f"### {str(key).replace('_', ' ').capitalize()}", p), one)
            for key, one in value.items()
            for p in sections.patterns[-1:]
        ]
        parts = {heading.title: one for heading, one in words if heading and not isinstance(one, dict | None)}
        parts |= {h.title: one for h, one in words if h and isinstance(one, dict) and {"code", "content"} & one.keys()}
        if len(parts) > 1:
            number = value.get("task") or value.get("number") or value.get("id")
            yield TaskText(
                "\n".join(_worded(t, p, sections) for t, p in parts.items()), number if type(number) is int else None
            )
            return
        for one in value.values():
            if isinstance(one, list | dict):
                yield from _tasks_in(one, sections)


def _worded(title: str, value: Any, sections: Sections) -> str:
    language = ""
    if isinstance(value, dict):
        language, value = str(value.get("language", "")), value.get("code", value.get("content"))
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    if title in sections.code and not _FENCE.fullmatch(text.strip()):
        fence = "`" * max(4, *(len(run) + 1 for run in re.findall(r"`+", text) or [""]))
        text = f"{fence}{language}\n{text}\n{fence}"
    return f"### {title.capitalize()}\n{text}"
