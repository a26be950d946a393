"""The seam: `complete(request) -> Completion`. Wrappers that compose: ledger, limits, budget."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

from schemas.completion import ChatMessage, Completion, CompletionRequest
from schemas.errors import ConfigError


class Teacher(Protocol):
    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a request.

        Raises:
            TeacherError: the endpoint failed after all retries.
            BudgetError: the answer could pass the budget; nothing was sent.
        """

    async def close(self) -> None:
        """Release connections; idempotent."""


class NoTeacher:
    """For runs that ask nothing: references and recordings."""

    async def complete(self, request: CompletionRequest) -> Completion:
        raise ConfigError(f"this run was opened without a teacher, yet {request.purpose} asks {request.model}")

    async def close(self) -> None:
        return None


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

    def problem(self, messages: Sequence[ChatMessage]) -> str | None:
        """Return the problem's text where this is the world's solver conversation, else None."""

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""

    def solve(self, messages: Sequence[ChatMessage], fault: str | None) -> str:
        """Write the solver's next reply, reading the task and the observations from the conversation alone."""
