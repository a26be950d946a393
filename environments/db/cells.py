"""Values as they are compared: AgentBench's normalisation, with numbers read exactly. Linear in a value's length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

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
class Cell:
    """One value as it is compared."""

    text: str
    number: Decimal | None

    def __hash__(self) -> int:
        return hash(self.text)  # cheaper than a number's, and as good

    @cached_property
    def amount(self) -> Decimal | None:
        """The number that it says, with a currency before it or one unit after it."""
        return self.number if self.number is not None else _number_with_unit(self.text)


Row = tuple[Cell, ...]


def cell(value: Any) -> Cell:
    """Normalise a value: blanks, quotes, a trailing %, thousands commas; none, null and empty are 0."""
    text = nfc(" ".join(_written(value).split())).strip("'\"").strip()
    text = text[:-1].strip() if text.endswith("%") else text
    if text.lower() in _NOTHING:
        text = "0"
    return Cell(text.replace(",", ""), _number(text))


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


def is_same_cell(found: Cell, wanted: Cell) -> bool:
    """Compare a cell with the wanted one: as a number, within the tolerance, where that is one."""
    if wanted.number is None:
        return found.text == wanted.text
    return found.amount is not None and abs(found.amount - wanted.number) <= TOLERANCE
