"""Every failure, named after the boundary that broke.

    TrajmillError
    ├── ConfigError        the call or its configuration is wrong: exit code 2, nothing was spent
    │   └── NothingFound       the call is right and matches nothing: exit code 1
    ├── InputError         data from outside cannot be read at all (single bad rows are Rejections)
    ├── WarehouseError     a table could not be read or written
    ├── ExpectationError   a table or mixture does not hold what it promises; the release stops
    ├── BudgetError        the budget is used up; what was paid for is landed
    ├── OutageError        too much of a build has no outcome: run again to go on
    └── EpisodeError       recorded on its episode, never stops the siblings
        ├── TeacherError       the model endpoint
        │   └── ContextOverflow    the question is longer than the model's context
        ├── SandboxError       the walls
        ├── EnvironmentFault   the world (not `EnvironmentError`, a builtin)
        └── CheckError         the check itself could not run: the verdict is unknown, never reward 0
            └── CheckSandboxError  since the walls broke around it

A message says what happened, with which value, what is allowed, and what to do next.
"""

from __future__ import annotations


class TrajmillError(Exception):
    """Base of all errors that Trajmill raises on purpose."""


class ConfigError(TrajmillError):
    """The user can fix it; only the text is shown, exit code 2."""


class NothingFound(ConfigError):
    """A call that is right and matches nothing; only the text is shown, exit code 1."""


class InputError(TrajmillError):
    """A file from outside cannot be read at all; exit code 2."""


class WarehouseError(TrajmillError):
    """A table could not be read or written."""


class ExpectationError(TrajmillError):
    """Landed data breaks a promise, or the validation itself could not run (the text says which)."""


class BudgetError(TrajmillError):
    """The budget ends the run cleanly; run again with a larger one to go on."""


class OutageError(TrajmillError):
    """Too much of a build has no outcome; run again to go on, and what is missing is asked again."""


class EpisodeError(TrajmillError):
    """Something broke while one episode ran.

    Attributes:
        transient: whether trying again may help; a transient fault is planned again, at most `max_tries` times.
    """

    transient = True

    def __init__(self, message: str, *, transient: bool | None = None) -> None:
        super().__init__(message)
        if transient is not None:
            self.transient = transient


class TeacherError(EpisodeError):
    """The model endpoint failed after all retries."""


class ContextOverflow(TeacherError):
    """The question is longer than the model's context; the endpoint is well, and other questions may fit."""

    transient = False


class SandboxError(EpisodeError):
    """A sandbox could not be started, or died."""


class EnvironmentFault(EpisodeError):
    """A world broke: its set-up failed, or a replayed observation differed (`not_reproducible`)."""


class CheckError(EpisodeError):
    """The check could not be run; its verdict is unknown."""


class CheckSandboxError(CheckError):
    """The walls broke around the check: that says nothing about the work or the task."""


class StateError(CheckError):
    """What the agent left stops the check: its episode has failed."""
