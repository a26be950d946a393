"""Text dialects whose prompt is the conversation up to the task: user and assistant in turn, the task last of all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from environments.dialects.text import TextDialect
from schemas.message import Message, Role
from schemas.task_spec import TaskSpec

_ROLES: tuple[Role, Role] = ("user", "assistant")
_PROBLEM = "\x00problem\x00"


def in_turn(texts: Iterable[str]) -> tuple[Message, ...]:
    """Return texts as messages of the user and the assistant in turn."""
    return tuple(Message(role=_ROLES[number % 2], content=text) for number, text in enumerate(texts))


class PromptedText(TextDialect):
    """Words what its prompt holds; how a turn and what it gave are worded is left to the world."""

    def inputs(self, spec: TaskSpec | None) -> Mapping[str, Any]:
        """Return what the prompt takes beside the problem; None = for the last message, which all tasks share."""
        return {}

    @abstractmethod
    def word_result(self, observation: str) -> str:
        """Word what an action gave."""

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return what stands before the task: instructions, acknowledgement, one-shot example."""
        return in_turn(self._sections(spec)[:-1])

    def observe(self, observation: str, index: int) -> str:
        """Word an observation; index 0 is the task."""
        if index:
            return self.word_result(observation)
        return self._sections(None)[-1].replace(_PROBLEM, observation)

    def _sections(self, spec: TaskSpec | None) -> list[str]:
        """Return the prompt's messages; a problem's own text is put in later, so that it never cuts them."""
        return self.prompt.sections(problem=_PROBLEM, world=self.told, **self.inputs(spec))
