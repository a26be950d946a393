"""Claims: who asks. Of all processes on one ledger, one at a time has the claim on a request, and it alone sends it.

A claim lives in a lock that dies with its owner, however that ends, and costs no write: a byte of a file beside an
SQLite ledger (open file description locks, `man 2 fcntl`), an advisory lock of a session on PostgreSQL.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from schemas.errors import ConfigError, WarehouseError
from teachers.ledger.tables import is_file, outlast, spell_url

_TAKE = sa.text("SELECT n FROM unnest(CAST(:numbers AS bigint[])) AS n WHERE pg_try_advisory_lock(n)")
_FREE = sa.text("SELECT pg_advisory_unlock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n")
_OUT_OF_MEMORY = "53200"


class Claims(Protocol):
    """Belongs to one process. A claim is taken once at a time: equal requests of a process share one before."""

    def take(self, keys: Sequence[str]) -> set[str]:
        """Claim what no other process has claimed; return which keys those are."""

    def free(self, keys: Iterable[str]) -> None:
        """Let go of claims; keys without one are left alone."""

    def close(self) -> None:
        """Let go of all; idempotent."""


def open_claims(engine: sa.Engine) -> Claims:
    """Return the claims that fit the ledger's engine.

    Raises:
        ConfigError: the file beside the ledger cannot be written.
    """
    if not is_file(engine.url):
        return ServerClaims(engine)
    path = Path(f"{engine.url.database}-claims")
    try:
        return FileClaims(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}). Make it writable, or remove it") from error


def number_of(key: str) -> int:
    """Return 62 bits of a request hash: a place in a file, a bigint. Two requests that share one would only wait."""
    return int(key[:16], 16) >> 2


class FileClaims:
    """Locks on single bytes of an empty file, at the place that the request hash names."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._held: set[str] = set()

    def take(self, keys: Sequence[str]) -> set[str]:
        """Claim what no other process has claimed."""
        taken = {key for key in keys if self._lock(fcntl.F_WRLCK, key)}
        self._held |= taken
        return taken

    def free(self, keys: Iterable[str]) -> None:
        """Let go of claims."""
        for key in self._held.intersection(keys):
            self._held.discard(key)
            self._lock(fcntl.F_UNLCK, key)

    def close(self) -> None:
        """Let go of all."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _lock(self, kind: int, key: str) -> bool:
        wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, number_of(key), 1, 0)
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, wanted)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise WarehouseError(
                f"{self._path} cannot be locked ({error.strerror}). Keep the ledger on a disk of this machine, or on a "
                "server (TRAJMILL_LEDGER_URL)"
            ) from error
        return True


class ServerClaims:
    """Advisory locks of one session. The server drops them with the connection; a new one takes them again.

    They need a session of their own: a pooler before the server has to be in session mode.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, keys: Sequence[str]) -> set[str]:
        """Claim what no other process has claimed.

        Raises:
            WarehouseError: the server has no room for more locks.
            OperationalError: the server was away for too long.
        """
        with self._lock:
            numbers = outlast(self._engine, lambda: self._run(_TAKE, keys))
            taken = {key for key in keys if number_of(key) in numbers}
            self._held.update(key for key in keys if key in taken)
            return taken

    def free(self, keys: Iterable[str]) -> None:
        """Let go of claims."""
        with self._lock:
            held = [key for key in keys if self._held[key] > 0]
            self._held -= Counter(held)
            if held:
                outlast(self._engine, lambda: self._run(_FREE, held))

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            if self._connection is not None:
                self._connection.invalidate()  # closed, not pooled: the session ends, and its locks with it
                self._connection.close()
            self._connection = None
            self._held.clear()

    def _run(self, statement: sa.TextClause, keys: Sequence[str]) -> set[int]:
        try:
            rows = self._session().execute(statement, {"numbers": [number_of(key) for key in keys]})
            return {int(row[0]) for row in rows}
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == _OUT_OF_MEMORY:
                raise self._no_room(keys) from error
            self._connection = None
            raise

    def _session(self) -> sa.Connection:
        """Return the session; after one broke off, a new one has the claims that are still held."""
        if self._connection is None:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if self._held:
                connection.execute(_TAKE, {"numbers": [number_of(key) for key in self._held.elements()]})
            self._connection = connection
        return self._connection

    def _no_room(self, keys: Sequence[str]) -> WarehouseError:
        assert self._connection is not None
        self._connection.execute(_FREE, {"numbers": [number_of(key) for key in keys]})
        return WarehouseError(
            f"the ledger's server {spell_url(self._engine.url)} has no room to lock another request; "
            f"{self._held.total():,} are in flight here. Lower teacher.concurrency, or raise max_locks_per_transaction "
            "on the server"
        )
