"""Answers against rows and labels: AgentBench's normalisation and tolerance, with multisets and without `eval`.

An answer is read in every form that people give it (JSON, a Python literal, lines, commas); it is right where one
reading is. Comparison follows THUDM/AgentBench main, dbbench/result_processor.py: 1e-2 for numbers, quotes, trailing
% and thousands commas do not count, none = null = empty = 0. Deviations: rows are compared whole and as multisets, no
set where a value occurs twice, and columns may come in another order if it is the same for every row.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from environments.db.state import SqlValue

TOLERANCE = Decimal("0.01")
"""Absolute (dbbench/result_processor.py, `_float_equal`)."""
_MAX_ANSWER_CHARS = 100_000
_MAX_PERMUTATIONS = 720
_NOTHING = frozenset({"none", "null", "undefined", "nan", "inf", "infinity", "-inf", "-infinity", ""})
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?")
_WITH_UNIT = re.compile(rf"[$€£]?\s*({_NUMBER.pattern})\s*([A-Za-z°]*)\.?")
_MAGNITUDES = frozenset(
    ("k", "m", "b", "bn", "hundred", "thousand", "dozen", "million", "billion", "trillion", "th", "st", "nd", "rd")
)
_DECIMAL = re.compile(r"Decimal\((['\"])([^'\"]*)\1\)")
_BULLET = re.compile(r"\A\s*(?:[-*•]|\d+[.)])\s+")


@dataclass(frozen=True)
class Judgement:
    """Whether an answer is right, and why not."""

    passed: bool
    reason: str = ""
    """Stable code: no_answer, wrong_answer, wrong_order."""
    detail: str = ""


@dataclass(frozen=True)
class Cell:
    """One value as it is compared."""

    text: str
    number: Decimal | None


Row = tuple[Cell, ...]


def judge_rows(
    answer: str | None, expected: Sequence[Sequence[SqlValue]], ordered: bool, fixed: bool = False
) -> Judgement:
    """Compare an answer with a query's rows; their order counts where `ordered`, that of columns where `fixed`."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted = [tuple(_cell(value) for value in row) for row in expected]
    readings = list(_readings(answer, len(wanted[0]) if wanted else 1))
    if any(_same_rows(rows, wanted, ordered, fixed) for rows in readings):
        return Judgement(True)
    if ordered and any(_same_rows(rows, wanted, False, fixed) for rows in readings):
        return Judgement(False, "wrong_order", "the right rows in another order than the question asks for")
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {_shown(expected)}")


def judge_label(answer: str | None, expected: Sequence[str]) -> Judgement:
    """Compare an answer with AgentBench's label: numbers as a multiset, anything else as a set."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted = [(_cell(value),) for value in expected]
    for rows in _readings(answer, 1):
        if _same_rows(rows, wanted, False) or _same_set(rows, wanted):
            return Judgement(True)
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {list(expected)!r}"[:600])


def answer_of(rows: Sequence[Sequence[SqlValue]]) -> str:
    """Word rows as an answer: a JSON list with one item a row, a list where a row has several values."""
    plain = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in rows]
    items = [row[0] if len(row) == 1 else row for row in plain]
    return json.dumps(items, ensure_ascii=False, default=str)


def _readings(answer: str, width: int) -> Iterator[list[Row]]:
    """Yield what the answer may mean, as rows of cells; the whole text first."""
    text = answer.strip()[:_MAX_ANSWER_CHARS]
    for part in dict.fromkeys((text, text.partition("\n")[0].strip(), text.strip("`").strip())):
        value = _literal(part)
        if isinstance(value, (list, tuple, dict)):
            yield from _structured(value, width)
        if not part.startswith(("[", "(", "{")):  # `1,174` is a number too, not only a Python tuple
            yield from _bare(part, width)


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        # MySQL drivers print exact numbers as Decimal('59.6'); agents copy that (agenttuning.md 2.3).
        return ast.literal_eval(_DECIMAL.sub(r"'\2'", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _structured(value: Any, width: int) -> Iterator[list[Row]]:
    items = list(value.values()) if isinstance(value, dict) else list(value)
    rows = [_row(item) for item in items]
    yield rows
    if width > 1 and all(len(row) == 1 for row in rows):
        yield [tuple(cell for row in rows for cell in row)]
        yield [tuple(_cell(part) for part in row[0].text.split(",")) for row in rows]


def _row(item: Any) -> Row:
    values = list(item.values()) if isinstance(item, dict) else item
    return tuple(map(_cell, values)) if isinstance(values, (list, tuple)) else (_cell(values),)


def _bare(text: str, width: int) -> Iterator[list[Row]]:
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    if width == 1:
        yield [(_cell(text),)]
        yield [(_cell(line),) for line in lines]
        for separator in (";", ","):
            yield [(_cell(part),) for part in text.replace("\n", separator).split(separator) if part.strip()]
        return
    for separator in ("|", "\t", ";", ","):
        yield [tuple(_cell(part) for part in line.strip("|()[] ").split(separator)) for line in lines]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, (bool, int, float, Decimal)):
        text = "0" if value is None else str(int(value)) if isinstance(value, bool) else str(value)
    else:
        text = value.hex() if isinstance(value, bytes) else str(value)
    text = unicodedata.normalize("NFC", " ".join(text.split())).strip("'\"").strip()
    text = text[:-1].strip() if text.endswith("%") else text
    if text.lower() in _NOTHING:
        text = "0"
    return Cell(text.replace(",", ""), _number(text))


def _number(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


def _same_cell(found: Cell, wanted: Cell) -> bool:
    if wanted.number is None:
        return found.text == wanted.text
    number = found.number if found.number is not None else _number_with_unit(found.text)
    return number is not None and abs(number - wanted.number) <= TOLERANCE


def _number_with_unit(text: str) -> Decimal | None:
    """Read `220 files` or `$5` as its number; a word that changes the number is not a unit."""
    match = _WITH_UNIT.fullmatch(text)
    return None if match is None or match[2].lower() in _MAGNITUDES else _number(match[1])


def _same_rows(found: Sequence[Row], wanted: Sequence[Row], ordered: bool, fixed: bool = False) -> bool:
    if len(found) != len(wanted) or any(len(a) != len(b) for a, b in zip(found, wanted, strict=True)):
        return False
    given = tuple(range(len(wanted[0]) if wanted else 0))
    for order in [given] if fixed else _column_orders(found, wanted):
        turned = [tuple(row[i] for i in order) for row in found]
        if _paired(turned, wanted) if ordered else _matched(turned, wanted):
            return True
    return False


def _column_orders(found: Sequence[Row], wanted: Sequence[Row]) -> Iterator[tuple[int, ...]]:
    """Yield orders of the found columns in which each holds the values of the wanted one, the given order first."""
    width = len(wanted[0]) if wanted else 0
    fits = [
        [j for j in range(width) if _matched([(row[j],) for row in found], [(row[i],) for row in wanted])]
        for i in range(width)
    ]
    for number, order in enumerate(_choices(fits, ())):
        if number >= _MAX_PERMUTATIONS:
            return
        yield order


def _choices(fits: Sequence[Sequence[int]], taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(taken) == len(fits):
        yield taken
        return
    place = len(taken)
    for column in sorted(fits[place], key=lambda j: j != place):
        if column not in taken:
            yield from _choices(fits, (*taken, column))


def _paired(found: Sequence[Row], wanted: Sequence[Row]) -> bool:
    return all(_same_row(a, b) for a, b in zip(found, wanted, strict=True))


def _matched(found: Sequence[Row], wanted: Sequence[Row]) -> bool:
    """Whether the rows pair off as multisets: equal ones first, the rest within the tolerance."""
    left = Counter(found)
    rest = []
    for row in wanted:
        if left[row] > 0:
            left[row] -= 1
        else:
            rest.append(row)
    spare = list(left.elements())
    for row in rest:
        partner = next((i for i, other in enumerate(spare) if _same_row(other, row)), None)
        if partner is None:
            return False
        spare.pop(partner)
    return not spare


def _same_row(found: Row, wanted: Row) -> bool:
    return all(_same_cell(a, b) for a, b in zip(found, wanted, strict=True))


def _same_set(found: Sequence[Row], wanted: Sequence[Row]) -> bool:
    if any(len(row) != 1 for row in found) or all(row[0].number is not None for row in wanted):
        return False
    return {row[0].text for row in found} == {row[0].text for row in wanted}


def _shown(rows: Sequence[Sequence[SqlValue]]) -> str:
    text = repr([tuple(row) for row in rows])
    return text if len(text) <= 300 else text[:300] + "..."
