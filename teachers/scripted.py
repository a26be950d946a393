"""Scripted: the teacher's double. It says what it was told to say and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.completion import Completion, CompletionRequest, FinishReason
from schemas.errors import TeacherError
from schemas.message import Message, ToolCall


@dataclass(frozen=True)
class Said:
    """One reply with all that an endpoint can give: words, calls, and reasoning apart from both."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None

    @property
    def finish_reason(self) -> FinishReason:
        """How an endpoint would say that it ended."""
        if self.calls:
            return "tool_calls"
        return "stop" if self.text.strip() else "empty"


class Scripted:
    """Replies in order, or as a function of the request; a plain text is a reply of words alone."""

    def __init__(self, replies: Sequence[str | Said] | Callable[[CompletionRequest], str | Said]) -> None:
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

    def _next_reply(self, request: CompletionRequest) -> str | Said:
        if not isinstance(self._replies, Sequence):
            return self._replies(request)
        if len(self.requests) > len(self._replies):
            raise TeacherError(
                f"the script has {len(self._replies)} replies and was asked for another", transient=False
            )
        return self._replies[len(self.requests) - 1]


def receipt(request: CompletionRequest, reply: str | Said) -> Completion:
    """Make the receipt of a reply that cost nothing."""
    said = Said(reply) if isinstance(reply, str) else reply
    spoken = Message(role="assistant", content=said.text, tool_calls=said.calls, reasoning_content=said.reasoning)
    return Completion(
        completion_id=request.request_hash,
        purpose=request.purpose,
        teacher=request.teacher,
        model=request.model,
        prompt_sha=request.prompt_sha,
        reply=said.text,
        finish_reason=said.finish_reason,
        prompt_tokens=sum(message.tokens for message in request.messages),
        completion_tokens=spoken.tokens,
        cost_usd=0.0,
        latency_seconds=0.0,
        created_at=datetime.now(UTC),
        reasoning=said.reasoning,
        tool_calls=said.calls,
        parents=request.parents,
    )
