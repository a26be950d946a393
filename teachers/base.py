"""The seam: `complete(request) -> Completion`. Wrappers that compose: ledger, limits, budget."""

from __future__ import annotations

from typing import Protocol

from schemas.completion import Completion, CompletionRequest
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
