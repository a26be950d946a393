"""A home, before anything is opened in it: where it is, whether it can be written, and that one run works on it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import ConfigError
from tasks.prefect_private import RUN_OF_A_WORKER
from warehouse.home_stamp import require_known_form

MIN_FREE_BYTES = 300 << 20
"""Room that a default build takes, Prefect's history included (measured: under 100 MB), three times over."""


@contextmanager
def own_home(home: Path) -> Iterator[Path]:
    """Take the home for this run alone; reading it with SQL stays free.

    Raises:
        ConfigError: it would not last or cannot be written, another run works on it, or the disk is nearly full.
    """
    home = lasting_home(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "build.lock").open("a+")
    except OSError as error:
        raise ConfigError(f"the home {home} cannot be written ({error.strerror}); choose another with --home") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another run works on {home}; wait for it, or choose another --home") from None
        free = shutil.disk_usage(home).free
        if free < MIN_FREE_BYTES:
            raise ConfigError(f"{free >> 20} MB are free under {home}; a build needs {MIN_FREE_BYTES >> 20}. Make room")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        require_known_form(home)
        yield home


def lasting_home(home: Path) -> Path:
    """Return where a home is.

    Raises:
        ConfigError: it would lie in the folder of a worker's run, which is removed when the run ends.
    """
    if not home.is_absolute() and RUN_OF_A_WORKER in os.environ:
        raise ConfigError(
            f"the home {home} would be gone with the folder of this run: name an absolute one in TRAJMILL_HOME, in the "
            "worker's environment"
        )
    return home.absolute()


def require_home(home: Path) -> Path:
    """Return a home that was worked on before.

    Raises:
        ConfigError: there is none.
    """
    if not (home / "tables").is_dir():
        raise ConfigError(f"{home.absolute()} is no home of Trajmill yet; run `trajmill build` or name one with --home")
    return home
