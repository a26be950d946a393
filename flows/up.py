"""up: a local Prefect server with dashboard, and beside it a process that serves schedules; both end with this one.

Nothing of Prefect is imported here: it reads its settings once, and the server's address is known only now.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from flows.dashboard import Dashboard
from flows.served import DEFAULT, named_deployments
from flows.terminal import say
from schemas.errors import ConfigError, TrajmillError
from schemas.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 120
SCHEDULE_SECONDS = 150
"""Longest wait for the next run of every schedule: 10 s on an idle machine. SQLAlchemy 2.1 stops Prefect's scheduler
without a word, so what is not seen to work is not announced."""
STOP_SECONDS = {"server": 15, "serving": 40}
"""After these a process that was asked to stop is killed: flow runs get 30 s from Prefect to end by themselves, and a
server that was asked to stop was seen to live on for minutes."""
_GUARD = 'read -r forever; kill -s KILL -- "-$0"'
"""Waits until the pipe to it closes, which the kernel does when the writer dies, however it dies."""


class Child(NamedTuple):
    """A process that `up` started, in a session of its own, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


def run_up(port: int, deployments: list[str] | None, host: str = HOST) -> None:
    """Serve until a signal comes; `host` is where the server listens, it is always asked on loopback.

    Raises:
        ConfigError: an unknown deployment, or a port that cannot be used.
        TrajmillError: the server or the schedules do not come up, or end by themselves.
    """
    home, dashboard, names = Settings().home.resolve(), Dashboard(HOST, port), deployments or list(DEFAULT)
    named_deployments(names)
    _must_be_free(host, port)
    stopped = _on_signals()
    with _child("server", ["flows.dashboard_server", host, str(port)], home, dashboard) as server:
        _wait(stopped, [server], dashboard.is_healthy, START_SECONDS)
        with _child("serving", ["flows.serving", *names], home, dashboard) as serving:
            _wait(stopped, [server, serving], lambda: all(map(dashboard.next_run, names)), SCHEDULE_SECONDS)
            if not stopped.is_set():
                _announce(dashboard, names, home)
            _wait(stopped, [server, serving])
            say("Stopping ...")
    say("Stopped; the schedules are paused.")


def _announce(dashboard: Dashboard, names: Sequence[str], home: Path) -> None:
    say(f"Dashboard  [bold]{dashboard.address}/v2/runs?hide-subflows=true[/bold]")
    say(f"Artifacts  [bold]{dashboard.address}/v2/artifacts[/bold] (no menu entry leads there)")
    for name in names:
        say(f"Serving    {name}, next at {dashboard.next_run(name)}")
    say(f"Home       {home}\nLogs       {home / 'prefect' / 'server.log'}, {home / 'prefect' / 'serving.log'}")
    say("Ctrl-C stops.")


def _on_signals() -> threading.Event:
    """Return what the first SIGINT, SIGTERM or SIGHUP sets; further ones change nothing, since stopping is bounded."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


@contextmanager
def _child(name: str, module: Sequence[str], home: Path, dashboard: Dashboard) -> Iterator[Child]:
    log = home / "prefect" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", *module]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,  # no folder of the place where `up` was started is taken for a package of ours
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | _environment(home, dashboard),
        )
    guard = subprocess.Popen(["/bin/sh", "-c", _GUARD, str(process.pid)], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield Child(name, process, log)
    finally:
        _end(process, STOP_SECONDS[name])
        guard.kill()
        guard.communicate()


def _environment(home: Path, dashboard: Dashboard) -> dict[str, str]:
    return {
        "TRAJMILL_HOME": str(home),
        "PREFECT_API_URL": dashboard.api,
        # Without these two the UI looks for the API on port 4200, whatever the server's port is.
        "PREFECT_SERVER_API_PORT": str(dashboard.port),
        "PREFECT_SERVER_UI_API_URL": dashboard.api,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",  # into the log file; runs log to the server as well
    }


def _must_be_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another with --port"
            ) from None


def _wait(
    stopped: threading.Event,
    children: Sequence[Child],
    until: Callable[[], bool] = lambda: False,
    seconds: float = float("inf"),
) -> None:
    """Wait until a signal came or `until` is true, as long as the children live.

    Raises:
        TrajmillError: one ended by itself, or the time is up.
    """
    deadline = time.monotonic() + seconds
    while not until() and not stopped.wait(0.25):
        for child in children:
            if child.process.poll() is not None:
                raise TrajmillError(
                    f"the {child.name} process ended with code {child.process.returncode}; see {child.log}"
                )
        if time.monotonic() > deadline:
            child = children[-1]
            raise TrajmillError(f"the {child.name} process was not ready after {seconds:.0f} s; see {child.log}")


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to stop, then kill what is left of its group; a SIGTERM would break Prefect's runner off midway."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
