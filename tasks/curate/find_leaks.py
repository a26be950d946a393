"""Whether a backfilled thought says what could not be known at its turn.

Two things were hidden: results (later observations, the answer) and plans (later commands and statements). A result
gives away what nobody can know; a plan is what a thought is for. A number, a name, a quoted text or four words in a row
of a result that were not visible refuse the thought, and a small number that is claimed to come out; so does any word
about a reference or a given answer. What a thought derives from what was visible is honest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks.curate.derivable import all_numbers, is_derived
from tasks.curate.given_answers import SPEAKS_OF_ONE

_THOUSANDS = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])")
_QUOTED = re.compile(
    r"(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w))+?)'(?!\w)|\"([^\"\n]+?)\"|`([^`\n]+?)`|“([^”\n]+?)”|(?<!\w)‘([^’\n]+?)’(?!\w)"
)
_WORD = re.compile(r"[^\W_]+")
_WORDS_IN_A_ROW = 4
_SMALL = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
} | {"thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18"}
_SPELLED = "|".join(_SMALL)
_CLAIMS = (
    r"\b(?:count|total|sum|number|answer|result|output)\b(?:\W+\w+){0,3}?\W+(?:is|be|was|of|comes to|to be|equals)\W+"
    rf"(?:exactly )?(?P<a>\d|{_SPELLED})\b(?!\s*\.\d)",
    r"\b(?:expect|returns?|gives?|prints?|shows?|yields?|holds?|contains?|finds?|counts?|changes?|answer"
    rf"|there (?:are|is|will be|must be|should be))\W+(?:exactly |about |the )?(?P<b>\d|{_SPELLED})\b",
    rf"(?:^|[.;:]\s+|\bthat )(?P<c>\d|{_SPELLED})\s+[a-z]+",
    r"(?:结果|答案|一共|共有|总共|应该)[是有为]?\s*(?P<d>\d)",
)
_CLAIM = tuple(re.compile(claim, re.IGNORECASE) for claim in _CLAIMS)
"""Sentences that say how much comes out: there a single digit gives something away, too."""
_ALONE = re.compile(r"[\W_]*(\d{1,2})[\W_]*(?:rows?\b.{0,20})?")
"""A result that is one small number, or says how many rows a statement touched."""
_VALUE = re.compile(r"[\W_]*([^\W\d_]{3,})[\W_]*")
_COUNTED = re.compile(r"^\s*\d+\s+([^\W\d_]{3,})\s*$|['\"]([^\W\d_]{3,})['\"], \d", re.MULTILINE)
_ASSIGNED = re.compile(r"\b\w[\w.-]*\s*=\s*\S*\w")
_NAME = re.compile(r"(?<![\w.@/-])(?=[^\s]*[\w])[\w@/.+-]*\w")
_SAID_BY_SYSTEMS = re.compile(
    r"no such file or directory|permission denied|command not found|no such (?:table|column)|syntax error"
    r"|is a directory|not a directory|invalid (?:option|argument)|cannot access|there is no|the output of the os",
    re.IGNORECASE,
)
_EVERYDAY = frozenset(
    {
        *("none", "null", "true", "false", "yes", "no", "done", "finish", "the", "and", "row", "rows", "line", "lines"),
        *("file", "files", "total", "bytes", "words", "error", "errors", "warning", "info", "debug", "open", "closed"),
        *("active", "inactive", "pending", "new", "old", "user", "users", "name", "names", "root", "first", "last"),
    }
)
"""Words that a thought may well have by itself, whatever a result says."""


def find_leak(
    thought: str, visible: Sequence[str], action: str, results: Sequence[str], plans: Sequence[str] = ()
) -> str | None:
    """Return what leaks, in words, or None.

    Args:
        thought: the backfilled thought.
        visible: every text that the agent had seen before this turn's action.
        action: this turn's action.
        results: later observations and the answer.
        plans: later commands and statements.
    """
    seen, unseen = _Text([*visible, action]), _Text([_SAID_BY_SYSTEMS.sub("|", text) for text in results])
    for spoken in SPEAKS_OF_ONE.finditer(thought):
        if not seen.has_phrase(spoken.group(0)):  # a task may well be about an answer key
            return f"speaks of a reference or given answer: {spoken.group(0)!r}"
    for number in _numbers(thought):
        if unseen.has_number(number) and not seen.has_number(number) and not is_derived(number, thought, seen):
            return f"the number {number} was not visible yet"
    for claimed in _claims(thought):
        if claimed in unseen.alone and not seen.has_standing(claimed):
            return f"the number {claimed} was not visible yet"
    for quoted in _quotes(thought):
        if unseen.has_phrase(quoted) and not seen.has_phrase(quoted):
            return f"the quoted text {quoted!r} was not visible yet"
    shown = {word.lower() for text in (*visible, action) for word in _WORD.findall(text)}
    for name in (*_names(thought, unseen), *sorted(_values(thought, unseen) - shown)):
        if not seen.has_phrase(name):
            return f"the name {name!r} was not visible yet"
    planned = _Text(plans)
    early = (_rows(thought) & unseen.rows) - seen.rows - planned.rows
    early |= {row for row in _rows(thought, 3) & _rows(unseen.text, 3) if not any(map((seen + planned).has_word, row))}
    return f"the words {' '.join(min(early))!r} were not visible yet" if early else None


class _Text:
    """Texts prepared for the questions."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers = {number for text in texts for number in all_numbers(text)}
        self._text = self.text = "\n".join(" ".join(text.lower().split()) for text in texts)
        self._texts = texts
        self.rows = set().union(*(_rows(text) for text in texts)) if texts else set()

    @property
    def cells(self) -> set[str]:
        """What stands alone in a row, list or line: whole values."""
        parts = (part for text in self._texts for part in re.split(r"[\[\](){},;|\n\t:=]|\s{2,}", text))
        return {part.strip().strip("'\"`*").lower() for part in parts} - {""}

    @property
    def alone(self) -> set[str]:
        """Small numbers that are all that a text says."""
        return {found[1] for text in self._texts if (found := _ALONE.fullmatch(text.strip()))}

    @property
    def words(self) -> set[str]:
        """Words and names as they are written."""
        found = {name[0] for text in self._texts for name in _NAME.finditer(text)}
        return found | {part for name in found for part in name.split("/") if part}

    def __add__(self, other: _Text) -> _Text:
        return _Text([*self._texts, *other._texts])

    @property
    def values(self) -> set[str]:
        """Words that are all that a text says, or that stand beside a number alone: `5 li`, `('li', 5)`."""
        alone = {found[1] for text in self._texts if (found := _VALUE.fullmatch(text.strip()))}
        counted = {name for text in self._texts for pair in _COUNTED.findall(text) for name in pair if name}
        return {value.lower() for value in alone | counted if value.lower() not in _EVERYDAY}

    def has_word(self, word: str) -> bool:
        return len(word) < 4 or re.search(rf"\b{re.escape(word)}\b", self._text) is not None

    def has_number(self, number: str) -> bool:
        return number in self._numbers

    def has_standing(self, number: str) -> bool:
        """Whether a number stands by itself, not within a date, an address or a name."""
        return re.search(rf"(?<![\w./:-]){number}(?![\w/:-]|\.\d)", self._text) is not None

    def has_phrase(self, phrase: str) -> bool:
        wanted = re.escape(" ".join(phrase.lower().split()))
        return re.search(rf"(?<!\w){wanted}(?!\w)", self._text) is not None


def _claims(thought: str) -> Iterator[str]:
    """Yield the small numbers that a thought says come out."""
    for claim in _CLAIM:
        for found in claim.finditer(thought):
            word = next(text for text in found.groupdict().values() if text).lower()
            if word not in ("1", "one"):  # one row is what a thought speaks of anyway
                yield _SMALL.get(word, word)


def _names(thought: str, unseen: _Text) -> Iterator[str]:
    """Yield names of results that a thought has: written with a capital within a sentence, with signs in them, or whole
    values of the results of two words and more."""
    words, cells = unseen.words, unseen.cells
    for found in _NAME.finditer(thought):
        name, before = found[0], thought[: found.start()].rstrip(" *_\"'“`(")
        has_signs = re.search(r"[\d_@/]|\w[.-]\w", name) and re.search(r"[^\W\d]", name)
        is_name = has_signs or (name[0].isupper() and len(name) > 2 and not name.isupper())
        if is_name and not has_signs and (not before or before[-1] in ".!?:\n"):  # any word begins a sentence so
            is_name = name.lower() not in words and any(cell.split()[0] == name.lower() for cell in cells)
        if is_name and name in words and name.lower() not in _EVERYDAY:
            yield name
    said = thought.lower()
    whole = (cell for cell in cells if 2 <= len(re.findall(r"[^\W\d_]{2,}", cell)) <= 5)
    yield from (cell for cell in whole if re.search(rf"(?<!\w){re.escape(cell)}(?!\w)", said))


def _values(thought: str, unseen: _Text) -> set[str]:
    """Return what a thought has of the results' values, whatever their case."""
    return {word.lower() for word in _WORD.findall(thought)} & unseen.values


def _numbers(text: str) -> Iterator[str]:
    """Yield the numbers of two digits or more; `1,174` is one number, `10,20` are two."""
    parts = {part for match in _THOUSANDS.finditer(text) for part in match.group(0).split(",")}
    return (n for n in all_numbers(text) if sum(c.isdigit() for c in n) >= 2 and n not in parts)


def _quotes(text: str) -> Iterator[str]:
    """Yield what stands in quotes, without the punctuation that ends a quoted sentence, and what is `set = so`."""
    yield from (found[0] for found in _ASSIGNED.finditer(text))
    for match in _QUOTED.finditer(text):
        quoted = next(group for group in match.groups() if group is not None).strip().rstrip(".,;:!?")
        if _WORD.search(quoted):
            yield quoted


def _rows(text: str, length: int = _WORDS_IN_A_ROW) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}
