"""Rounds without memory: each request shows the task and what is seen now, and nothing of the turns before.

AgentTuning's Mind2Web and every world whose observation holds all that matters are asked so. For training each round is
a conversation of its own: what the model saw when it chose, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Self

from environments.actions import Reading
from environments.dialects.base import Dialect
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message, Tool
from schemas.task_spec import TaskSpec


def task_and_now(task: str, observation: str) -> str:
    """Show the task, and below it what is seen now."""
    return f"{task}\n\n{observation}"


class Rounds:
    """Implements `environments.base.Dialect`: another dialect's first request, made anew each turn."""

    name = "rounds"

    def __init__(self, dialect: Dialect, show: Callable[[str, str], str] = task_and_now) -> None:
        """`dialect` words and reads a round; `show` words task and observation as its one observation."""
        self.prompt, self.stop, self.contract = dialect.prompt, dialect.stop, dialect.contract
        self._dialect, self._show = dialect, show

    def knowing(self, told: Mapping[str, Any]) -> Self:
        """Return the rounds of a dialect that tells its solver this of the world."""
        other = copy(self)
        other._dialect = self._dialect.knowing(told)
        return other

    def tools(self) -> tuple[Tool, ...]:
        """Declare what the other dialect does."""
        return self._dialect.tools()

    def render(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the task and what is seen now as a conversation that begins."""
        return self._dialect.render(spec, (), self._now(turns, observation))

    def read(self, completion: Completion) -> Reading:
        """Read a completion as the other dialect does."""
        return self._dialect.read(completion)

    def write(self, turn: Turn) -> Message:
        """Word a turn as the other dialect does."""
        return self._dialect.write(turn)

    def visible(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the round without what stands before the task."""
        return self._dialect.visible(spec, (), self._now(turns, observation))

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word each round as a conversation of its own."""
        return tuple(
            (*self.render(spec, turns[:number], turn.observation), self.write(turn))
            for number, turn in enumerate(turns)
        )

    def reads_back(self, turn: Turn) -> bool:
        """Whether the turn's wording reads as its action."""
        return self._dialect.reads_back(turn)

    def _now(self, turns: Sequence[Turn], observation: str) -> str:
        return self._show(turns[0].observation, observation) if turns else observation
