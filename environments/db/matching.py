"""Rows against rows as multisets, within the tolerance, whatever the order of columns: a search that ends.

Each look at a cell costs one step. Rows and columns in the order in which they were given are always compared; what
else might pair off is searched until the steps are used up, and after that only the given order counts. So what a
judgement costs is bounded by the size of the answer, and no verdict depends on how fast a machine is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Protocol, Self

MAX_STEPS = 400_000
"""Cells looked at beyond the given order in one judgement: about half a second. Two thousand rows of ten columns in
another order need a tenth of it."""


class Comparable(Protocol):
    """A value of an answer or of the right rows; two that are equal are the same."""

    @property
    def loose(self) -> str:
        """Equal for all that may be the same without being numbers."""

    @property
    def amounts(self) -> tuple[Decimal, ...]:
        """The numbers that a found one may say."""

    @property
    def span(self) -> tuple[Decimal, Decimal] | None:
        """Between which numbers those that are the same as a wanted one are; None where it is no number."""

    def is_right(self, found: Self) -> bool:
        """Compare a found one with this wanted one."""


Row = tuple[Comparable, ...]


class OutOfSteps(Exception):
    """The search is over; nothing more was found."""


class Steps:
    """How much one judgement may still search."""

    def __init__(self, most: int = MAX_STEPS) -> None:
        self._left = most

    def take(self, count: int) -> None:
        """Use steps up.

        Raises:
            OutOfSteps: there are not so many left.
        """
        if count > self._left:
            self._left = 0
            raise OutOfSteps
        self._left -= count


def has_same_rows(found: Sequence[Row], wanted: Sequence[Row], steps: Steps, *, fixed: bool = False) -> bool:
    """Compare rows as multisets; the order of columns counts where `fixed`."""
    if len(found) != len(wanted) or any(len(a) != len(b) for a, b in zip(found, wanted, strict=True)):
        return False
    if all(map(is_same_row, found, wanted)):
        return True
    try:
        return pair_off(found, wanted, steps) if fixed else _columns_turn(found, wanted, steps)
    except OutOfSteps:
        return False


def is_same_row(found: Row, wanted: Row) -> bool:
    return all(right.is_right(one) for one, right in zip(found, wanted, strict=True))


def pair_off(found: Sequence[Row], wanted: Sequence[Row], steps: Steps) -> bool:
    """Whether the rows pair off as multisets: equal ones first, the rest within the tolerance.

    Raises:
        OutOfSteps: that could not be said within the steps.
    """
    steps.take(len(wanted) * (len(wanted[0]) if wanted else 0))
    left = Counter(found)
    rest = []
    for row in wanted:
        if left[row] > 0:
            left[row] -= 1
        else:
            rest.append(row)
    spare = list(left.elements())
    if not rest:
        return not spare
    near = _Near(spare, steps)
    return _can_pair(len(rest), lambda number: near.partners(rest[number]))


class _Near:
    """Finds the rows that may be the same as a wanted one without looking at all of them."""

    def __init__(self, rows: Sequence[Row], steps: Steps) -> None:
        self._rows, self._steps = rows, steps
        self._indexes: dict[int | None, list[tuple[Decimal, int]]] = {}
        self._by_text: dict[tuple[str, ...], list[int]] = {}
        for number, row in enumerate(rows):
            self._by_text.setdefault(tuple(cell.loose for cell in row), []).append(number)

    def partners(self, wanted: Row) -> Iterator[int]:
        """Yield the rows that are the same, the nearest first."""
        for number in self._candidates(wanted):
            self._steps.take(len(wanted))
            if is_same_row(self._rows[number], wanted):
                yield number

    def _candidates(self, wanted: Row) -> Iterator[int]:
        spans = ((column, cell.span) for column, cell in enumerate(wanted))
        column, span = next(((column, span) for column, span in spans if span is not None), (0, None))
        if span is None:
            yield from self._by_text.get(tuple(cell.loose for cell in wanted), ())
            return
        index, middle = self._index(column), (span[0] + span[1]) / 2
        high = bisect_left(index, (middle, -1))
        low = high - 1
        while True:
            below = middle - index[low][0] if low >= 0 and index[low][0] >= span[0] else None
            above = index[high][0] - middle if high < len(index) and index[high][0] <= span[1] else None
            if below is None and above is None:
                return
            if above is None or (below is not None and below < above):
                yield index[low][1]
                low -= 1
            else:
                yield index[high][1]
                high += 1

    def _index(self, column: int) -> list[tuple[Decimal, int]]:
        if column not in self._indexes:
            self._steps.take(len(self._rows))
            said = ((amount, number) for number, row in enumerate(self._rows) for amount in row[column].amounts)
            self._indexes[column] = sorted(said)
        return self._indexes[column]


def _can_pair(count: int, partners: Callable[[int], Iterator[int]]) -> bool:
    """Whether each of `count` gets a partner of its own: augmenting paths (Kuhn), without recursion."""
    owner: dict[int, int] = {}
    for start in range(count):
        came_from: dict[int, int | None] = {}
        holds: dict[int, int | None] = {start: None}
        todo, end = [start], None
        while todo and end is None:
            seeker = todo.pop()
            for partner in partners(seeker):
                if partner in came_from:
                    continue
                came_from[partner] = seeker
                if partner not in owner:
                    end = partner
                    break
                holds[owner[partner]] = partner
                todo.append(owner[partner])
        if end is None:
            return False
        _shift(end, came_from, holds, owner)
    return True


def _shift(end: int, came_from: dict[int, int | None], holds: dict[int, int | None], owner: dict[int, int]) -> None:
    """Give each seeker along the path the partner that it found."""
    partner: int | None = end
    while partner is not None:
        seeker = came_from[partner]
        assert seeker is not None
        owner[partner] = seeker
        partner = holds[seeker]


def _columns(rows: Sequence[Row]) -> list[Row]:
    return list(zip(*rows, strict=True))


def _columns_turn(found: Sequence[Row], wanted: Sequence[Row], steps: Steps) -> bool:
    """Whether the found columns can be turned so that the rows pair off: the given order first, then a search."""
    if pair_off(found, wanted, steps):
        return True
    fits = _fitting(_columns(found), _columns(wanted), steps)
    if not fits or not _can_pair(len(fits), lambda place: iter(fits[place])):
        return False
    return _turn(found, wanted, fits, steps)


def _fitting(theirs: Sequence[Row], ours: Sequence[Row], steps: Steps) -> list[list[int]]:
    """Return, for each wanted column, the found ones that hold its values, its own place first.

    Empty where a column has no counterpart.
    """
    known: dict[tuple[Row, Row], bool] = {}
    fits = []
    for place, our in enumerate(ours):
        fitting = []
        for number in sorted(range(len(theirs)), key=lambda j: j != place):
            their = theirs[number]
            steps.take(1)
            if (their, our) not in known:
                known[their, our] = pair_off([(cell,) for cell in their], [(cell,) for cell in our], steps)
            if known[their, our]:
                fitting.append(number)
        if not fitting:
            return []
        fits.append(fitting)
    return fits


def _turn(found: Sequence[Row], wanted: Sequence[Row], fits: Sequence[Sequence[int]], steps: Steps) -> bool:
    """Choose a column for each place, while the rows that they make so far pair off."""
    chosen: list[int] = []
    waiting = [_open_columns(found, fits, chosen)]
    while waiting:
        column = next(waiting[-1], None)
        if column is None:
            waiting.pop()
            if chosen:
                chosen.pop()
            continue
        chosen.append(column)
        part = [tuple(row[i] for i in chosen) for row in found]
        if not pair_off(part, [row[: len(chosen)] for row in wanted], steps):
            chosen.pop()
        elif len(chosen) == len(fits):
            return True
        else:
            waiting.append(_open_columns(found, fits, chosen))
    return False


def _open_columns(found: Sequence[Row], fits: Sequence[Sequence[int]], chosen: Sequence[int]) -> Iterator[int]:
    """Return the columns for the next place that no place has; of equal ones, one."""
    told: dict[Row, int] = {}
    for column in fits[len(chosen)]:
        if column not in chosen:
            told.setdefault(tuple(row[column] for row in found), column)
    return iter(told.values())
