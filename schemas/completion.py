"""CompletionRequest and Completion: what a model was asked, and the receipt of its answer.

JSON that somebody else defines (a tool's parameters, a call's arguments, a schema) stays text: it is hashed, stored and
sent as it was written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from schemas.message import Message, Tool, ToolCall
from schemas.record import VOLATILE, Record, digest

Purpose = Literal["generate_tasks", "second_opinions", "collect_episodes", "curate_trajectories"]


class AnswerSchema(Record):
    """The shape that a reply must have."""

    name: str
    json_schema: str


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
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    prompt_sha: str | None = None
    """sha256 of the prompt file that made the messages."""
    attempt: int = 1
    """Makes two draws of the same question two requests."""
    key: str = ""
    """What else the request stands for: the build and round of a generation; empty elsewhere."""
    tools: tuple[Tool, ...] = ()
    answer_schema: AnswerSchema | None = None
    samples: int = Field(default=1, ge=1)
    """Replies to draw in one call."""
    parents: tuple[str, ...] = ()
    """Completions that were asked for this one's sake; the receipt names them as well."""

    @property
    def request_hash(self) -> str:
        """Return the ledger's key: equal questions are asked and paid once."""
        return digest(
            "completion",
            self.teacher,
            self.model,
            [message.asked for message in self.messages],
            self.sampling,
            self.prompt_sha,
            self.attempt,
            self.key,
            self.tools,
            self.answer_schema,
            self.samples,
            self.parents,
        )


FinishReason = Literal["stop", "tool_calls", "length", "content_filter", "empty"]


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
    """The first sample's text, without its reasoning."""
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Annotated[float, VOLATILE]
    """At the prices configured when it was paid."""
    cached_tokens: int = 0
    """Prompt tokens that the endpoint says it had read before."""
    reasoning_tokens: int = 0
    """Completion tokens that went into reasoning, where the endpoint says so."""
    latency_seconds: Annotated[float, VOLATILE]
    created_at: Annotated[datetime, VOLATILE]
    reasoning: str | None = None
    """What the model thought aloud apart from its reply; never shown to it again, never trained on."""
    tool_calls: tuple[ToolCall, ...] = ()
    more_samples: tuple[str, ...] = ()
    """The further replies where several were asked for; refused, cut and empty ones are left out."""
    parents: tuple[str, ...] = ()
    """Completions that this one was made from: an aggregator's proposals, the reply that a repair mends."""
    usage_estimated: bool = False
    """Whether its tokens are estimates, since the endpoint told none that can be true."""
    batch: bool = False
    """Whether it came through a batch API, at the batch's price."""

    @property
    def receipts(self) -> tuple[Completion, ...]:
        """Return every receipt behind this answer, its own first."""
        return (self,)


class Synthesis(Completion):
    """A receipt with those of the proposals it was made from; stored and landed as the Completion it is."""

    proposals: tuple[Completion, ...]

    @property
    def receipts(self) -> tuple[Completion, ...]:
        """Return every receipt behind this answer, its own first, each once."""
        behind = (receipt for proposal in self.proposals for receipt in proposal.receipts)
        return tuple({receipt.completion_id: receipt for receipt in (self, *behind)}.values())
