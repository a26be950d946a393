"""Whether a backfilled thought says what could not be known at its turn.

Two things were hidden: results (later observations, the answer) and plans (later commands and statements). A result
gives away what nobody can know; a plan is what a thought is for. A number, a name, a quoted text or four words in a row
of a result that were not visible refuse the thought, and a small number that is claimed to come out; so does any word
about a reference or a given answer. What a thought derives from what was visible is honest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")
_THOUSANDS = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])")
_QUOTED = re.compile(
    r"(?<!\w)'((?:[^'\n]|(?<=\w)'(?=\w))+?)'(?!\w)|\"([^\"\n]+?)\"|`([^`\n]+?)`|“([^”\n]+?)”|(?<!\w)‘([^’\n]+?)’(?!\w)"
)
_WORD = re.compile(r"[^\W_]+")
_GIVEN = r"(?:given|provided|supplied|handed|shown|told)"
_BEEN = r"(?:was|were|am|have been|has been|had been)"
_I_WAS = rf"\b(?:i|we)(?:\s+(?:already\s+)?{_BEEN}|'m|'ve been|'d been)(?:\s+already)?"
_THE = r"(?:(?:this|that|the|an?|my|its|correct|right|next|final|exact|full|whole|very)\s+)*"
_DEED = r"(?:solution|answer|action)s?\b"
_WORK = r"(?:solutions?|answers?|actions?|quer(?:y|ies)|sql|commands?)\b"
_FORM = r"(?!['’]?s?\s+(?:form|type|should|must|has to|have to|needs|is (?:an?|one|just|only)\b))"
_SPOKEN = (
    # by a name that only somebody who holds it would use
    rf"\b(?:reference|gold(?:en)?(?:[- ]standard)?|oracle|labell?ed|intended|demonstrated)\s+{_THE}{_WORK}",
    r"\b(?:reference|gold(?:en)?)\s+(?:output|result)s?\b|\bground[- ]truth\b|\b(?:answer|solution) key\b",
    rf"\b(?:model|hidden|official|target|suggested|recorded|known)\s+{_THE}{_DEED}",
    rf"\b(?:given|provided|supplied)\s+{_THE}(?:{_DEED}|quer(?:y|ies)\b|sql\b)(?!\s+(?:form|type))",
    rf"\bexpected\s+(?:solution|action)s?\b|\bexpected\s+answers?\b{_FORM}",
    # as something that was given
    rf"{_I_WAS}\s+{_GIVEN}\s+(?:with\s+)?{_THE}{_DEED}|{_I_WAS}\s+{_GIVEN}\s+(?:with\s+)?(?:the|this)\s+{_THE}{_WORK}",
    rf"\b{_DEED}\s+(?:(?:that|which)\s+)?(?:{_I_WAS}|{_BEEN})\s+(?:already\s+)?{_GIVEN}\b|\b{_WORK}\s+{_I_WAS}\s+{_GIVEN}\b",
    rf"\b{_BEEN}\s+{_GIVEN}\s+(?:to me\s+)?as\s+{_THE}{_DEED}",
    rf"\b{_DEED}\s+(?:(?:is|are)\s+)?(?:already\s+)?{_GIVEN}\b"
    r"(?!\s+(?:by|as|in|with|when|after|once|only|the|this|that|these|what|how|my)\b)",
    rf"\b{_DEED}\s+(?:(?:is|are)\s+)?{_GIVEN}\s+(?:by|in|with)\s+the\s+(?:task|prompt|instructions?)\b",
    rf"\b(?:told|instructed|informed)\s+that\s+{_THE}{_DEED}{_FORM}",
    r"\b(?:prompt|task|hint|instructions?)\s+(?:already\s+)?(?:gives?|tells?|says?|shows?|states?)\s+(?:me\s+|us\s+)?"
    rf"(?:that\s+)?the\s+{_THE}(?:solution|action)s?\b",
    r"\bactions?\s+(?:is|are)\s+(?:given|provided|shown)\b",
    r"\bnext action\s+(?:given|provided|shown|shows|says|listed)\b",
    r"\b(?:given|shown|seen|listed|stated|written)\s+(?:in|under|as|by)\s+the\s+next\s+action\b",
    # as something that speaks or leads
    r"\bthe\s+(?:reference|solution)\s+(?:says|states|shows|tells|uses|does|runs|gives|indicates|calls for)\b",
    r"\b(?:from|seen|saw|based on|according to|follow(?:s|ing)?|match(?:es|ing)?|reproduc(?:es?|ing)|per"
    r"|look(?:ed|ing)? at)\s+the\s+(?:(?:correct|right|known|final|full)\s+)?(?:reference|solution)\b"
    r"(?!\s+(?:manual|table|column|file|folder|directory|id|number|list))",
    r"\bpeek(?:ed|ing)?\s+at\s+the\s+answer\b|\bbackwards?\s+from\s+the\s+(?:\w+\s+)?(?:answer|solution|result)\b",
    r"\b(?:since|as|because)\s+the\s+(?:\w+\s+)?(?:answer|solution)\s+is\s+(?:already\s+)?known\b",
    r"\b(?:answer|solution|action)\b[^.]{0,40}\bin advance\b|\bin advance\b[^.]{0,40}\b(?:answer|solution|action)\b",
)
_REFERENCE = re.compile("|".join(_SPOKEN), re.IGNORECASE)
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
_AMOUNT = re.compile(r"\b(?:first|last|top|head|tail|limit)(?:\s+(?:of\s+)?|\s*-n\s*)\Z", re.IGNORECASE)
_ALONE = re.compile(r"[\W_]*(\d{1,2})[\W_]*(?:rows?\b.{0,20})?")
"""A result that is one small number, or says how many rows a statement touched."""
_VALUE = re.compile(r"[\W_]*([^\W\d_]{3,})[\W_]*")
_COUNTED = re.compile(r"^\s*\d+\s+([^\W\d_]{3,})\s*$|['\"]([^\W\d_]{3,})['\"], \d", re.MULTILINE)
_ROUGHLY = re.compile(r"\s+or so\b", re.IGNORECASE)
_ASSIGNED = re.compile(r"\b\w[\w.-]*\s*=\s*\S*\w")
_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
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
    for spoken in _REFERENCE.finditer(thought):
        if not seen.has_phrase(spoken.group(0)):  # a task may well be about an answer key
            return f"speaks of a reference or given answer: {spoken.group(0)!r}"
    for number in _numbers(thought):
        if unseen.has_number(number) and not seen.has_number(number) and not _is_derived(number, thought, seen):
            return f"the number {number} was not visible yet"
    for claimed in _claims(thought):
        if claimed in unseen.alone and not seen.has_standing(claimed):
            return f"the number {claimed} was not visible yet"
    for quoted in _quotes(thought):
        if unseen.has_phrase(quoted) and not seen.has_phrase(quoted):
            return f"the quoted text {quoted!r} was not visible yet"
    for name in (*_names(thought, unseen), *_values(thought, unseen)):
        if not seen.has_phrase(name):
            return f"the name {name!r} was not visible yet"
    planned = _Text(plans)
    early = (_rows(thought) & unseen.rows) - seen.rows - planned.rows
    early |= {row for row in _rows(thought, 3) & _rows(unseen.text, 3) if not any(map((seen + planned).has_word, row))}
    return f"the words {' '.join(min(early))!r} were not visible yet" if early else None


class _Text:
    """Texts prepared for the questions."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers = {number for text in texts for number in _all_numbers(text)}
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


def _is_derived(number: str, thought: str, seen: _Text) -> bool:
    """Whether a number follows from what was visible: an amount to look at, a date some days on, a sum worked out."""
    is_there = False
    for sentence in re.split(r"(?<=[.!?;])\s", thought):
        known = [one for one in _all_numbers(sentence) if seen.has_number(one)]
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


def _is_days_on(number: str, sentence: str, seen: _Text) -> bool:
    """Whether a number is of a date in the sentence that lies as many days from a visible one as the sentence says."""
    days = [_day(found) for found in _DATE.finditer(sentence)]
    told = {int(n) for n in re.findall(r"\b\d{1,4}\b", _DATE.sub("", sentence))} | {
        7 * int(n) for n in re.findall(r"\b(\d+) weeks", sentence)
    }
    known = [day for day, text in days if day and seen.has_phrase(text)]
    derived = [text for day, text in days if day and any(abs((day - other).days) in told for other in known)]
    return any(number in set(_all_numbers(text)) for text in derived)


def _day(found: re.Match[str]) -> tuple[date | None, str]:
    try:
        return date(int(found[1]), int(found[2]), int(found[3])), found[0]
    except ValueError:
        return None, found[0]


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


def _values(thought: str, unseen: _Text) -> Iterator[str]:
    """Yield what a thought has of the results' values, whatever their case."""
    said = {word.lower() for word in _WORD.findall(thought)}
    yield from said & unseen.values


def _numbers(text: str) -> Iterator[str]:
    """Yield the numbers of two digits or more; `1,174` is one number, `10,20` are two."""
    parts = {part for match in _THOUSANDS.finditer(text) for part in match.group(0).split(",")}
    return (n for n in _all_numbers(text) if sum(c.isdigit() for c in n) >= 2 and n not in parts)


def _all_numbers(text: str) -> Iterator[str]:
    """Yield numbers as they are meant (`1,174` = `1174`, `59.60` = `59.6`), and every run of digits."""
    for match in _NUMBER.finditer(text):
        plain = match.group(0).replace(",", "")
        yield plain.rstrip("0").rstrip(".") if "." in plain else plain
    yield from re.findall(r"\d+", text)


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
