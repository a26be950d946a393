"""Values as they are compared: the right one's kind says how (docs/databases.md, "Which answers are right").

One function a kind: text, count, number, NULL, moment, yes or no. A found value keeps every number that it may say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

from environments.db.answers import Written
from environments.db.measures import MEASURES
from environments.db.state import SqlValue, nfc

_MAX_BITS = 14_000
"""Of a whole number that is written out: Python refuses longer ones (4,300 digits), and nobody asks for one."""
_NOISE = Decimal("1e-9")
"""Relative: what two engines, or two orders of adding up, make of one double."""
_DIGITS_OF_FOUND = (4, 3, 2)
"""Digits that a rounded number must have with no decimal, one, or more: 1234568, 33.3, 0.33; not 33 for 33.3."""
_DIGITS_OF_WANTED = (4, 3, 1)
"""The gold's own: its ROUND(x, 2) is 0.04 of what an answer gives as 0.0412."""
_NULL = "\0null"
_NULL_WORDS = frozenset(("null", "none", "nil", "n/a", "na", "nan", "undefined", "not available", ""))
_TRUTH = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‐‑‒–—―−", "-") | {"…": "..."}
)
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_NUMBER = re.compile(rf"[-+]?(?:{_DIGITS})(?:[eE][-+]?\d{{1,3}})?")
_MEASURED = re.compile(rf"([-+]?)([$€£]?)\s?({_NUMBER.pattern})\s?([%€£]|[A-Za-z°]+)?\.?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::(\d\d(?:\.\d*)?))?(?:Z|\+00:00)?)?")
_WORD = re.compile(r"[^\W\d_]+|[$€£%]")
_MONEY = frozenset(("price", "cost", "fee", "money", "revenue", "salary", "wage", "budget", "amount", "income", "paid"))
_AS_PERCENT = re.compile(r"\*\s*100(?:\.0*)?\b|\b100(?:\.0*)?\s*\*")


@dataclass(frozen=True)
class Named:
    """What question and gold name: only such units may stand beside a number."""

    words: frozenset[str] = frozenset()
    is_percent: bool = False
    """The gold counts in hundredths: its number is of percent already."""

    @classmethod
    def by(cls, question: str = "", gold: str = "") -> Named:
        """Read the words of a question, and of its gold query with its columns."""
        words = {_meant(word) for word in _WORD.findall(f"{question} {gold}".lower())}
        of_gold = {_meant(word) for word in _WORD.findall(gold.lower())}
        return cls(frozenset(words), "percent" in of_gold or bool(_AS_PERCENT.search(gold)))

    def has(self, unit: str) -> bool:
        """Whether a unit is named, in this or another word for it; a currency where money is spoken of, too."""
        meant = _meant(unit.lower())
        return meant in self.words or (unit in ("$", "€", "£") and not self._money and bool(_MONEY & self.words))

    @property
    def _money(self) -> frozenset[str]:
        return self.words & {"dollar", "euro", "pound"}


def _meant(word: str) -> str:
    return MEASURES.get(word, word[:-1] if len(word) > 3 and word.endswith("s") else word)


@dataclass(frozen=True)
class Cell:
    """One value: two of one `key` are the same, others where the wanted one's `judge` says so."""

    key: str
    value: Decimal | None = field(default=None, compare=False)
    """The wanted number."""
    says: tuple[Decimal, ...] = field(default=(), compare=False)
    """The numbers that a found value says, be its unit none or one that was named."""
    percent: Decimal | None = field(default=None, compare=False)
    """The number before its percent sign."""
    is_bare: bool = field(default=False, compare=False)
    """Words of a text, not a value of a list."""
    judge: Callable[[Cell, Cell], bool] | None = field(default=None, compare=False)

    def is_right(self, found: Cell) -> bool:
        """Compare a found cell with this wanted one."""
        return found.key == self.key or (self.judge is not None and self.judge(found, self))

    @cached_property
    def loose(self) -> str:
        """What the keys of all cells have in common that may be the same, numbers apart."""
        if self.key == _NULL or self.key.lower() in _NULL_WORDS:
            return _NULL
        moment = _moment(self.key)
        return moment or _TRUTH.get(self.key.lower()) or _unquoted(self.key)

    @cached_property
    def amounts(self) -> tuple[Decimal, ...]:
        """All numbers that a found value may be the same as."""
        said = () if self.percent is None else (self.percent, self.percent.scaleb(-2))
        truth = _truth(self.key)
        return (*self.says, *said, *(() if truth is None else (Decimal(int(truth == "yes")),)))

    @property
    def span(self) -> tuple[Decimal, Decimal] | None:
        """Between which numbers a found one must be; None where the wanted one is no number."""
        if self.value is None:
            return None
        far = max(abs(self.value) * Decimal("0.06"), _half_unit(max(2, _decimals(self.value))))
        return self.value - far, self.value + far


Row = tuple[Cell, ...]


def found_cell(value: Any, named: Named = Named()) -> Cell:
    """Read a value of an answer."""
    if value is None:
        return Cell(_NULL)
    if isinstance(value, bool):
        return Cell(str(value).lower())
    text = plain_text(value)
    percent, says = _numbers(_unquoted(text), named)
    is_bare = isinstance(value, str) and not isinstance(value, Written)
    return Cell(text, says=says, percent=percent, is_bare=is_bare)


def wanted_cell(value: SqlValue, named: Named = Named()) -> Cell:
    """Read a value of the right rows; its kind says how found ones are compared with it."""
    if value is None:
        return Cell(_NULL, judge=is_null)
    if isinstance(value, bool):
        return Cell(str(value).lower(), judge=is_same_truth)
    if isinstance(value, int) and value.bit_length() <= _MAX_BITS:
        return Cell(str(value), Decimal(value), judge=is_same_count)
    if isinstance(value, (float, Decimal)):
        return _wanted_number(value, named)
    text = plain_text(value)
    if isinstance(value, date) or _moment(text):
        return Cell(text, judge=is_same_moment)
    return Cell(text, judge=is_same_truth if text.lower() in _TRUTH else is_same_text)


def _wanted_number(value: float | Decimal, named: Named) -> Cell:
    number = Decimal(str(value))
    if not number.is_finite():
        return Cell(str(value).lower(), judge=is_same_text)
    if isinstance(value, Decimal) and number == number.to_integral_value() and number.as_tuple().exponent == 0:
        return Cell(str(value), number, judge=is_same_count)
    plain = number.normalize()
    key = format(plain, "f") if abs(plain.adjusted()) < 40 else str(plain)
    return Cell(key, plain, judge=is_same_percent if named.is_percent else is_same_number)


def plain_text(value: Any) -> str:
    """Write a value with single blanks, straight quotes and plain dashes."""
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        return f"a number of {value.bit_length()} bits"
    text = value.hex() if isinstance(value, bytes) else _iso(value) if isinstance(value, date) else str(value)
    return nfc(" ".join(text.split())).translate(_TYPOGRAPHIC)


def _iso(value: date) -> str:
    return str(value)  # `2020-01-31 10:00:00`


def is_same_text(found: Cell, wanted: Cell) -> bool:
    """Text is exact, but for quotes around it and a full stop that ends an answer's words."""
    said = _unquoted(found.key)
    return wanted.key in (said, said[:-1] if found.is_bare and said.endswith(".") else said)


def is_same_count(found: Cell, wanted: Cell) -> bool:
    """Whole numbers are exact: 14, 14.0, 1,174; yes and no are 1 and 0."""
    said = _truth(found.key)
    if said and wanted.key in ("0", "1"):
        return said == ("no", "yes")[int(wanted.key)]
    return wanted.value in found.says


def is_same_number(found: Cell, wanted: Cell) -> bool:
    """Other numbers agree where one of them is the other one, rounded; `25%` is 0.25, and 25 of what is above 1."""
    assert wanted.value is not None
    says = found.says
    if found.percent is not None:
        above = (found.percent,) if abs(wanted.value) > 1 else ()
        says = (*says, found.percent.scaleb(-2), *above)
    return any(is_near(amount, wanted.value) for amount in says)


def is_same_percent(found: Cell, wanted: Cell) -> bool:
    """A number of percent: with its sign, or without."""
    assert wanted.value is not None
    says = found.says if found.percent is None else (found.percent,)
    return any(is_near(amount, wanted.value) for amount in says)


def is_null(found: Cell, wanted: Cell) -> bool:
    """NULL by one of its names: never 0, and nothing said is no name."""
    return found.key != "" and _unquoted(found.key).rstrip(".").lower() in _NULL_WORDS - {""}


def is_same_moment(found: Cell, wanted: Cell) -> bool:
    """Dates and times agree with or without the T, the seconds and the midnight."""
    return _moment(_unquoted(found.key).rstrip(".")) == _moment(wanted.key)


def is_same_truth(found: Cell, wanted: Cell) -> bool:
    """Yes and no, true and false, in any case."""
    return _truth(found.key) == _TRUTH[wanted.key.lower()]


def is_near(found: Decimal, wanted: Decimal) -> bool:
    """Whether two numbers are the same but for noise, or the one is the other one rounded."""
    if found == wanted or abs(found - wanted) <= abs(wanted) * _NOISE:
        return True
    is_found_coarse = _decimals(found) < _decimals(wanted)
    coarse, fine = (found, wanted) if is_found_coarse else (wanted, found)
    if coarse == 0 or _decimals(coarse) == _decimals(fine):
        return False
    least = _DIGITS_OF_FOUND if is_found_coarse else _DIGITS_OF_WANTED
    # 8.3 may be 8.30: what drops a zero is rounded to two decimals all the same.
    return any(_rounds_to(fine, coarse, places, least) for places in {_decimals(coarse), max(2, _decimals(coarse))})


def _rounds_to(fine: Decimal, coarse: Decimal, places: int, least: Sequence[int]) -> bool:
    """Whether `fine` rounds to `coarse` at so many decimals, either way in the middle, with digits enough to tell."""
    digits = abs(coarse).adjusted() + 1 + places
    return digits >= least[min(places, 2)] and abs(fine - coarse) <= _half_unit(places) * (1 + _NOISE)


def _half_unit(places: int) -> Decimal:
    return Decimal((0, (5,), -places - 1))


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _numbers(text: str, named: Named) -> tuple[Decimal | None, tuple[Decimal, ...]]:
    """Return the number before a percent sign, and the numbers that a text may say, with a unit that is named."""
    match = _MEASURED.fullmatch(text)
    if match is None:
        return None, ()
    sign, before, digits, after = match[1], match[2], match[3], match[4] or ""
    if (sign and digits[0] in "+-") or (before and after in ("€", "£", "%")):
        return None, ()
    number = _decimal(sign + digits)
    if number is None:
        return None, ()
    if _meant(after.lower()) == "percent":
        return number, (number,) if named.is_percent or (
            named.has("%") and number == number.to_integral_value()
        ) else ()
    units = [unit for unit in (before, after) if unit]
    return None, (number,) if all(map(named.has, units)) else ()


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _truth(text: str) -> str | None:
    return _TRUTH.get(_unquoted(text).rstrip(".").lower())


def _moment(text: str) -> str | None:
    """Write a date, or a date and a time, in the one way in which they are compared."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    day, minute, seconds = match[1], match[2] or "00:00", (match[3] or "00").rstrip(".")
    seconds = seconds.rstrip("0").rstrip(".") if "." in seconds else seconds
    return day if (minute, seconds) == ("00:00", "00") else f"{day} {minute}:{seconds}"
