"""The seam of speech: what every `Dialect` can do, whatever the words are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from environments.actions import Reading
from prompts import Prompt
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message, Tool
from schemas.task_spec import TaskSpec

TELLING = 3
"""Solvers' prompts from this contract on say the world's rules; observations keep head and tail, and count."""


class Dialect(Protocol):
    """How a conversation with the solver is written and read. Reading is tolerant, writing is canonical."""

    name: str
    """react, tools, rounds, or the world's own word; part of `solver_id`."""
    contract: int
    """Raised by hand when requests or readings change; the first adds nothing to `solver_id`."""
    prompt: Prompt
    """What its requests are worded by; its sha256 counts in `solver_id` and in each request."""
    stop: tuple[str, ...]
    """Where an endpoint is to end the reply."""

    def knowing(self, told: Mapping[str, Any]) -> Self:
        """Return the dialect that tells its solver this of the world (`World.told`)."""

    def tools(self) -> tuple[Tool, ...]:
        """Return the functions that a request declares; none = text."""

    def render(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the whole request for the next turn, from the turns so far and what is seen now."""

    def read(self, completion: Completion) -> Reading:
        """Read a whole completion: text, calls and reasoning."""

    def write(self, turn: Turn) -> Message:
        """Word a turn as the assistant's message, canonically; `read` understands it as the same actions."""

    def visible(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word what the solver saw up to now, the turns canonically, without what stood before the task."""

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word an episode for training: one conversation, or one a round where there is no memory.

        Messages to train on are marked; context (instructions, examples) is not.
        """

    def reads_back(self, turn: Turn) -> bool:
        """Whether the turn's canonical wording, thought included, reads as the action that it is."""
