"""Scripted: the teacher's double. It says what it was told to say and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from schemas.completion import Completion, CompletionRequest
from schemas.errors import TeacherError
from schemas.trajectory import approximate_tokens


class Scripted:
    """Replies in order, or as a function of the request."""

    def __init__(self, replies: Sequence[str] | Callable[[CompletionRequest], str]) -> None:
        self._replies = replies
        self.requests: list[CompletionRequest] = []
        """What was asked, in order."""

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer with the next reply.

        Raises:
            TeacherError: the script has ended.
        """
        self.requests.append(request)
        return receipt(request, self._next_reply(request))

    async def close(self) -> None:
        """Do nothing."""

    def _next_reply(self, request: CompletionRequest) -> str:
        if not isinstance(self._replies, Sequence):
            return self._replies(request)
        if len(self.requests) > len(self._replies):
            raise TeacherError(
                f"the script has {len(self._replies)} replies and was asked for another", transient=False
            )
        return self._replies[len(self.requests) - 1]


def receipt(request: CompletionRequest, reply: str) -> Completion:
    """Make the receipt of a reply that cost nothing."""
    return Completion(
        completion_id=request.request_hash,
        purpose=request.purpose,
        teacher=request.teacher,
        model=request.model,
        prompt_sha=request.prompt_sha,
        reply=reply,
        finish_reason="stop" if reply.strip() else "empty",
        prompt_tokens=sum(approximate_tokens(message.content) for message in request.messages),
        completion_tokens=approximate_tokens(reply),
        cost_usd=0.0,
        latency_seconds=0.0,
        created_at=datetime.now(UTC),
        parents=request.parents,
    )
