"""AgentBench's labels: its normalisation and tolerance, for its own label checks and for nothing else.

THUDM/AgentBench main, dbbench/result_processor.py: 1e-2 for numbers; quotes, a trailing % and thousands commas do not
count; none = null = empty = 0. Deviation: no set where a value occurs twice and all are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from environments.db.answers import plain_readings
from environments.db.judgement import Judgement
from environments.db.matching import Steps, has_same_rows
from environments.db.state import nfc

TOLERANCE = Decimal("0.01")
"""Absolute (dbbench/result_processor.py, `_float_equal`)."""
_MAX_BITS = 14_000
"""Of a whole number that is written out: Python refuses longer ones (4,300 digits), and nobody asks for one."""
_NOTHING = frozenset({"none", "null", "undefined", "nan", "inf", "infinity", "-inf", "-infinity", ""})
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_WITH_UNIT = re.compile(rf"[$€£]?\s*({_NUMBER.pattern})\s*([A-Za-z°]*)\.?")
_MAGNITUDES = frozenset(
    ("k", "m", "b", "bn", "hundred", "thousand", "dozen", "million", "billion", "trillion", "th", "st", "nd", "rd")
)


@dataclass(frozen=True)
class LabelCell:
    """One value as AgentBench compares it."""

    key: str
    number: Decimal | None

    def __hash__(self) -> int:
        return hash(self.key)  # cheaper than a number's, and as good

    @property
    def loose(self) -> str:
        return self.key

    @cached_property
    def amounts(self) -> tuple[Decimal, ...]:
        """The number that it says, with a currency before it or one unit after it."""
        said = self.number if self.number is not None else _number_with_unit(self.key)
        return () if said is None else (said,)

    @property
    def span(self) -> tuple[Decimal, Decimal] | None:
        if self.number is None:
            return None
        return self.number - 2 * TOLERANCE, self.number + 2 * TOLERANCE  # wider: a difference is rounded to 28 digits

    def is_right(self, found: LabelCell) -> bool:
        """Compare a found cell with this one: as a number, within the tolerance, where this is one."""
        if self.number is None:
            return found.key == self.key
        return any(abs(amount - self.number) <= TOLERANCE for amount in found.amounts)


def label_cell(value: Any) -> LabelCell:
    """Normalise a value: blanks, quotes, a trailing %, thousands commas; none, null and empty are 0."""
    text = nfc(" ".join(_written(value).split())).strip("'\"").strip()
    text = text[:-1].strip() if text.endswith("%") else text
    if text.lower() in _NOTHING:
        text = "0"
    return LabelCell(text.replace(",", ""), _number(text))


def judge_label(answer: str | None, expected: Sequence[str]) -> Judgement:
    """Compare an answer with AgentBench's label: numbers as a multiset, anything else as a set."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted, steps = [(label_cell(value),) for value in expected], Steps()
    for rows in _label_rows(answer):
        if has_same_rows(rows, wanted, steps) or _same_set(rows, wanted):
            return Judgement(True)
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {list(expected)!r}"[:600])


def _label_rows(answer: str) -> Iterator[list[tuple[LabelCell, ...]]]:
    for reading in plain_readings(answer, 1, parse_float=float):
        yield [tuple(map(label_cell, row)) for row in reading.rows]


def _same_set(found: Sequence[tuple[LabelCell, ...]], wanted: Sequence[tuple[LabelCell, ...]]) -> bool:
    if any(len(row) != 1 for row in found) or all(row[0].number is not None for row in wanted):
        return False
    return {row[0].key for row in found} == {row[0].key for row in wanted}


def _written(value: Any) -> str:
    if value is None:
        return "0"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"a number of {value.bit_length()} bits"
    return value.hex() if isinstance(value, bytes) else str(value)


def _number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _number_with_unit(text: str) -> Decimal | None:
    """Read `220 files` or `$5` as its number; a word that changes the number is not a unit."""
    match = _WITH_UNIT.fullmatch(text)
    return None if match is None or match[2].lower() in _MAGNITUDES else _number(match[1])
