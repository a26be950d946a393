"""Answers against rows and labels: AgentBench's normalisation and tolerance, with multisets and without `eval`.

An answer is read in every form that people give it (JSON, a Python literal, lines, commas); it is right where one
reading is. Comparison follows THUDM/AgentBench main, dbbench/result_processor.py: 1e-2 for numbers, quotes, trailing
% and thousands commas do not count, none = null = empty = 0. Deviations: rows are compared whole and as multisets, no
set where a value occurs twice, and columns may come in another order if it is the same for every row.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from environments.db.cells import Row, cell
from environments.db.matching import Steps, has_same_rows
from environments.db.state import SqlValue, is_composable

_Judged = TypeVar("_Judged")
_AT_ONCE = 1000
"""Characters of an answer and cells of a result up to which they are compared on the event loop: a few milliseconds
on one core, where a thread costs a fifth of one."""
_MAX_ANSWER_CHARS = 100_000
_MAX_DEPTH = 32
"""Of lists in lists: a row holds values, and deeper ones only make their text long."""
_DECIMAL = re.compile(r"Decimal\((['\"])([^'\"]*)\1\)")
_BULLET = re.compile(r"\A\s*(?:[-*•]|\d+[.)])\s+")
_VALUE = re.compile(r"[\[{(`\"]|\d|\b(?:or|either|alternatively|otherwise|maybe|perhaps|possibly)\b", re.IGNORECASE)
"""What a second answer has: a literal, a quoted value, a number, a word that offers another."""
_PROSE_WORDS = 3


@dataclass(frozen=True)
class Judgement:
    """Whether an answer is right, and why not."""

    passed: bool
    reason: str = ""
    """Stable code: no_answer, wrong_answer, wrong_order."""
    detail: str = ""


def judge_rows(
    answer: str | None, expected: Sequence[Sequence[SqlValue]], ordered: bool, fixed: bool = False
) -> Judgement:
    """Compare an answer with a query's rows; their order counts where `ordered`, that of columns where `fixed`."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted, steps = [tuple(map(cell, row)) for row in expected], Steps()
    readings = list(_readings(answer, len(wanted[0]) if wanted else 1))
    if any(has_same_rows(rows, wanted, steps, ordered=ordered, fixed=fixed) for rows in readings):
        return Judgement(True)
    if ordered and any(has_same_rows(rows, wanted, steps, ordered=False, fixed=fixed) for rows in readings):
        return Judgement(False, "wrong_order", "the right rows in another order than the question asks for")
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {_shown(expected)}")


def judge_label(answer: str | None, expected: Sequence[str]) -> Judgement:
    """Compare an answer with AgentBench's label: numbers as a multiset, anything else as a set."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted, steps = [(cell(value),) for value in expected], Steps()
    for rows in _readings(answer, 1):
        if has_same_rows(rows, wanted, steps, ordered=False) or _same_set(rows, wanted):
            return Judgement(True)
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {list(expected)!r}"[:600])


async def judge_aside(
    judge: Callable[..., _Judged], subject: Any, expected: Sequence[Sequence[SqlValue]], *how: Any
) -> _Judged:
    """Return `judge(subject, expected, *how)`; where there is much to compare other episodes go on meanwhile."""
    size = sum(map(len, expected)) + (len(subject) if isinstance(subject, str) else 0)
    if size <= _AT_ONCE:
        return judge(subject, expected, *how)
    return await asyncio.to_thread(judge, subject, expected, *how)


def answer_of(rows: Sequence[Sequence[SqlValue]]) -> str:
    """Word rows as an answer: a JSON list with one item a row, a list where a row has several values."""
    plain = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in rows]
    items = [row[0] if len(row) == 1 else row for row in plain]
    return json.dumps(items, ensure_ascii=False, default=str)


def _readings(answer: str, width: int) -> Iterator[list[Row]]:
    """Yield what the answer may mean, as rows of cells; the whole text first."""
    text = answer.strip()[:_MAX_ANSWER_CHARS]
    for part in dict.fromkeys((text, *_first_line(text), text.strip("`").strip())):
        value = _literal(part)
        if isinstance(value, (list, tuple, dict)):
            yield from _structured(value, width)
        if not part.startswith(("[", "(", "{")):  # `1,174` is a number too, not only a Python tuple
            yield from _bare(part, width)


def _first_line(text: str) -> tuple[str, ...]:
    """Return the first line where what follows is prose: with a second answer in it, there is not one answer."""
    first, _, rest = text.partition("\n")
    lines = [line for line in rest.splitlines() if line.strip()]
    is_prose = all(len(line.split()) >= _PROSE_WORDS and not _VALUE.search(line) for line in lines)
    return (first.strip(),) if is_prose else ()


def _literal(text: str) -> Any:
    value = _parsed(text)
    return value if _is_shallow(value) else None


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = [one for one in level if isinstance(one, (list, tuple, dict, set))]
        level = [inner for one in nested for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return True
    return False


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if not is_composable(text):
        return None  # Python's own parser composes names
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
        yield [tuple(one for row in rows for one in row)]


def _row(item: Any) -> Row:
    values = list(item.values()) if isinstance(item, dict) else item
    return tuple(map(cell, values)) if isinstance(values, (list, tuple)) else (cell(values),)


def _bare(text: str, width: int) -> Iterator[list[Row]]:
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    if width == 1:
        yield [(cell(text),)]
        yield [(cell(line),) for line in lines]
        for separator in (";", ","):
            yield [(cell(part),) for part in text.replace("\n", separator).split(separator) if part.strip()]
        return
    for separator in ("|", "\t", ";", ","):
        yield [tuple(cell(part) for part in line.strip("|()[] ").split(separator)) for line in lines]


def _same_set(found: Sequence[Row], wanted: Sequence[Row]) -> bool:
    if any(len(row) != 1 for row in found) or all(row[0].number is not None for row in wanted):
        return False
    return {row[0].text for row in found} == {row[0].text for row in wanted}


def _shown(rows: Sequence[Sequence[SqlValue]]) -> str:
    text = repr([tuple(row) for row in rows])
    return text if len(text) <= 300 else text[:300] + "..."
