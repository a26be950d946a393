"""What a newer reading of a file does to what older ones gave: rows that it gives no more are superseded.

A reading is a reader's contract with the rules of cleaning; an import is a file with what was said of it. Rows never
leave a table: one that is superseded is turned away (stage `reading`), and one that comes back is taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from formats.chats.chat import ChatRow
from schemas.bounded_reading import open_file
from schemas.cleaning import CleaningConfig
from schemas.record import digest
from schemas.rejection import READING, TAKEN_BACK, Rejection
from tasks.ingest.admit import CONTRACT, Admission, Admitted, Unchanged
from warehouse.warehouse import Warehouse

_SNIPPET = 120
"""Characters of a reply by which a row of before is known to come from a line."""
_OLD_ROWS = (
    "SELECT conversation_id, source_line, left(list_filter(messages, lambda m: m.role = 'assistant')[1].content, "
    f"{_SNIPPET}) FROM conversations WHERE import_id IS NULL AND source_file = ? AND license = ?"
)
_NUMBER = f"SELECT coalesce(max(number), 0) FROM rejections WHERE stage = '{READING}'"


def identify_reading(contract: int, rules: CleaningConfig) -> str:
    """Return h(contract of the reader, contract of admission, rules, files that the rules name)."""
    named = [path for path in (rules.tokenizer, *rules.benchmarks) if path]
    return digest("reading", contract, CONTRACT, rules, [_sha256(Path(path)) for path in named])


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class EarlierReadings:
    """What older readings of a file gave."""

    ids: set[str] = field(default_factory=set)
    """Conversations that they gave; those that the new one gives as well are taken out."""
    turned_away: frozenset[str] = frozenset()
    """Conversations that an earlier reading superseded, and that this one may bring back."""
    _by_line: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """Ids and snippets of rows that came in before imports had ids, by line: they may be another file's."""
    _back: set[str] = field(default_factory=set)

    @classmethod
    def find(
        cls, warehouse: Warehouse, import_id: str, reading: str, file: str, license: str, first_key: str
    ) -> EarlierReadings:
        """Look up what was read of an import before, by its id or, where it came in before there were any, by line."""
        sql = "SELECT conversation_id FROM conversations WHERE import_id = ? AND reading <> ?"
        ids = {row[0] for row in warehouse.query(sql, (import_id, reading))}
        by_line: dict[int, list[tuple[str, str]]] = {}
        if warehouse.has_landed("conversations", first_key):
            for one, line, snippet in warehouse.query(_OLD_ROWS, (file, license)):
                by_line.setdefault(line, []).append((one, snippet or ""))
        away = warehouse.query(f"SELECT id FROM turned_away WHERE stage = '{READING}'")
        return cls(ids, frozenset(row[0] for row in away), by_line)

    def compare(self, row: ChatRow | Rejection, admission: Admission) -> Admitted:
        """Admit a row, knowing what older readings gave in its place."""
        if isinstance(row, ChatRow):
            self._prove(row)
        admitted = admission.admit(row)
        gives = {one.conversation_id for one in admitted.results if isinstance(one, Unchanged)}
        self._back |= gives & self.turned_away
        return admitted

    def _prove(self, row: ChatRow) -> None:
        """Take the rows of before that stood in this very line for this import's: they hold what it holds."""
        for one, snippet in self._by_line.pop(row.line, ()):
            if _holds(row.raw, snippet):
                self.ids.add(one)

    def supersede(self, warehouse: Warehouse, key: str, file: str) -> int:
        """Turn away what this reading gave no more, take back what it gives again; return how many were turned away."""
        return land_words(warehouse, self.ids - self.turned_away, self._back, key, file)


def land_words(warehouse: Warehouse, gone: Iterable[str], back: Iterable[str], key: str, file: str) -> int:
    """Turn away rows that a newer reading gives no more, take back others; return how many were turned away."""
    gone, back = sorted(gone), sorted(back)
    if not gone and not back:
        return 0
    (number,) = warehouse.query(_NUMBER)[0]
    told = f"a newer reading of {file} does not give this row"
    words = [_word(one, "superseded", told, number + 1) for one in gone]
    again = f"a newer reading of {file} gives this row again"
    words += [_word(one, TAKEN_BACK, again, number + 1) for one in back]
    warehouse.land("rejections", words, key=f"{key}/superseded")
    return len(gone)


def _word(one: str, reason: str, detail: str, number: int) -> Rejection:
    return Rejection.make(stage=READING, reason=reason, detail=detail, source=one, raw=b"", number=number)


def _holds(raw: bytes, snippet: str) -> bool:
    """Whether a text stands in a row, however its JSON is escaped."""
    wanted = orjson.dumps(snippet)[1:-1]
    if not wanted or wanted in raw:
        return bool(wanted)
    try:
        return wanted in orjson.dumps(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return False
