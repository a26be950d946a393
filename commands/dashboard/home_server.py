"""A command's hold on its home's own Prefect server: found where one is warm, else started, and in use to the end.

Where `PREFECT_API_URL` names a server, that one is asked and none is started.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from commands.dashboard.patience import Patience
from commands.dashboard.server_folder import ServerFolder, ServerRecord, is_held, up_lock
from schemas.errors import TrajmillError
from tasks.prefect_private import read_environment_again

PROGRAM = ("-m", "commands.dashboard.warm_server")
_LOOK_SECONDS = 0.05
_END_SECONDS = 15.0
_SECRETS = ("OPENAI_", "HF_", "TRAJMILL_")
"""Beginnings of the variables that a server which stays has no business with."""


class HomeServer:
    """The server that one command uses; `wait` before the first flow."""

    def __init__(self, home: Path, idle_seconds: float) -> None:
        """Find the server or start it, without waiting for it.

        Args:
            idle_seconds: how long it stays without a user; 0 = it ends with its last one.
        """
        self._home = home.resolve()
        self._idle_seconds = idle_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = _settings()
        self._folder = ServerFolder.of(home, self._settings)
        self._users = -1
        self._hold()

    @property
    def is_kept(self) -> bool:
        """Whether it stays for later commands: then nothing has to wait for what it still has to write."""
        return self._idle_seconds > 0 and not is_held(up_lock(self._home))

    def wait(self, tell: Callable[[str], None]) -> ServerRecord:
        """Wait until it serves, for as long as its process lives; `tell` hears if it is slow.

        Raises:
            TrajmillError: its process ended.
        """
        patience = Patience("Prefect's server", tell)
        while (record := self._folder.read()) is None or not record.is_proven():
            self._look_after()
            patience.look()
            time.sleep(_LOOK_SECONDS)
        return record

    def let_go(self) -> None:
        """End the use; a server that was started for this command alone is gone then."""
        if self._users >= 0:
            os.close(self._users)
            self._users = -1
        if self._process is not None and not self.is_kept:
            with suppress(subprocess.TimeoutExpired):  # another command has come to use it, or it is slow to end
                self._process.wait(_END_SECONDS)

    def _hold(self) -> None:
        """Become a user of the server that lives, or start it: the lock sees to it that there is one."""
        lock = self._folder.take()
        if lock is None:
            self._users = self._folder.join()
            return
        try:
            self._users = self._folder.join()
            self._folder.forget()
            self._folder.sweep_others()
            self._process = self._start(lock)
        finally:
            os.close(lock)  # the server has it as well

    def _start(self, lock: int) -> subprocess.Popen[bytes]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
        arguments = [str(self._folder.path), str(self._home), str(self._idle_seconds)]
        with self._folder.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", *PROGRAM, *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the run's to answer
                pass_fds=(lock,),
                env=own | self._settings,
            )

    def _look_after(self) -> None:
        """Start a server where the one that was found has ended.

        Raises:
            TrajmillError: the one that was started has.
        """
        if self._process is not None:
            if self._process.poll() is not None:
                last = self._folder.log.read_text(errors="replace").strip().splitlines()[-3:]
                raise TrajmillError(
                    f"Prefect's server ended while it started; see {self._folder.log}: {' '.join(last)}"
                )
        elif not self._folder.is_taken():
            os.close(self._users)
            self._hold()


def point_prefect_at(record: ServerRecord) -> None:
    """Let this process's flows be told to a server."""
    os.environ["PREFECT_API_URL"], os.environ["PREFECT_API_AUTH_STRING"] = record.api, record.password
    read_environment_again()


def open_home_server(home: Path, idle_seconds: float) -> HomeServer | None:
    """Return the home's server, found or on its way; None = another one is named in Prefect's settings."""
    ending = ExitStack()
    atexit.register(ending.close)  # registered before Prefect's own, so it runs after them
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return None
    server = HomeServer(home, idle_seconds)
    ending.callback(server.let_go)
    return server


def _settings() -> dict[str, str]:
    """Return what Prefect was told, by the environment or a file; a server keeps what it began with."""
    from prefect.settings import get_current_settings

    return get_current_settings().to_environment_variables(exclude_unset=True)
