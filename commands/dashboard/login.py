"""The login of the server that `up` runs: drawn once a home, kept in it for its owner's eyes."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from schemas.errors import ConfigError
from schemas.redaction import learn_secret

VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"
"""Prefect's own: what stands there is the login, and where it is empty none is asked for."""


def login_path(home: Path) -> Path:
    """Return the file that holds a home's login."""
    return home / "prefect" / "login"


def login_of(home: Path) -> str:
    """Return the login, `name:password`; an empty text = none is asked for.

    Raises:
        ConfigError: it cannot be kept or read.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        learn_secret(given.partition(":")[2])
        return given
    path = login_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(f"mill:{secrets.token_urlsafe(18)}\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. Give another --home, or set {VARIABLE}"
        ) from error
    try:
        login = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Remove it, and another login is drawn") from error
    if ":" not in login:
        raise ConfigError(f"{path} holds no name:password. Remove it, and another login is drawn")
    learn_secret(login.partition(":")[2])
    return login


def basic(login: str) -> dict[str, str]:
    """Return the headers that carry a login."""
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
