"""The book of batches: which requests are out with a batch API. It stands in the ledger's file, beside the answers.

A batch is written down before its file is uploaded, and its requests leave the book once their answers are durable. So
after a kill whatever is still in the book was either submitted, and is waited for, or never was, and is asked again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from schemas.completion import CompletionRequest
from teachers.ledger.tables import BATCHED, BATCHES, COMPLETIONS, insert_into

OFFLINE = "offline"
"""Begins the names of endpoints that die with their process."""
_SLICE = 500
"""Ids in one query; SQLite takes 32,766 parameters."""


@dataclass(frozen=True)
class BookedBatch:
    """One batch in the book."""

    batch_key: str
    """Ours, made before the endpoint gave an id; it stands in the batch's metadata there."""
    model: str
    batch_id: str | None
    """The endpoint's; None = not submitted, or killed before it was noted."""
    file_id: str | None
    created_at: float
    touched_at: float
    """When whoever submits it last showed that it lives."""


@dataclass(frozen=True)
class Placed:
    """What became of requests that were to go into a new batch; who is in none of the three is placed again."""

    ours: frozenset[str]
    elsewhere: dict[str, str]
    """Request hash -> the open batch that it is already in."""
    answered: frozenset[str]
    """Answered since they were looked up."""


class BatchBook:
    """One endpoint's batches; safe for many threads and processes."""

    def __init__(self, engine: sa.Engine, endpoint: str) -> None:
        """`endpoint` names where the batches are, without an address: what is elsewhere does not concern us."""
        self._engine = engine
        self._endpoint = endpoint

    def begin(self, batch_key: str, model: str, requests: Sequence[CompletionRequest]) -> Placed:
        """Write down a batch before it is submitted, with those requests that are in no open batch yet."""
        now = time.time()
        batch = {"batch_key": batch_key, "endpoint": self._endpoint, "model": model, "state": "preparing"}
        rows = [
            {"endpoint": self._endpoint, "request_hash": r.request_hash, "batch_key": batch_key, "request": _pack(r)}
            for r in sorted(requests, key=lambda request: request.request_hash)  # in one order: no deadlock on a server
        ]
        with self._engine.begin() as connection:
            connection.execute(sa.insert(BATCHES), {**batch, "created_at": now, "touched_at": now})
            connection.execute(insert_into(self._engine, BATCHED).on_conflict_do_nothing(), rows)
            answered = self._drop_answered(connection, batch_key)
            placed = self._place(connection, [request.request_hash for request in requests])
            ours = frozenset(name for name, key in placed.items() if key == batch_key)
            if not ours:
                connection.execute(sa.delete(BATCHES).where(BATCHES.c.batch_key == batch_key))
        return Placed(ours, {name: key for name, key in placed.items() if key != batch_key}, answered)

    def touch(self, batch_key: str, file_id: str | None = None) -> bool:
        """Show that whoever submits a batch lives; False = it was given up as dead meanwhile, and must not go out."""
        named = {} if file_id is None else {"file_id": file_id}
        return self._change(batch_key, touched_at=time.time(), **named)

    def note(self, batch_key: str, batch_id: str) -> bool:
        """Note the endpoint's id; from here on the batch is waited for, by whichever run."""
        return self._change(batch_key, batch_id=batch_id, state="open")

    def abandon(self, entry: BookedBatch) -> bool:
        """Forget a batch that was not submitted; False = it has been noted or touched meanwhile."""
        gone = (BATCHES.c.batch_id.is_(None), BATCHES.c.touched_at == entry.touched_at)
        with self._engine.begin() as connection:
            dead = sa.delete(BATCHES).where(BATCHES.c.batch_key == entry.batch_key, *gone)
            if not connection.execute(dead).rowcount:
                return False
            connection.execute(sa.delete(BATCHED).where(BATCHED.c.batch_key == entry.batch_key))
            return True

    def release(self, batch_key: str, request_hashes: Iterable[str]) -> None:
        """Take requests out whose answers are durable."""
        with self._engine.begin() as connection:
            for hashes in _slices(list(request_hashes)):
                connection.execute(sa.delete(BATCHED).where(self._are(hashes), BATCHED.c.batch_key == batch_key))

    def finish(self, batch_key: str, state: str) -> None:
        """Close a batch with the state that the endpoint gave; what it did not answer may be asked again."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(BATCHED).where(BATCHED.c.batch_key == batch_key))
            connection.execute(sa.update(BATCHES).where(BATCHES.c.batch_key == batch_key).values(state=state))

    def entry(self, batch_key: str) -> BookedBatch | None:
        """Return a batch that is not closed."""
        return next(iter(self._entries(BATCHES.c.batch_key == batch_key)), None)

    def open_entries(self) -> list[BookedBatch]:
        """Return the endpoint's batches that are not closed, the oldest first."""
        return self._entries(BATCHES.c.endpoint == self._endpoint)

    def count_elsewhere(self) -> int:
        """Count the requests that are out at other endpoints."""
        wanted = sa.select(sa.func.count()).where(
            BATCHED.c.endpoint != self._endpoint, BATCHED.c.endpoint.not_like(f"{OFFLINE}%")
        )
        with self._engine.connect() as connection:
            return int(connection.execute(wanted).scalar_one())

    def requests(self, batch_key: str, request_hashes: Sequence[str] | None = None) -> dict[str, CompletionRequest]:
        """Return what a batch still waits for, by request hash: all of it, or those that are named."""
        asked = sa.select(BATCHED.c.request_hash, BATCHED.c.request).where(BATCHED.c.batch_key == batch_key)
        queries = [asked] if request_hashes is None else [asked.where(self._are(h)) for h in _slices(request_hashes)]
        with self._engine.connect() as connection:
            return {name: _unpack(packed) for query in queries for name, packed in connection.execute(query)}

    def _entries(self, where: sa.ColumnElement[bool]) -> list[BookedBatch]:
        names = ("batch_key", "model", "batch_id", "file_id", "created_at", "touched_at")
        wanted = sa.select(*(BATCHES.c[name] for name in names)).where(
            where, BATCHES.c.state.in_(("preparing", "open"))
        )
        with self._engine.connect() as connection:
            return [BookedBatch(*row) for row in connection.execute(wanted.order_by(BATCHES.c.created_at))]

    def _change(self, batch_key: str, **values: object) -> bool:
        with self._engine.begin() as connection:
            changed = sa.update(BATCHES).where(BATCHES.c.batch_key == batch_key).values(**values)
            return connection.execute(changed).rowcount > 0

    def _drop_answered(self, connection: sa.Connection, batch_key: str) -> frozenset[str]:
        mine = BATCHED.c.batch_key == batch_key
        joined = BATCHED.join(COMPLETIONS, COMPLETIONS.c.request_hash == BATCHED.c.request_hash)
        answered = frozenset(
            connection.execute(sa.select(BATCHED.c.request_hash).select_from(joined).where(mine)).scalars()
        )
        for hashes in _slices(list(answered)):
            connection.execute(sa.delete(BATCHED).where(mine, self._are(hashes)))
        return answered

    def _place(self, connection: sa.Connection, request_hashes: Sequence[str]) -> dict[str, str]:
        wanted = sa.select(BATCHED.c.request_hash, BATCHED.c.batch_key)
        found = (connection.execute(wanted.where(self._are(hashes))) for hashes in _slices(request_hashes))
        return {name: key for rows in found for name, key in rows}

    def _are(self, hashes: Sequence[str]) -> sa.ColumnElement[bool]:
        return sa.and_(BATCHED.c.endpoint == self._endpoint, BATCHED.c.request_hash.in_(hashes))


def _slices(hashes: Sequence[str]) -> Iterable[Sequence[str]]:
    return (hashes[i : i + _SLICE] for i in range(0, len(hashes), _SLICE))


def _pack(request: CompletionRequest) -> bytes:
    return zlib.compress(request.model_dump_json().encode(), 1)


def _unpack(packed: bytes) -> CompletionRequest:
    return CompletionRequest.model_validate_json(zlib.decompress(packed))
