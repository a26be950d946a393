"""up: a local Prefect server with dashboard, and beside it a process that serves schedules; both end with this one.

Nothing of Prefect is imported here: it reads its settings once, and the server's address is known only now.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from commands.dashboard.client import Dashboard
from commands.dashboard.login import login_of
from commands.dashboard.patience import Patience
from commands.dashboard.served import DEFAULT, named_deployments
from commands.dashboard.server_folder import up_lock
from commands.terminal import bold, say
from schemas.errors import ConfigError, TrajmillError
from schemas.settings import Settings

HOST = "127.0.0.1"
SCHEDULE_SECONDS = 900
"""Longest wait for the next run of every schedule: 10 s on an idle machine. SQLAlchemy 2.1 stops Prefect's scheduler
without a word, so what is not seen to work is not announced."""
STOP_SECONDS = {"server": 15, "serving": 40}
"""After these a process that was asked to stop is killed: flow runs get 30 s from Prefect to end by themselves, and a
server that was asked to stop was seen to live on for minutes."""
TERM_SECONDS = {"server": 0.5, "serving": 2.0}
"""The same after a SIGTERM, which is answered within five seconds (commands/stopping.py): schedules are paused first, a
run that is killed then goes on with the next build, and the next `up` corrects the history."""
_GUARD = 'read -r forever; kill -s KILL -- "-$0"'
"""Waits until the pipe to it closes, which the kernel does when the writer dies, however it dies."""


class Child(NamedTuple):
    """A process that `up` started, in a session of its own, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Stopped(threading.Event):
    """Set once a signal has come; `patience` is how many seconds each process gets to stop."""

    patience: Mapping[str, float] = STOP_SECONDS

    def answer(self, number: int, frame: FrameType | None) -> None:
        """Be the handler of a signal; a later one changes nothing, but for a SIGTERM, which cannot wait so long."""
        if number == signal.SIGTERM:
            self.patience = TERM_SECONDS
        self.set()


def run_up(port: int, deployments: list[str] | None, host: str = HOST) -> None:
    """Serve until a signal comes; `host` is where the server listens, it is always asked on loopback.

    Raises:
        ConfigError: an unknown deployment, or a port that cannot be used.
        TrajmillError: the server or the schedules do not come up, or end by themselves.
    """
    home, names = Settings().home.resolve(), deployments or list(DEFAULT)
    named_deployments(names)
    _must_be_free(host, port)
    dashboard = Dashboard(HOST, port, login_of(home))
    stopped = _on_signals()
    serve, schedule = ["commands.dashboard.server", host, str(port)], ["commands.dashboard.serving", *names]
    with _alone(home), _child("server", serve, home, dashboard, stopped) as server:
        _wait(stopped, [server], dashboard.is_healthy)
        with _child("serving", schedule, home, dashboard, stopped) as serving:
            _wait(stopped, [server, serving], lambda: all(map(dashboard.next_run, names)), SCHEDULE_SECONDS)
            if not stopped.is_set():
                _announce(dashboard, names, home)
            _wait(stopped, [server, serving])
            say("Stopping ...")
    say("Stopped; no schedule fires any more.")


def _announce(dashboard: Dashboard, names: Sequence[str], home: Path) -> None:
    say("Dashboard  ", bold(f"{dashboard.address}/v2/runs?hide-subflows=true"))
    say("Artifacts  ", bold(f"{dashboard.address}/v2/artifacts"), " (no menu entry leads there)")
    if dashboard.login:
        say("Login      ", bold(dashboard.login), " (the page asks for it once, whole, as the password)")
    for name in names:
        say(f"Serving    {name}, next at {dashboard.next_run(name)}")
    say(f"Home       {home}\nLogs       {home / 'prefect' / 'server.log'}, {home / 'prefect' / 'serving.log'}")
    say("Ctrl-C stops.")


def _on_signals() -> Stopped:
    """Return what SIGINT, SIGTERM or SIGHUP sets."""
    stopped = Stopped()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped.answer)
    return stopped


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Let no other server of the home outlast the commands that use it."""
    lock = up_lock(home)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield


@contextmanager
def _child(name: str, module: Sequence[str], home: Path, dashboard: Dashboard, stopped: Stopped) -> Iterator[Child]:
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
            env={name: value for name, value in os.environ.items() if value} | _environment(home, dashboard),
        )
    guard = subprocess.Popen(["/bin/sh", "-c", _GUARD, str(process.pid)], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield Child(name, process, log)
    finally:
        _end(process, name, stopped)
        guard.kill()
        guard.communicate()


def _environment(home: Path, dashboard: Dashboard) -> dict[str, str]:
    return {
        "TRAJMILL_HOME": str(home),
        "PREFECT_API_URL": dashboard.api,
        **_login_environment(dashboard.login),
        # Without these two the UI looks for the API on port 4200, whatever the server's port is.
        "PREFECT_SERVER_API_PORT": str(dashboard.port),
        "PREFECT_SERVER_UI_API_URL": dashboard.api,
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",  # into the log file; runs log to the server as well
    }


def _login_environment(login: str) -> dict[str, str]:
    """Say the login to the server, which asks for it, and to its clients; an empty one would be no text to Prefect."""
    return {name: login for name in ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING") if login}


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
    stopped: Stopped,
    children: Sequence[Child],
    until: Callable[[], bool] | None = None,
    seconds: float = float("inf"),
) -> None:
    """Wait until a signal came or `until` is true, as long as the children live; say so where that lasts.

    Raises:
        TrajmillError: one ended by itself, or the time is up.
    """
    deadline, patience = time.monotonic() + seconds, Patience(f"the {children[-1].name} process", say)
    while (until is None or not until()) and not stopped.wait(0.25):
        if until is not None:
            patience.look()
        for child in children:
            if child.process.poll() is not None:
                raise TrajmillError(
                    f"the {child.name} process ended with code {child.process.returncode}; see {child.log}"
                )
        if time.monotonic() > deadline:
            child = children[-1]
            raise TrajmillError(f"the {child.name} process was not ready after {seconds:.0f} s; see {child.log}")


def _end(process: subprocess.Popen[bytes], name: str, stopped: Stopped) -> None:
    """Ask a process to stop, then kill what is left of its group; a SIGTERM would break Prefect's runner off midway."""
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    while process.poll() is None and time.monotonic() - asked < stopped.patience[name]:
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
