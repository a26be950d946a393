"""What exports that compare attempts are given beside the release: the attempts at its tasks, failed ones too.

A release holds what passed; what failed stands in the home's tables alone (`tasks.publish.read_attempts` reads it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from formats.releases.fold import fold_context
from formats.releases.release_folder import ReleaseFolder
from schemas.errors import InputError
from schemas.message import Message

PROBLEMS = {
    "no_world": "is an attempt in a world that is not installed here",
    "no_turns": "is an attempt of which nothing was understood",
    "rounds": "is an attempt whose rounds were conversations of their own",
}
"""Why an attempt has no words."""
TASKS_AT_ONCE = 200


class Attempt(NamedTuple):
    """One final attempt of a solver at a task."""

    task_id: str
    episode_id: str
    environment: str
    rows: frozenset[str]
    """Training rows that were made of it, in whatever release."""
    passed: bool
    reward: float
    model: str | None
    dialect: str
    tools: str | None
    """JSON text of the functions that it could call."""
    messages: tuple[Message, ...]
    """As it was collected, no thought filled in: all attempts alike, whether they became rows or not."""
    problem: str = ""
    """Why it has no messages: a key of `PROBLEMS`."""

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Return what stands before its first turn, context folded as in the release's `messages`."""
        folded = self.folded
        return folded[: next((n for n, message in enumerate(folded) if message.train), len(folded))]

    @property
    def folded(self) -> tuple[Message, ...]:
        return fold_context(self.messages)


AttemptsOf = Callable[[Sequence[str]], Iterator[tuple[Attempt, ...]]]
"""Gives the attempts at each of some tasks, in their order."""


def attempts_of_split(release: ReleaseFolder, split: str, attempts: AttemptsOf) -> Iterator[tuple[Attempt, ...]]:
    """Yield the attempts at each task that a split holds; passed ones only where their rows stand in the release.

    Raises:
        InputError: the release does not say which tasks its rows solve.
    """
    rows: dict[str, set[str]] = defaultdict(set)
    for row in release.rows(split):
        if row.environment is not None and row.task_id is None:
            raise InputError(
                f"release {release.release_id} is of before rows named their tasks; publish once more and export that"
            )
        if row.task_id is not None:
            rows[row.task_id].add(row.id)
    tasks = sorted(rows)
    for start in range(0, len(tasks), TASKS_AT_ONCE):
        for found in attempts(tasks[start : start + TASKS_AT_ONCE]):
            yield tuple(one for one in found if not one.passed or one.rows & rows[one.task_id])
