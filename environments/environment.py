"""The live part of the seam: an `Environment` is one episode, reset, acted in and judged within its time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from environments.actions import Action, Step
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.recording import RecordedTurn
from schemas.task_spec import TaskSpec

UNCHANGED = "as set up"
"""Fingerprint of a state that nothing has changed."""


class Environment(ABC):
    """One live episode; an async context manager whose exit closes it."""

    spec: TaskSpec
    judge_seconds: float = 600.0
    """Wall time that `verify` may take: twenty programs of a check at their limit of 30 s each, so that only one that
    would not end by itself is ended."""

    @abstractmethod
    async def reset(self) -> Step:
        """Build the initial state and return the task as the first observation.

        Raises:
            EnvironmentFault: the set-up failed.
        """

    @abstractmethod
    async def step(self, action: Action) -> Step:
        """Act once.

        Raises:
            EnvironmentFault, SandboxError: the world broke, not the solver.
        """

    @abstractmethod
    async def verify(self) -> Verdict:
        """Judge the final state and answer by execution, in a fresh view, never in the agent's shell.

        Called by `judge_episode` alone. What computes for long does so in a thread or a process: on the event loop it
        would hold every other episode, and nothing could end it.

        Raises:
            CheckError: the check could not run.
        """

    @abstractmethod
    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Run the task's reference as the episode (after `reset`) and end it with what it gave; return its turns.

        Raises:
            EnvironmentFault: the task has none; an answer never comes from a label.
        """

    async def fingerprint(self) -> str | None:
        """Digest the state as the agent left it, last of all; None = this world cannot tell.

        Raises:
            SandboxError: the world broke.
        """
        return None

    async def work(self) -> str | None:
        """Digest what counts of that state as somebody's work, without what programs leave by themselves.

        None = all of it counts. Two attempts that left the same work agree (`World.same_outcome`).

        Raises:
            SandboxError: the world broke.
        """
        return None

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return what a recorded turn does in this world as it stands (`submit`: hand in what the last action gave).

        None: the world has no such action, or it says nothing.
        """
        return Action(turn.action_kind, turn.action) if turn.action.strip() else None

    async def close(self) -> None:  # noqa: B027
        """Let go of what the episode holds; idempotent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


async def judge_episode(environment: Environment) -> Verdict:
    """Let an environment judge its episode within its `judge_seconds`.

    Raises:
        CheckError: the check could not run, or did not end in time.
        EnvironmentFault, SandboxError: the world broke.
    """
    try:
        async with asyncio.timeout(environment.judge_seconds):
            return await environment.verify()
    except TimeoutError as error:
        raise CheckError(
            f"the check did not end within {environment.judge_seconds:g} s ({error!r}), so nothing is known of the "
            f"episode; a check must end by itself: let it do less, or let {type(environment).__name__} have more "
            "`judge_seconds`"
        ) from error


STRAY = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a world's own mistake raises: a row, a reply or an argument of a shape that it did not think of."""


@contextmanager
def own_mistakes_told(world: str) -> Iterator[None]:
    """Let a world's stray exception end on its row or episode, as the fault of a world that broke.

    Raises:
        EnvironmentFault: it strayed; trying again would not help.
    """
    try:
        yield
    except STRAY as error:
        told = f"the {world} world broke: {type(error).__name__}: {error}"
        raise EnvironmentFault(told, transient=False) from error


def no_action(world: str, kind: str, known: str) -> EnvironmentFault:
    """Return the fault of an action that a world does not have."""
    return EnvironmentFault(f"the {world} world has no action {kind!r}; it has {known}", transient=False)
