"""The ledger: every paid answer, durable before it is used. `completions` in the warehouse is this table, landed.

SQLite in WAL mode with synchronous=FULL: a commit is on the disk when it returns, and a killed writer leaves no half
row. One writer thread commits whatever has come in since its last commit, so an answer waits for one commit at most.
"""

from __future__ import annotations

import queue
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from schemas.completion import Completion, CompletionRequest
from schemas.errors import InputError, TrajmillError, WarehouseError
from teachers.ledger_tables import BUILDS, COMPLETIONS, open_engine

_FIND = sa.select(COMPLETIONS.c.completion).where(COMPLETIONS.c.request_hash == sa.bindparam("key"))
_INSERT = sqlite.insert(COMPLETIONS).on_conflict_do_nothing(index_elements=["request_hash"])
_BATCH = 256


@dataclass(frozen=True)
class Totals:
    """What answers cost."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    by_purpose: dict[str, Totals] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass
class Counts:
    """What this process asked."""

    hits: int = 0
    """Answered from the ledger."""
    shared: int = 0
    """Answered by an equal request that was already in flight."""
    sent: int = 0
    """Handed on to the teacher, whether it answered or not."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, hits: int = 0, shared: int = 0, sent: int = 0) -> None:
        with self._lock:
            self.hits += hits
            self.shared += shared
            self.sent += sent


Answer = Future[Completion | None]
"""Settled with None where whoever asked gave up: the next one asks itself."""


class Ledger:
    """Safe for many threads and event loops of one process, and for many processes on one file."""

    def __init__(self, where: Path | str) -> None:
        """Open the ledger at a path or an SQLAlchemy URL; it is made where there is none.

        Raises:
            ConfigError: it cannot be opened there.
        """
        self.counts = Counts()
        self._engine = open_engine(where)
        self._lock = threading.Lock()
        self._in_flight: dict[str, Answer] = {}
        self._written: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def find(self, request_hash: str) -> Completion | None:
        """Return the stored answer."""
        with self._engine.connect() as connection:
            found = connection.execute(_FIND, {"key": request_hash}).scalar()
        return None if found is None else Completion.model_validate_json(found)

    def join(self, request_hash: str) -> tuple[Answer, bool]:
        """Return the answer that equal requests of this process share, and whether it is the caller's to settle.

        The caller to whom it belongs must end it with `record` or `settle`, whatever happens.
        """
        with self._lock:
            answer = self._in_flight.get(request_hash)
            if answer is not None:
                self.counts.add(shared=1)
                return answer, False
            answer = self._in_flight[request_hash] = Future()
            answer.set_running_or_notify_cancel()  # from here on a waiter that is cancelled cannot cancel it for all
            return answer, True

    def settle(self, request_hash: str, outcome: Completion | TrajmillError | None) -> None:
        """Give everyone who shares a request its outcome."""
        with self._lock:
            answer = self._in_flight.pop(request_hash)
        if isinstance(outcome, TrajmillError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def record(self, request: CompletionRequest, completion: Completion) -> None:
        """Store an answer; the request is settled once it is durable, with the row of whoever stored it first."""
        self._start_writer()
        self._written.put(_row(request, completion))

    def store(self, answers: Sequence[tuple[CompletionRequest, Completion]]) -> None:
        """Store answers whether anybody waits for them or not; durable on return, and what stands there stays."""
        if answers:
            self._insert([_row(request, completion) for request, completion in answers])

    def rows_after(self, row_id: int, limit: int) -> list[tuple[int, Completion]]:
        """Return answers above a row id, in the order in which they were stored: what is to be landed."""
        wanted = sa.select(COMPLETIONS.c.row_id, COMPLETIONS.c.completion)
        wanted = wanted.where(COMPLETIONS.c.row_id > row_id).order_by(COMPLETIONS.c.row_id).limit(limit)
        with self._engine.connect() as connection:
            return [(row, Completion.model_validate_json(text)) for row, text in connection.execute(wanted)]

    def request(self, completion_id: str) -> CompletionRequest:
        """Return what was asked.

        Raises:
            InputError: the ledger has no such completion.
        """
        wanted = sa.select(COMPLETIONS.c.request).where(COMPLETIONS.c.request_hash == completion_id)
        with self._engine.connect() as connection:
            found = connection.execute(wanted).scalar()
        if found is None:
            raise InputError(f"no completion {completion_id} in the ledger; `trajmill sql` lists them in `completions`")
        if not found:
            raise InputError(
                f"the words of {completion_id} were retired by `trajmill gc`; its answer is in `completions`"
            )
        return CompletionRequest.model_validate_json(zlib.decompress(found))

    def retire_requests(self, purpose: str, up_to: int) -> int:
        """Forget the words of requests up to a row id; their answers, prices and hashes stay. Return how many."""
        held = (COMPLETIONS.c.purpose == purpose, COMPLETIONS.c.row_id <= up_to, COMPLETIONS.c.request != b"")
        with self._engine.begin() as connection:
            retired = connection.execute(sa.update(COMPLETIONS).where(*held).values(request=b"")).rowcount
        if retired:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.text("VACUUM"))
        return retired

    def totals(self, after: int = 0) -> Totals:
        """Add up what the answers above a row id cost."""
        sums = [sa.func.sum(COMPLETIONS.c[name]) for name in ("prompt_tokens", "completion_tokens", "cost_usd")]
        wanted = sa.select(COMPLETIONS.c.purpose, sa.func.count(), *sums)
        wanted = wanted.where(COMPLETIONS.c.row_id > after).group_by(COMPLETIONS.c.purpose)
        with self._engine.connect() as connection:
            parts = {row[0]: Totals(*row[1:]) for row in connection.execute(wanted.order_by(COMPLETIONS.c.purpose))}
        return Totals(
            requests=sum(part.requests for part in parts.values()),
            prompt_tokens=sum(part.prompt_tokens for part in parts.values()),
            completion_tokens=sum(part.completion_tokens for part in parts.values()),
            cost_usd=sum(part.cost_usd for part in parts.values()),
            by_purpose=parts,
        )

    def begin(self, build: str) -> int:
        """Return the row id after which a build's answers stand; the first call for a build fixes it."""
        last = sa.select(sa.literal(build), sa.func.coalesce(sa.func.max(COMPLETIONS.c.row_id), 0))
        fixed = sqlite.insert(BUILDS).from_select(["build", "after_row_id"], last.where(sa.true()))
        with self._engine.begin() as connection:
            connection.execute(fixed.on_conflict_do_nothing())
            found = connection.execute(sa.select(BUILDS.c.after_row_id).where(BUILDS.c.build == build))
            return int(found.scalar_one())

    @property
    def engine(self) -> sa.Engine:
        """The database, for tables that stand beside the answers."""
        return self._engine

    def close(self) -> None:
        """Store what has come in and let go of the file; idempotent."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            self._written.put(None)
            writer.join()
        self._engine.dispose()

    def _start_writer(self) -> None:
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
                self._writer.start()

    def _write_all(self) -> None:
        while (row := self._written.get()) is not None:
            rows = [row]
            while len(rows) < _BATCH and not self._written.empty():
                following = self._written.get()
                if following is None:
                    self._written.put(None)
                    break
                rows.append(following)
            self._commit(rows)

    def _commit(self, rows: list[dict[str, Any]]) -> None:
        try:
            mine = self._insert(rows) == len(rows)
            stored = {row["request_hash"]: None if mine else self.find(row["request_hash"]) for row in rows}
        except SQLAlchemyError as error:
            self._refuse(rows, error)
            return
        for row in rows:
            winner = stored[row["request_hash"]]
            self.settle(row["request_hash"], winner or Completion.model_validate_json(row["completion"]))

    def _insert(self, rows: list[dict[str, Any]]) -> int:
        with self._engine.begin() as connection:
            return connection.execute(_INSERT, rows).rowcount

    def _refuse(self, rows: list[dict[str, Any]], error: SQLAlchemyError) -> None:
        for row in rows:
            self.settle(
                row["request_hash"],
                WarehouseError(
                    f"the ledger {self._engine.url.database} could not store an answer: {error}. "
                    "Free disk space or make the file writable, then run again; what was stored before is kept"
                ),
            )


def _row(request: CompletionRequest, completion: Completion) -> dict[str, Any]:
    return {
        "request_hash": completion.completion_id,
        "purpose": completion.purpose,
        "model": completion.model,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "cost_usd": completion.cost_usd,
        "request": _compress(request.model_dump_json().encode()),
        "completion": completion.model_dump_json().encode(),
    }


def _compress(data: bytes) -> bytes:
    """Compress with a window that fits a conversation: a third of the time that zlib's own takes to set up."""
    deflate = zlib.compressobj(3, zlib.DEFLATED, 13, 6)
    return deflate.compress(data) + deflate.flush()
