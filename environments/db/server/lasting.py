"""The one session of a slot's login that may outlive an episode, since opening one costs as much as an episode.

It may where we opened it before the agent came (so that no setting of the login's was in force), nothing but plain
statements ran in it since (`Touch.is_plain`), and the server has reset it; in any doubt it is closed.
"""

from __future__ import annotations

from typing import Generic, TypeVar

S = TypeVar("S")
_USES = 200
"""A session ends after so many, since its memory does not shrink."""


class Lasting(Generic[S]):
    """Knows which session may stay, and whether it is free."""

    def __init__(self) -> None:
        self._session: S | None = None
        self._is_free = False
        self._uses_left = 0

    def keep(self, session: S) -> None:
        """Have a session ready that is as it was opened."""
        if session is not self._session:
            self._session, self._uses_left = session, _USES
        self._uses_left -= 1
        self._is_free = True

    def take(self) -> S | None:
        """Return the session that is ready, if there is one."""
        taken, self._is_free = self._session if self._is_free else None, False
        return taken

    @property
    def is_free(self) -> bool:
        return self._is_free

    def may_stay(self, session: S) -> bool:
        """Whether it may be kept once it is reset."""
        return session is self._session and self._uses_left > 0

    def forget(self, session: S) -> None:
        """Let a session end with its episode."""
        if session is self._session:
            self._session, self._is_free = None, False
