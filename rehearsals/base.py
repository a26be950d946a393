"""The seam of the offline teacher: what a world's families must be able to say, from prompts alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import prompts
from schemas.message import Message


@dataclass(frozen=True)
class Move:
    """A solver's next turn, before it is worded as text or as a tool call."""

    thought: str | None
    kind: str
    """What is done, as the world names it: bash, sql, answer, finish."""
    text: str = ""
    """Command, statement or answer."""
    raw: str | None = None
    """A planted reply that cannot be read, which is said as it is."""
    arguments: str = ""
    """JSON text of the call, where its tool takes more than a text."""


class Rehearsal(Protocol):
    """A world's families for the offline teacher: pure functions of what a prompt says (`environments/*/rehearsal.py`).

    A draw is made once per problem, so `fault` is the same in every turn of an episode.
    """

    def drafts(self, prompt: str) -> bool:
        """Whether the text is this world's generation prompt."""

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply for one task, with a planted task fault or none."""

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show."""

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the problem's text where this is the world's solver conversation, in either form, else None."""

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the solver's next move, reading the task and the observations from the conversation alone."""

    def say(self, move: Move) -> str:
        """Word a move as the text that the world's own dialect reads."""

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text; None where it takes none."""


def find_tool(prompt: str, kind: str) -> tuple[str, str | None]:
    """Return name and text argument of the tool for a kind of action, from the front matter of a solver's prompt."""
    tool = next(tool for tool in prompts.load(prompt).front["tools"] if tool["kind"] == kind)
    return tool["name"], tool.get("text")
