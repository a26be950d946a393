"""Prefect's ephemeral server, made to live exactly as long as the process that started it.

Prefect ends it in an exit handler alone: after a kill -9 it would stay and work on in the home's history. And a
Ctrl-C in a terminal reaches it as well: it would be gone before the run has said that it was stopped.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Any

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL

_GUARD = 'read -r server; read -r forever; kill "$server" 2>/dev/null'
"""Waits until the pipe to it closes, which the kernel does when the writer dies, however it dies."""


def guard_ephemeral_server() -> None:
    """Let the server that Prefect starts when it is first asked for be a guarded one; none where an address is set."""
    if not PREFECT_API_URL.value():
        _GuardedServer()


class _GuardedServer(SubprocessASGIServer):
    """Prefect keeps one server by port; the first to ask for it makes it, so it is made here."""

    def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
        guard = subprocess.Popen(["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True)
        self._guards = [*getattr(self, "_guards", ()), guard]  # a guard that is collected would end its server
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: Ctrl-C is the run's to answer
        try:
            server = super()._run_uvicorn_command()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, old)
        assert guard.stdin is not None
        guard.stdin.write(b"%d\n" % server.pid)
        guard.stdin.flush()
        return server
