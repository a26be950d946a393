"""The ledger: every paid answer, durable before it is used. `completions` in the warehouse is this table, landed.

An SQLite file in WAL mode with synchronous=FULL, or PostgreSQL by its URL: a commit is on the disk when it returns, and
a killed writer leaves no half row. Who finds no answer takes the claim on the request (`claims.py`, `reader.py`),
so that of all processes one sends it; one thread commits what has come in (`writer.py`).
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from schemas.completion import Completion, CompletionRequest
from schemas.errors import InputError, TrajmillError
from teachers.ledger.reader import LedgerReader
from teachers.ledger.tables import (
    BUILDS,
    COMPLETIONS,
    insert_into,
    is_file,
    open_engine,
    outlast,
    spell_url,
    unreadable,
)
from teachers.ledger.writer import LedgerWriter, Paid

_RAISE = sa.text("UPDATE sqlite_sequence SET seq = max(seq, :seq) WHERE name = :name")
_SET = sa.text(
    "INSERT INTO sqlite_sequence (name, seq) SELECT :name, :seq "
    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)"
)
_FIRST_PAUSE_SECONDS = 0.02
_LAST_PAUSE_SECONDS = 0.2
"""Between looks at a request that another process has claimed; each pause is twice the one before."""


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
    """Safe for many threads and event loops of one process, and for many processes on one file or server."""

    def __init__(self, where: Path | str) -> None:
        """Open the ledger at a path or an SQLAlchemy URL (sqlite, postgresql); it is made where there is none.

        Raises:
            ConfigError: it cannot be opened there.
        """
        self.counts = Counts()
        self._engine = open_engine(where)
        self._reader = LedgerReader(self._engine)
        self._lock = threading.Lock()
        self._in_flight: dict[str, Answer] = {}
        self._writer = LedgerWriter(self._engine, self._reader.find, self._settle_all)

    @property
    def place(self) -> str:
        """Return where it is, for people: the file, or the URL without its password."""
        return spell_url(self._engine.url)

    def find(self, request_hash: str) -> Completion | None:
        """Return the stored answer.

        Raises:
            WarehouseError: the ledger cannot be read.
        """
        return self._reader.find([request_hash]).get(request_hash)

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

    async def obtain(self, request_hash: str) -> Completion | None:
        """Return the stored answer, or None once it is the caller's alone, in all processes, to bring it about.

        Where another process is asking, this waits for its answer or its end. To be called by whoever the request
        belongs to (`join`), who ends it with `record` or `settle`.

        Raises:
            WarehouseError: the ledger cannot be read, or has no room for another claim.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer, is_ours = await self._reader.look(request_hash)
            if answer is not None or is_ours:
                return answer
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def settle(self, request_hash: str, outcome: Completion | TrajmillError | None) -> None:
        """Give everyone who shares a request its outcome, and its claim free."""
        self._settle_all({request_hash: outcome})

    def record(self, request: CompletionRequest, completion: Completion) -> None:
        """Store an answer; the request is settled once it is durable, with the row of whoever stored it first.

        A commit holds what came in while the last one was made.
        """
        self._writer.put(Paid(request, completion))

    def store(self, answers: Sequence[tuple[CompletionRequest, Completion]]) -> None:
        """Store answers whether anybody waits for them or not; durable on return, and what stands there stays."""
        if answers:
            self._writer.store([Paid(*answer) for answer in answers])

    def rows_after(self, row_id: int, limit: int) -> list[tuple[int, Completion]]:
        """Return answers above a row id, in the order in which they were stored: what is to be landed."""
        wanted = sa.select(COMPLETIONS.c.row_id, COMPLETIONS.c.completion)
        wanted = wanted.where(COMPLETIONS.c.row_id > row_id).order_by(COMPLETIONS.c.row_id).limit(limit)
        try:
            return [(row, Completion.model_validate_json(text)) for row, text in self._read(wanted)]
        except ValidationError as error:
            raise unreadable(self._engine, error) from error

    def request(self, completion_id: str) -> CompletionRequest:
        """Return what was asked.

        Raises:
            InputError: the ledger has no such completion.
        """
        wanted = sa.select(COMPLETIONS.c.request).where(COMPLETIONS.c.request_hash == completion_id)
        rows = self._read(wanted)
        if not rows:
            raise InputError(f"no completion {completion_id} in the ledger; `trajmill sql` lists them in `completions`")
        if not rows[0][0]:
            raise InputError(
                f"the words of {completion_id} were retired by `trajmill gc`; its answer is in `completions`"
            )
        try:
            return CompletionRequest.model_validate_json(zlib.decompress(rows[0][0]))
        except (zlib.error, ValidationError) as error:
            raise unreadable(self._engine, error) from error

    def retire_requests(self, purpose: str, up_to: int) -> int:
        """Forget the words of requests up to a row id; their answers, prices and hashes stay. Return how many."""
        held = (COMPLETIONS.c.purpose == purpose, COMPLETIONS.c.row_id <= up_to, COMPLETIONS.c.request != b"")
        with self._engine.begin() as connection:
            retired = connection.execute(sa.update(COMPLETIONS).where(*held).values(request=b"")).rowcount
        if retired and is_file(self._engine.url):  # a server tidies up by itself
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sa.text("VACUUM"))
        return retired

    def totals(self, after: int = 0) -> Totals:
        """Add up what the answers above a row id cost."""
        sums = [sa.func.sum(COMPLETIONS.c[name]) for name in ("prompt_tokens", "completion_tokens", "cost_usd")]
        wanted = sa.select(COMPLETIONS.c.purpose, sa.func.count(), *sums)
        wanted = wanted.where(COMPLETIONS.c.row_id > after).group_by(COMPLETIONS.c.purpose)
        parts = {row[0]: Totals(*row[1:]) for row in self._read(wanted.order_by(COMPLETIONS.c.purpose))}
        return Totals(
            requests=sum(part.requests for part in parts.values()),
            prompt_tokens=sum(part.prompt_tokens for part in parts.values()),
            completion_tokens=sum(part.completion_tokens for part in parts.values()),
            cost_usd=sum(part.cost_usd for part in parts.values()),
            by_purpose=parts,
        )

    def begin(self, build: str) -> int:
        """Return the row id after which a build's answers stand; the first call for a build fixes it.

        Raises:
            WarehouseError: the ledger cannot be read.
        """
        last = sa.select(sa.literal(build), sa.func.coalesce(sa.func.max(COMPLETIONS.c.row_id), 0))
        fixed = insert_into(self._engine, BUILDS).from_select(["build", "after_row_id"], last.where(sa.true()))
        wanted = sa.select(BUILDS.c.after_row_id).where(BUILDS.c.build == build)
        if not (rows := self._read(wanted)):
            with self._engine.begin() as connection:
                connection.execute(fixed.on_conflict_do_nothing())
            rows = self._read(wanted)
        return int(rows[0][0])

    def count_on_from(self, row_id: int) -> None:
        """Give no row an id up to this one: where a file was lost, a new one's answers land above those that did."""
        if not row_id or not is_file(self._engine.url):
            return
        with self._engine.begin() as connection:
            given = {"name": COMPLETIONS.name, "seq": row_id}
            connection.execute(_RAISE, given)
            connection.execute(_SET, given)

    @property
    def engine(self) -> sa.Engine:
        """The database, for tables that stand beside the answers."""
        return self._engine

    def close(self) -> None:
        """Store what has come in and let go of the database; idempotent."""
        self._writer.close()
        self._reader.close()
        self._engine.dispose()

    def _read(self, wanted: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        def read() -> Sequence[sa.Row[Any]]:
            with self._engine.connect() as connection:
                return connection.execute(wanted).all()

        try:
            return outlast(self._engine, read)
        except SQLAlchemyError as error:
            raise unreadable(self._engine, error) from error

    def _settle_all(self, outcomes: Mapping[str, Completion | TrajmillError | None]) -> None:
        # claims first: once a request is no longer in flight, the next of this process may take its claim again
        self._reader.free(list(outcomes))
        for key, outcome in outcomes.items():
            with self._lock:
                answer = self._in_flight.pop(key, None)
            if answer is None:
                continue  # nobody waits for it
            if isinstance(outcome, TrajmillError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


def try_ledger(where: Path | str) -> str:
    """Open a ledger, close it and return its place, for people.

    Raises:
        ConfigError: it cannot be opened.
    """
    ledger = Ledger(where)
    ledger.close()
    return ledger.place
