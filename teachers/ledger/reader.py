"""The ledger's reader: takes the claim on a request and looks whether its answer stands, in this order.

On a file that is a matter of microseconds and happens at once. A server is asked by a thread, so that no event loop
waits for it, and about all requests together that came in since it was last asked.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from schemas.completion import Completion
from schemas.errors import WarehouseError
from teachers.ledger.claims import open_claims
from teachers.ledger.file import LedgerFile
from teachers.ledger.groups import Groups
from teachers.ledger.tables import COMPLETIONS, is_file, outlast, unreadable

_FIND_IN_FILE = "SELECT request_hash, completion FROM completions WHERE request_hash IN"
_FIND = sa.select(COMPLETIONS.c.request_hash, COMPLETIONS.c.completion).where(
    COMPLETIONS.c.request_hash.in_(sa.bindparam("keys", expanding=True))
)


class Look(NamedTuple):
    """What a look at a request found."""

    answer: Completion | None
    is_ours: bool
    """Without an answer: whether the claim is ours now."""


class LedgerReader:
    """Of one process; safe for many threads and event loops."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._claims = open_claims(engine)
        self._file = LedgerFile(engine) if is_file(engine.url) else None
        self._connection: sa.Connection | None = None
        self._lock = threading.Lock()
        self._queue = Groups("ledger-reader", self._attend)

    async def look(self, key: str) -> Look:
        """Claim a request that has no answer, or return its answer.

        Raises:
            WarehouseError: the ledger cannot be read, or has no room for another claim.
        """
        if is_file(self._engine.url):
            return self._look_at([key])[key]
        look: Future[Look] = Future()
        self._queue.put((key, look))
        try:
            return await asyncio.wrap_future(look)
        except asyncio.CancelledError:
            look.add_done_callback(lambda done: None if done.cancelled() else self.free([key]))
            raise

    def find(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Return the answers that stand.

        Raises:
            WarehouseError: the ledger cannot be read.
        """
        try:
            found = self._find_in(self._file, keys) if self._file else outlast(self._engine, lambda: self._find(keys))
            return {key: Completion.model_validate_json(text) for key, text in found.items()}
        except (SQLAlchemyError, sqlite3.Error, ValidationError) as error:
            raise unreadable(self._engine, error) from error

    def free(self, keys: Sequence[str]) -> None:
        """Let go of claims; keys without one are left alone."""
        if is_file(self._engine.url):
            self._claims.free(keys)
        else:
            self._queue.put((keys, None))

    def close(self) -> None:
        """Let go of all claims and connections; idempotent."""
        self._queue.close()
        self._claims.close()
        if self._file:
            self._file.close()
        with self._lock:
            self._drop()

    def _look_at(self, keys: Sequence[str]) -> dict[str, Look]:
        """Claim before looking: an answer that is stored in between is found."""
        claimed = self._claims.take(keys)
        found = self.find(keys)
        self._claims.free([key for key in keys if key in claimed and key in found])
        return {key: Look(found.get(key), key in claimed) for key in keys}

    def _attend(self, group: Sequence[tuple[str, Future[Look]] | tuple[Sequence[str], None]]) -> None:
        looks: list[tuple[str, Future[Look]]] = []
        freed: list[str] = []
        for what, future in group:
            if future is None:
                freed += what
            elif future.set_running_or_notify_cancel():
                looks.append((str(what), future))
        try:
            self._claims.free(freed)
            seen = self._look_at([key for key, _ in looks]) if looks else {}
        except WarehouseError as error:
            _fail((future for _, future in looks), error)
            return
        except SQLAlchemyError as error:
            _fail((future for _, future in looks), unreadable(self._engine, error))
            return
        for key, future in looks:
            future.set_result(seen[key])

    def _find_in(self, file: LedgerFile, keys: Sequence[str]) -> dict[str, bytes]:
        return dict(file.read(f"{_FIND_IN_FILE} ({', '.join('?' * len(keys))})", keys))

    def _find(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._lock:
            try:
                return self._read(keys)
            except DBAPIError:
                self._drop()
                raise

    def _read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Read over one connection that is kept: taking one from the pool each time takes thrice as long."""
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return {row[0]: row[1] for row in self._connection.execute(_FIND, {"keys": list(keys)})}

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _fail(futures: Iterable[Future[Look]], error: WarehouseError) -> None:
    for future in futures:
        future.set_exception(error)
