"""Answers against the right rows: as multisets, value by value by the right one's kind, and no `eval`.

An answer is right where one of its readings (`answers.py`) is. Rows come in any order, unless the question asks for
one, and then in any order among ties; columns in any that is the same for every row, unless the answer names them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from environments.db.answers import MAX_ANSWER_CHARS, Reading, readings
from environments.db.cells import Cell, Named, Row, found_cell, wanted_cell
from environments.db.judgement import Judgement
from environments.db.matching import Steps, has_same_rows, is_same_row
from environments.db.state import SqlValue

_Judged = TypeVar("_Judged")
_AT_ONCE = 1000
"""Characters of an answer and cells of a result up to which they are compared on the event loop: a few milliseconds
on one core, where a thread costs a fifth of one."""
_MOST_CHOICES = 50_000
"""Rows that a LIMIT chose from times rows of an answer: a tenth of a second. More are not looked through."""
_NO_ROWS = frozenset(
    (
        *("none", "nothing", "nobody", "no one", "empty", "n/a", "no rows", "no results", "no result"),
        *("there are none", "there is none", "no matching rows", "no such rows", "no matches", "no records"),
    )
)
"""What people say for a list of nothing."""
_NO_ROW_SAID = re.compile(
    r"(?:there (?:are|is|was|were) (?:no|none)|no"
    r"|(?:the )?(?:query|search|result) (?:returned|gave|found|is) (?:no|empty))\b[^\d\"\[\n]*"
)
_MAX_SENTENCE = 200


@dataclass(frozen=True)
class Told:
    """What is known of the right rows beside their values."""

    columns: tuple[str, ...] = ()
    """Their names; an answer that uses the same ones means them."""
    named: Named = field(default_factory=Named)
    """Units that question or gold name."""
    ranks: tuple[int, ...] = ()
    """Of each row in the query's own order: ties have the same. Empty = each row has its own."""
    spare: Mapping[int, Sequence[Sequence[SqlValue]]] = field(default_factory=dict)
    """By rank: the rows that a LIMIT chose from; each of them would have been right."""
    distinct: bool = False
    """A row that is there twice counts once."""


def judge_rows(
    answer: str | None,
    expected: Sequence[Sequence[SqlValue]],
    ordered: bool,
    fixed: bool = False,
    told: Told = Told(),
) -> Judgement:
    """Compare an answer with a query's rows; their order counts where `ordered`, that of columns where `fixed`."""
    if answer is None:
        return Judgement(False, "no_answer", "the episode gave no answer")
    wanted = _wanted(expected, told.named)
    ranks = [*(told.ranks or range(len(wanted)))]
    if told.distinct:
        wanted, ranks = _once(wanted, ranks)
    is_short = sum(map(len, told.spare.values())) * len(wanted) <= _MOST_CHOICES
    spare = {rank: _wanted(rows, told.named) for rank, rows in told.spare.items()} if is_short else {}
    comparison = _Comparison(wanted, ranks, ordered, fixed, told, Steps(), spare)
    said = list(readings(answer, len(wanted[0]) if wanted else 1))
    if any(map(comparison.has_right, said)) or (not wanted and _says_nothing(answer)):
        return Judgement(True)
    comparison.ordered = False
    if ordered and any(map(comparison.has_right, said)):
        return Judgement(False, "wrong_order", "the right rows in another order than the question asks for")
    return Judgement(False, "wrong_answer", f"answered {answer[:200]!r}, expected {_shown(expected)}")


def _wanted(rows: Sequence[Sequence[SqlValue]], named: Named) -> list[Row]:
    return [tuple(wanted_cell(value, named) for value in row) for row in rows]


@dataclass
class _Comparison:
    """The right rows, and the steps that are left to find them in an answer's readings."""

    wanted: Sequence[Row]
    ranks: Sequence[int]
    ordered: bool
    fixed: bool
    told: Told
    steps: Steps
    spare: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    _cells: dict[tuple[type, Any], Cell] = field(default_factory=dict)

    def has_right(self, reading: Reading) -> bool:
        """Whether a reading has the right rows."""
        rows, is_named = _under_names(reading, self.told.columns)
        if len(rows) != len(self.wanted) and not self.told.distinct:
            return False
        found = [tuple(map(self._cell, row)) for row in rows]
        if self.told.distinct:
            found, _ = _once(found, [])
            if len(found) != len(self.wanted):
                return False
        wanted = self._chosen(found) if self.spare else self.wanted
        if self.ordered:
            found, wanted = _ranked(found, self.ranks), _ranked(wanted, self.ranks)
        return has_same_rows(found, wanted, self.steps, fixed=self.fixed or is_named)

    def _chosen(self, found: Sequence[Row]) -> list[Row]:
        """Let the rows of a rank that a LIMIT cut be those that were found, as far as they are of it."""
        chosen, left = list(self.wanted), list(found)
        for rank, rows in self.spare.items():
            places = [place for place, one in enumerate(self.ranks) if one == rank]
            for right in rows:
                same = next((one for one in left if len(one) == len(right) and is_same_row(one, right)), None)
                if same is not None and places:
                    left.remove(same)
                    chosen[places.pop(0)] = right
        return chosen

    def _cell(self, value: Any) -> Cell:
        if isinstance(value, (list, dict, set, tuple)):
            return found_cell(str(value), self.told.named)
        name = type(value), value
        if name not in self._cells:
            self._cells[name] = found_cell(value, self.told.named)
        return self._cells[name]


def _ranked(rows: Sequence[Row], ranks: Sequence[int]) -> list[Row]:
    """Give each row its place's rank as a value: rows that keep it pair off, in any order among ties."""
    return [(*row, Cell(f"\0rank {rank}")) for row, rank in zip(rows, ranks, strict=True)]


def _once(rows: Sequence[Row], ranks: Sequence[int]) -> tuple[list[Row], list[int]]:
    places = list({row: place for place, row in reversed(list(enumerate(rows)))}.values())[::-1]
    return [rows[place] for place in places], [ranks[place] for place in places] if ranks else []


def _under_names(reading: Reading, columns: Sequence[str]) -> tuple[Sequence[Sequence[Any]], bool]:
    """Put a reading's columns in the right rows' order where it calls them by their names."""
    theirs, ours = list(map(_plain_name, reading.names)), list(map(_plain_name, columns))
    if sorted(theirs) != sorted(ours) or len(set(ours)) < len(ours) or not ours:
        return reading.rows, False
    order = [theirs.index(name) for name in ours]
    if any(len(row) != len(order) for row in reading.rows):
        return reading.rows, False
    return [[row[place] for place in order] for row in reading.rows], True


def _plain_name(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _says_nothing(answer: str) -> bool:
    said = answer[:MAX_ANSWER_CHARS].strip().strip("[]()\"'`*. ").lower()
    return said in _NO_ROWS or (len(said) <= _MAX_SENTENCE and bool(_NO_ROW_SAID.fullmatch(said)))


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


def _shown(rows: Sequence[Sequence[SqlValue]]) -> str:
    text = repr([tuple(row) for row in rows])
    return text if len(text) <= 300 else text[:300] + "..."
