"""The ledger's writer: one thread that commits answers, each time those that came in while it made the last commit.

Nobody is waited for: a request is in flight until its answer is durable (`durability.py`), and so long its slot stands
empty. A thread that needs Python's lock from a busy event loop waits up to 5 ms for it, and SQLite gives it up for each
statement: rows are made by whoever brings them, and one statement is a whole commit.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from schemas.completion import Completion, CompletionRequest
from schemas.errors import WarehouseError
from teachers.ledger.file import LedgerFile
from teachers.ledger.groups import Groups
from teachers.ledger.tables import COMPLETIONS, is_file, line_up, outlast, spell_url, what_failed

_COLUMNS = tuple(column.name for column in COMPLETIONS.c if not column.primary_key)
_INSERT = postgresql.insert(COMPLETIONS).on_conflict_do_nothing(index_elements=["request_hash"]).inline()
"""Nobody needs the row id back."""


class Paid(NamedTuple):
    """An answer to be stored."""

    request: CompletionRequest
    completion: Completion


class LedgerWriter:
    """Stores answers and then says so, with the row of whoever stored it first."""

    def __init__(
        self,
        engine: sa.Engine,
        find: Callable[[Sequence[str]], dict[str, Completion]],
        done: Callable[[dict[str, Completion | WarehouseError]], None],
    ) -> None:
        """Tell `done` what stands for each request once it is durable, or why it does not."""
        self._engine = engine
        self._find = find
        self._done = done
        self._file = LedgerFile(engine) if is_file(engine.url) else None
        self._queue = Groups("ledger-writer", self._commit)

    def put(self, paid: Paid) -> None:
        """Have an answer stored; returns at once."""
        try:
            row = _row(paid)
        except ValueError as error:
            self._done({paid.completion.completion_id: self._refusal(error)})
        else:
            self._queue.put((paid.completion, row))

    def store(self, answers: Sequence[Paid]) -> None:
        """Store answers now.

        Raises:
            SQLAlchemyError, sqlite3.Error: the database refused, or was away for too long.
        """
        self._store([_row(paid) for paid in answers])

    def close(self) -> None:
        """Return when all is stored; idempotent."""
        self._queue.close()
        if self._file:
            self._file.close()

    def _commit(self, group: list[tuple[Completion, dict[str, Any]]]) -> None:
        keys = [completion.completion_id for completion, _ in group]
        try:
            is_new = self._store([row for _, row in group]) == len(group)
            earlier = {} if is_new else self._find(keys)
        except (SQLAlchemyError, sqlite3.Error, WarehouseError, ValueError, OverflowError) as error:
            refusal = self._refusal(error)
            self._done(dict.fromkeys(keys, refusal))
            return
        self._done({key: earlier.get(key, completion) for key, (completion, _) in zip(keys, group, strict=True)})

    def _store(self, rows: list[dict[str, Any]]) -> int:
        """Commit rows; return how many of them were not there yet."""
        if self._file:
            return self._file.change(_insertion(len(rows)), [row[name] for row in rows for name in _COLUMNS])
        return outlast(self._engine, lambda: self._insert(rows))

    def _insert(self, rows: list[dict[str, Any]]) -> int:
        with self._engine.begin() as connection:
            line_up(connection)
            return connection.execute(_INSERT, rows).rowcount

    def _refusal(self, error: Exception) -> WarehouseError:
        return WarehouseError(
            f"the ledger {spell_url(self._engine.url)} could not store an answer: {what_failed(error)}. Free disk "
            "space, make it writable or reachable, then run again; what was stored before is kept"
        )


@cache
def _insertion(rows: int) -> str:
    """Word the insertion of so many rows for SQLite."""
    marks = f"({', '.join('?' * len(_COLUMNS))})"
    values = ", ".join([marks] * rows)
    return f"INSERT INTO completions ({', '.join(_COLUMNS)}) VALUES {values} ON CONFLICT (request_hash) DO NOTHING"


def _row(paid: Paid) -> dict[str, Any]:
    completion = paid.completion
    return {
        "request_hash": completion.completion_id,
        "purpose": completion.purpose,
        "model": completion.model,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "cost_usd": completion.cost_usd,
        "request": _compress(paid.request.model_dump_json().encode()),
        "completion": completion.model_dump_json().encode(),
    }


def _compress(data: bytes) -> bytes:
    """Compress with a window that fits a conversation: a third of the time that zlib's own takes to set up."""
    deflate = zlib.compressobj(3, zlib.DEFLATED, 13, 6)
    return deflate.compress(data) + deflate.flush()
