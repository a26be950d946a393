"""Text dialects: the whole conversation in every request, one action a turn, written and read as text.

A world's own protocol says what stands before the task, and how an observation and a turn are worded and read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Self

from environments.actions import Action, Reading, actions_of
from prompts import Prompt
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message, Tool
from schemas.task_spec import TaskSpec


class TextDialect(ABC):
    """Implements `environments.base.Dialect` over four methods on text."""

    name = "react"
    contract = 1

    def __init__(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.told: Mapping[str, Any] = {}
        self.stop: tuple[str, ...] = tuple(prompt.front.get("stop", ()))

    @abstractmethod
    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return what stands before the task: instructions, acknowledgement, one-shot example (never trained on)."""

    @abstractmethod
    def observe(self, observation: str, index: int) -> str:
        """Word an observation as the user message of turn `index` (0: the task itself)."""

    @abstractmethod
    def read_text(self, reply: str) -> Reading:
        """Read a reply."""

    @abstractmethod
    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; inverse of `read_text`."""

    def knowing(self, told: Mapping[str, Any]) -> Self:
        """Return the dialect that tells its solver this of the world."""
        other = copy(self)
        other.told = told
        return other

    def tools(self) -> tuple[Tool, ...]:
        """Declare none."""
        return ()

    def render(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the request: what was said is said again as it came."""
        said = [self._said(turn) for turn in turns]
        return (*self.context(spec), *self._exchange(turns, said), self._seen(observation, len(turns)))

    def read(self, completion: Completion) -> Reading:
        """Read the completion's text."""
        return self.read_text(completion.reply)

    def write(self, turn: Turn) -> Message:
        """Word a turn canonically."""
        content = self.write_text(turn.thought, actions_of(turn)[0])
        return Message(role="assistant", content=content, train=True, reasoning_content=turn.reasoning)

    def visible(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word what was seen and done, the one-shot example apart."""
        return (*self._exchange(turns, [self.write(turn) for turn in turns]), self._seen(observation, len(turns)))

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word an episode as one conversation."""
        return ((*self.context(spec), *self._exchange(turns, [self.write(turn) for turn in turns])),)

    def reads_back(self, turn: Turn) -> bool:
        """Whether the thought leaves the action what it is: none may hold the protocol's own marks."""
        action = actions_of(turn)[0]
        bare, whole = (self.read_text(self.write_text(words, action)).actions for words in (None, turn.thought))
        return bare == whole

    def _said(self, turn: Turn) -> Message:
        says_nothing = not (
            turn.reply or ""
        ).strip()  # a native call in a text dialect: endpoints take no empty message
        return self.write(turn) if says_nothing else Message(role="assistant", content=turn.reply or "")

    def _seen(self, observation: str, index: int) -> Message:
        return Message(role="user", content=self.observe(observation, index))

    def _exchange(self, turns: Sequence[Turn], said: Sequence[Message]) -> list[Message]:
        pairs = zip(turns, said, strict=True)
        return [message for turn, reply in pairs for message in (self._seen(turn.observation, turn.index), reply)]
