"""Where a home's own server is found: a folder for its owner's eyes alone, with two locks and a record.

    <home>/prefect/servers/<digest>/
        lock         held by the server for as long as it lives; who gets it may start one
        users        shared by the commands that use it; the server ends only when it has this alone
        record.json  where it listens, and its password
        log          its warnings and errors

The kernel lets go of locks whichever way a process ends, so nothing here goes by process ids or ages.
"""

from __future__ import annotations

import fcntl
import hmac
import http.client
import os
import secrets
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import InputError
from schemas.record import digest

HOST = "127.0.0.1"
PROOF = "/whose"
"""Asked with any text, the server shows with its password that it is this home's, and never tells the password."""
_NETWORK = Path("/proc/self/ns/net")
"""Whose loopback this is."""
_MOST_RECORD_BYTES = 1 << 16
_ANSWER_SECONDS = 5.0
"""A server that answers later is asked again."""


class ServerRecord(NamedTuple):
    """A server that is ready."""

    port: int
    password: str

    @property
    def api(self) -> str:
        """Where Prefect asks."""
        return f"http://{HOST}:{self.port}/api"

    def is_proven(self) -> bool:
        """Say whether what listens there knows the password; it is not told to a stranger."""
        question = secrets.token_hex(16)
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", f"{PROOF}?{question}")
            answer = connection.getresponse().read(200)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return hmac.compare_digest(answer, prove(self.password, question.encode()))


class ServerFolder(NamedTuple):
    """The folder of one server: what is done in it."""

    path: Path

    @classmethod
    def of(cls, home: Path, settings: dict[str, str]) -> ServerFolder:
        """Return where a home's server with these settings is: another user's, or a container's, is elsewhere."""
        network = _NETWORK.stat().st_ino if _NETWORK.exists() else 0
        name = digest("server", str(home.resolve()), os.getuid(), network, sorted(settings.items()))[:16]
        return cls(home.resolve() / "prefect" / "servers" / name)

    @property
    def log(self) -> Path:
        """Where the server's words go."""
        return self.path / "log"

    def take(self) -> int | None:
        """Return the lock, open; None = a server has it."""
        return self._locked("lock", fcntl.LOCK_EX | fcntl.LOCK_NB)

    def join(self) -> int:
        """Become a user: the server does not end before the returned descriptor is closed; waits for one that ends."""
        joined = self._locked("users", fcntl.LOCK_SH)
        assert joined is not None
        return joined

    def is_taken(self) -> bool:
        """Say whether a server lives here; nothing is made for it."""
        return is_held(self.path / "lock")

    def read(self) -> ServerRecord | None:
        """Return what the server wrote down; None = it is not ready."""
        try:
            said = parse_json(read_file(self.path / "record.json", _MOST_RECORD_BYTES))
        except (InputError, NotJson):
            return None
        port, password = (said.get(key) for key in ServerRecord._fields) if isinstance(said, dict) else (None, None)
        return ServerRecord(port, password) if isinstance(port, int) and isinstance(password, str) else None

    def write(self, record: ServerRecord) -> None:
        """Write down where the server is: whole, and readable for its owner alone."""
        draft = self.path / f".record-{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(record._asdict()))
        draft.rename(self.path / "record.json")

    def forget(self) -> None:
        """Take the record away."""
        (self.path / "record.json").unlink(missing_ok=True)

    def sweep_others(self) -> None:
        """Remove what ended servers of other settings left behind."""
        for other in map(ServerFolder, self.path.parent.iterdir()):
            if other != self and (lock := other.take()) is not None:
                shutil.rmtree(other.path, ignore_errors=True)
                os.close(lock)

    def _locked(self, name: str, how: int) -> int | None:
        while True:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileNotFoundError), ExitStack() as undo:  # a sweep may come in between
                descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                undo.callback(os.close, descriptor)
                try:
                    fcntl.flock(descriptor, how)
                except BlockingIOError:
                    return None
                if os.path.samestat(os.fstat(descriptor), (self.path / name).stat()):
                    undo.pop_all()
                    return descriptor


def prove(password: str, question: bytes) -> bytes:
    """Return what only who knows the password can answer to a question."""
    return hmac.new(password.encode(), question, "sha256").hexdigest().encode()


def up_lock(home: Path) -> Path:
    """Return the file whose lock `up` holds while it serves a home: beside it no other server stays."""
    return home / "prefect" / "up.lock"


def is_held(path: Path) -> bool:
    """Say whether a process holds the lock of a file, alone or with others."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def warm_servers(home: Path) -> list[ServerFolder]:
    """Return the folders of a home's living servers."""
    try:
        folders = [ServerFolder(one) for one in sorted((home.absolute() / "prefect" / "servers").iterdir())]
    except OSError:
        return []
    return [one for one in folders if one.is_taken()]
