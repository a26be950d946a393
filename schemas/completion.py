"""CompletionRequest and Completion: what a model was asked, and the receipt of its answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from schemas.record import VOLATILE, Record, digest
from schemas.trajectory import Role

Purpose = Literal["generate_tasks", "collect_episodes", "curate_trajectories"]


class ChatMessage(Record):
    role: Role
    content: str


class Sampling(Record):
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    """Every request carries a maximum of output tokens, so that a budget can hold."""
    seed: int | None = None
    stop: tuple[str, ...] = ()


class CompletionRequest(Record):
    """One question to a teacher."""

    purpose: Purpose
    teacher: str
    """Configured name of the teacher; never a URL, port or key."""
    model: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    prompt_sha: str | None = None
    """sha256 of the prompt file that made the messages."""
    attempt: int = 1
    """Makes two draws of the same question two requests."""
    key: str = ""
    """What else the request stands for: the build and round of a generation; empty elsewhere."""

    @property
    def request_hash(self) -> str:
        """Return the ledger's key: equal questions are asked and paid once."""
        return digest(
            "completion",
            self.teacher,
            self.model,
            self.messages,
            self.sampling,
            self.prompt_sha,
            self.attempt,
            self.key,
        )


FinishReason = Literal["stop", "length", "content_filter", "empty"]


class Completion(Record):
    """The receipt of one model call."""

    completion_id: str
    """The request hash."""
    purpose: Purpose
    teacher: str
    model: str
    """Model that was asked."""
    prompt_sha: str | None
    reply: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Annotated[float, VOLATILE]
    """At the prices configured when it was paid."""
    latency_seconds: Annotated[float, VOLATILE]
    created_at: Annotated[datetime, VOLATILE]
