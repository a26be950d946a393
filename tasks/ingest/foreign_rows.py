"""Foreign sets land batch by batch, each row once; what is no trajectory, or a copy, is turned away by its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from schemas.foreign_row import ForeignRow
from schemas.record import digest
from schemas.rejection import READING, Rejection
from tasks.ingest.readings import land_words
from warehouse.warehouse import Warehouse

BATCH = 1000
"""Rows a landing: memory stays constant, whatever the size of the file."""
_Place = tuple[object, ...]
"""Digest of a raw row, its set, its file and its line."""
DUPLICATE = "duplicate"
TABLE = "foreign_rows"


class Lost(NamedTuple):
    """What rows of a set hold and have no place for here."""

    what: str
    rows: int
    times: int


def land_foreign_rows(warehouse: Warehouse, rows: Iterable[ForeignRow | Rejection]) -> Counter[str]:
    """Land rows and what was turned away; count `kept`, `imported_before` and each reason.

    A row that an import before brought is counted as imported before; a second one of this import is a duplicate. What
    an older reading of the same raw row gave in its place is superseded.
    """
    before, older = _find_before(warehouse)
    given, gone = set[str](), set[str]()
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
                given.add(row.row_id if row.row_id in before or not was_here else row.first_id)
                gone |= older.get((row.raw_sha256, row.set, row.source_file, row.source_line), set())
        _land(warehouse, kept, list(rejections.values()))
    counts["superseded"] = _supersede(warehouse, given, gone - given)
    return +counts


def _find_before(warehouse: Warehouse) -> tuple[dict[str, object], dict[_Place, set[str]]]:
    """Return the rows that are there: the digest of what each was read from, and their ids by place."""
    before: dict[str, object] = {}
    older: dict[_Place, set[str]] = {}
    for row_id, *place in warehouse.query(f'SELECT row_id, raw_sha256, "set", source_file, source_line FROM {TABLE}'):
        before[row_id] = place[0]
        older.setdefault(tuple(place), set()).add(row_id)
    return before, older


def _supersede(warehouse: Warehouse, given: set[str], gone: set[str]) -> int:
    """Turn away what older readings gave of rows that are read otherwise now, and take back what is given again."""
    away = {row[0] for row in warehouse.query(f"SELECT id FROM turned_away WHERE stage = '{READING}'")}
    key = f"import/{digest(sorted(gone), sorted(given & away), len(away))}"
    return land_words(warehouse, gone - away, given & away, key, "the same file")


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
