"""The process of a home's own server: it begins for one command and stays for the next ones, until nobody has used it
for a while, the home is gone or `up` serves it. It kills nobody and needs nobody to end it.

Its arguments: its folder, the home, and the idle seconds after which it ends. It inherits the lock of its folder.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from commands.dashboard.server_folder import HOST, PROOF, ServerFolder, ServerRecord, is_held, prove, up_lock

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_LOOK_SECONDS = 0.5
_END_SECONDS = 10.0
"""A server that was asked to stop was seen to live on for minutes."""


def serve_home(folder: ServerFolder, home: Path, idle_seconds: float) -> None:
    """Serve until nobody needs it; the lock is this process's already."""
    stop, ready = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(folder, home, idle_seconds, stop, ready), daemon=True).start()
    record = ServerRecord(0, secrets.token_urlsafe(32))
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = record.password  # before Prefect is imported, which reads it once
    try:
        _serve(folder, record, stop, ready)
    finally:
        folder.forget()


def _serve(folder: ServerFolder, record: ServerRecord, stop: threading.Event, ready: threading.Event) -> None:
    import uvicorn  # heavy, as all below: by now the watch is kept

    from commands.dashboard.server import only_here
    from tasks.prefect_private import make_server

    class Server(uvicorn.Server):
        """Says where it is once it answers, and ends when it is not needed."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()
            folder.write(record)

        async def on_tick(self, counter: int) -> bool:
            return stop.is_set() or await super().on_tick(counter)

    with socket.socket() as listener:
        listener.bind((HOST, 0))
        record = record._replace(port=listener.getsockname()[1])
        app = only_here(proving(make_server(temporary=True), record.password), f"{HOST}:{record.port}")
        config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=3)
        Server(config).run([listener])


def proving(app: ASGIApp, password: str) -> ASGIApp:
    """Let an application prove whose it is."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PROOF:
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": prove(password, scope["query_string"])})

    return answer


def _watch(
    folder: ServerFolder, home: Path, idle_seconds: float, stop: threading.Event, ready: threading.Event
) -> NoReturn:
    """End the process when the home is gone, or when nobody has used the server for long enough."""
    _wait_until_needless(folder, home, idle_seconds)
    stop.set()
    if ready.is_set():  # else it is amid its start, with nothing to lose
        time.sleep(_END_SECONDS)
    os._exit(0)


def _wait_until_needless(folder: ServerFolder, home: Path, idle_seconds: float) -> None:
    born, users = home.stat(), os.open(folder.path / "users", os.O_RDWR | os.O_CREAT, 0o600)
    last_used = time.monotonic()
    while _is_there(home, born):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            last_used = time.monotonic()
        else:
            patience = 0.0 if is_held(up_lock(home)) else idle_seconds
            if time.monotonic() - last_used >= patience:
                break  # the lock stays ours: who comes now waits for the end
            fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)


def _is_there(home: Path, born: os.stat_result) -> bool:
    try:
        return os.path.samestat(home.stat(), born)
    except OSError:
        return False


if __name__ == "__main__":
    serve_home(ServerFolder(Path(sys.argv[1])), Path(sys.argv[2]), float(sys.argv[3]))
