"""Foreign sets land batch by batch, each row once; what is no trajectory, or a copy, is turned away by its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from schemas.foreign_row import ForeignRow
from schemas.record import digest
from schemas.rejection import Rejection
from warehouse.warehouse import Warehouse

BATCH = 1000
"""Rows a landing: memory stays constant, whatever the size of the file."""
DUPLICATE = "duplicate"
TABLE = "foreign_rows"


class Lost(NamedTuple):
    """What rows of a set hold and have no place for here."""

    what: str
    rows: int
    times: int


def land_foreign_rows(warehouse: Warehouse, rows: Iterable[ForeignRow | Rejection]) -> Counter[str]:
    """Land rows and what was turned away; count `kept`, `imported_before` and each reason.

    A row that an import before brought is counted as imported before; a second one of this import is a duplicate.
    """
    before = dict(warehouse.query(f"SELECT row_id, raw_sha256 FROM {TABLE}"))
    told = set(warehouse.column("rejections", "rejection_id", "stage = 'import'"))
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for batch in _batches(rows):
        kept: list[ForeignRow] = []
        rejections: dict[str, Rejection] = {}
        for row in batch:
            if isinstance(row, ForeignRow) and row.row_id in first:
                row = _reject_copy(row, first[row.row_id])
            if isinstance(row, Rejection):
                is_new = row.rejection_id not in told
                counts[row.reason if is_new else "imported_before"] += 1
                rejections |= {row.rejection_id: row} if is_new else {}
                told.add(row.rejection_id)
            else:
                first[row.row_id] = row.source
                was_here = row.row_id in before or before.get(row.first_id) == row.raw_sha256
                counts["imported_before" if was_here else "kept"] += 1
                kept += [] if was_here else [row]
        _land(warehouse, kept, list(rejections.values()))
    return +counts


def losses_of(warehouse: Warehouse, name: str) -> list[Lost]:
    """Return what could not be represented of a set's rows, the most frequent first."""
    found = warehouse.query(
        "SELECT loss.what, count(*), sum(loss.count) FROM (SELECT unnest(losses) AS loss FROM foreign_rows "
        'WHERE "set" = ?) GROUP BY 1 ORDER BY 2 DESC, 1',
        (name,),
    )
    return [Lost(what, rows, int(times)) for what, rows, times in found]


def _reject_copy(row: ForeignRow, first: str) -> Rejection:
    detail = f"the same id, messages and tools as {first}"
    return Rejection.make(stage="import", reason=DUPLICATE, detail=detail, source=row.source, raw=row.raw)


def _land(warehouse: Warehouse, kept: list[ForeignRow], rejections: list[Rejection]) -> None:
    key = f"import/{digest([row.row_id for row in kept], [one.rejection_id for one in rejections])}"
    warehouse.land("rejections", rejections, key=key)
    warehouse.land(TABLE, kept, key=key)


def _batches(rows: Iterable[ForeignRow | Rejection]) -> Iterator[list[ForeignRow | Rejection]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch
