"""Whether a backfilled thought says what could not be known at its turn.

A number of two digits or more, a quoted string or four words in a row that stand in what was still hidden (a later
observation, a later action, the expected answer) but not in what was visible, and any word about a reference or a
given answer, refuse the thought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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


def find_leak(thought: str, visible: Sequence[str], action: str, hidden: Sequence[str]) -> str | None:
    """Return what leaks, in words, or None.

    Args:
        thought: the backfilled thought.
        visible: every text that the agent had seen before this turn's action.
        action: this turn's action.
        hidden: later observations, later actions and the expected answer.
    """
    seen, unseen = _Text([*visible, action]), _Text(hidden)
    for spoken in _REFERENCE.finditer(thought):
        if not seen.has_phrase(spoken.group(0)):  # a task may well be about an answer key
            return f"speaks of a reference or given answer: {spoken.group(0)!r}"
    for number in _numbers(thought):
        if unseen.has_number(number) and not seen.has_number(number):
            return f"the number {number} was not visible yet"
    for quoted in _quotes(thought):
        if unseen.has_phrase(quoted) and not seen.has_phrase(quoted):
            return f"the quoted text {quoted!r} was not visible yet"
    early = (_rows(thought) & unseen.rows) - seen.rows
    return f"the words {' '.join(min(early))!r} were not visible yet" if early else None


class _Text:
    """Texts prepared for the three questions."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._numbers = {number for text in texts for number in _all_numbers(text)}
        self._text = "\n".join(" ".join(text.lower().split()) for text in texts)
        self.rows = set().union(*(_rows(text) for text in texts)) if texts else set()

    def has_number(self, number: str) -> bool:
        return number in self._numbers

    def has_phrase(self, phrase: str) -> bool:
        wanted = re.escape(" ".join(phrase.lower().split()))
        return re.search(rf"(?<!\w){wanted}(?!\w)", self._text) is not None


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
    """Yield what stands in quotes, without the punctuation that ends a quoted sentence."""
    for match in _QUOTED.finditer(text):
        quoted = next(group for group in match.groups() if group is not None).strip().rstrip(".,;:!?")
        if _WORD.search(quoted):
            yield quoted


def _rows(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + _WORDS_IN_A_ROW]) for i in range(len(words) - _WORDS_IN_A_ROW + 1)}
