"""Whether two answers to a question are the same, by the judge of values: one of them stands for the right rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from environments.db.answers import readings
from environments.db.cells import Named
from environments.db.check import run_reference
from environments.db.engine import SqlEngine
from environments.db.judge import Told, judge_aside, judge_rows
from environments.db.state import SqlValue
from schemas.task_spec import TaskSpec

_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,15})|[-+]?[1-9]\d{0,2}(?:,\d{3})+")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9]\d{0,15})\.\d{1,15}")
_NULL_WORDS = ("null", "none", "nil", "n/a", "nan")
_MOST_READINGS = 12


async def is_same_answer(engine: SqlEngine, spec: TaskSpec, one: str, other: str) -> bool:
    """Compare two answers as if either were what the reference gives, order and columns included.

    Raises:
        CheckError: the reference, which says how many columns there are, does not run.
    """
    if one.strip() == other.strip():
        return True
    told, width, is_text = Told(distinct=spec.check.distinct), 1, False
    if spec.reference:
        database, result = await run_reference(engine, spec)
        await database.close()
        named = Named.by(spec.instruction, " ".join((spec.reference[-1].code, *result.columns)))
        told = Told(result.columns, named, distinct=spec.check.distinct)
        width = max(1, len(result.columns))
        is_text = bool(result.rows) and all(isinstance(value, str) for row in result.rows for value in row)
    how = (spec.check.ordered, spec.check.kind == "result", told)
    for wanted, found in ((one, other), (other, one)):
        for rows in _rows_of(wanted, width, is_text):
            judged = await judge_aside(judge_rows, found, rows, *how)
            if judged.passed:
                return True
    return False


def _rows_of(answer: str, width: int, is_text: bool) -> Iterator[Sequence[Sequence[SqlValue]]]:
    """Yield the rows that an answer may mean, their values by their kinds; text stays text where nothing else is."""
    for number, reading in enumerate(readings(answer, width)):
        if number == _MOST_READINGS:
            return
        if reading.rows and all(len(row) == width for row in reading.rows):
            yield [tuple(_typed(value, is_text) for value in row) for row in reading.rows]


def _typed(value: Any, is_text: bool) -> SqlValue:
    if isinstance(value, str):
        text = value.strip()
        if is_text:
            return None if text.lower() in _NULL_WORDS else text
        if _INTEGER.fullmatch(text):
            return int(text.replace(",", ""))
        if _FLOAT.fullmatch(text):
            return float(text)
        return None if text.lower() in _NULL_WORDS else text
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
