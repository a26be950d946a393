"""The seam inside: a place on a server that holds one episode's database at a time, and the login that may touch it.

Everything here is synchronous and runs in threads; `database.py` sets deadlines and interrupts from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from environments.db.engine import Result
from environments.db.state import State
from schemas.task_spec import Setup


class SessionLost(Exception):
    """The connection ended under a statement: killed by us, or the server with it."""


@dataclass(frozen=True)
class Made:
    """A database as it was before the agent came."""

    setup: Setup
    schema: str
    """CREATE statements."""
    tables: tuple[str, ...]
    """Tables and views, in name order."""
    size: int
    """Bytes on disk."""


class Slot(Protocol):
    """One database on a server. Its login, and no other, may touch it."""

    def make(self, setup: Setup) -> Made:
        """Make the database anew and fill it as its own login; one that was given back as it was made is kept.

        What was made is looked at once, and remembered for as long as the same is made again.

        Raises:
            EnvironmentFault: it cannot be filled.
            SandboxError: the server is gone.
        """

    def connect(self, seconds: float) -> Any:
        """Return a session of the login as if it were just opened, its statements bound to `seconds`.

        Raises:
            SandboxError: the server is gone.
        """

    def is_open(self, session: Any) -> bool:
        """Whether the session can run statements."""

    def run(self, session: Any, sql: str, seconds: float) -> Result:
        """Run one statement of the agent's.

        Raises:
            SessionLost: the connection ended.
        """

    def interrupt(self, session: Any) -> None:
        """Stop the session's statement from outside; never raises."""

    def leave(self, session: Any) -> None:
        """Close an idle session, or keep it where it can be cleaned without doubt; never raises."""

    def end(self, session: Any) -> None:
        """End the session from outside, whatever it does; never raises."""

    def size(self) -> int:
        """Return the database's bytes on disk."""

    def state(self) -> State:
        """Digest it as the administrator sees it."""

    def table(self, name: str, columns: Sequence[str], limit: int) -> Result:
        """Read a table as the administrator sees it."""

    def drop(self) -> None:
        """Drop the database with everything that its login owns."""
