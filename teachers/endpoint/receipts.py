"""The receipt of a call: the reply with its reasoning and its tool calls apart, what it took and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.completion import Completion, CompletionRequest, FinishReason
from schemas.message import ToolCall, approximate_tokens
from schemas.run_config import Price
from teachers.budget.budgeted import most_prompt_tokens
from teachers.budget.prices import cost_usd, price_of
from teachers.endpoint.reasoning import split_reasoning
from teachers.endpoint.replies import Choice, Reply, finish_reason
from teachers.endpoint.tool_calls import calls_of

_WHOLE = ("stop", "tool_calls")
_HIDDEN_INSTRUCTIONS = 8_192
"""Tokens that a gateway may put before a prompt beyond what the budget allows for; what it bills for them is booked."""
_MOST_REPLY = 131_072
"""Tokens that the longest-winded model writes at once, reasoning that nobody sees included."""
_SHORT, _MOST_CHARACTERS = 4_096, 64
"""A longer prompt has no fewer tokens than one for so many characters: a usage of 1 is no usage."""


class Sample(NamedTuple):
    text: str
    reasoning: str | None
    calls: tuple[ToolCall, ...]
    ended: FinishReason


class Tokens(NamedTuple):
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    is_estimated: bool = False


def make_receipt(
    request: CompletionRequest,
    replies: Sequence[Reply],
    latency_seconds: float,
    prices: Mapping[str, Price] | None = None,
) -> Completion:
    """Make one receipt of the replies that together answer a request (more than one where samples were asked singly).

    The first whole sample is the reply; the other whole ones stand in `more_samples`.
    """
    samples = [_sample(request, choice) for reply in replies for choice in reply.choices]
    whole = [sample for sample in samples if sample.ended in _WHOLE]
    first = whole[0] if whole else samples[0]
    tokens = _add_up([_tokens(request, reply) for reply in replies])
    return Completion(
        completion_id=request.request_hash,
        purpose=request.purpose,
        teacher=request.teacher,
        model=request.model,
        prompt_sha=request.prompt_sha,
        reply=first.text,
        finish_reason=first.ended,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cost_usd=cost_usd(
            price_of(request.model, prices), tokens.prompt, tokens.completion, cached_tokens=tokens.cached
        ),
        cached_tokens=tokens.cached,
        reasoning_tokens=tokens.reasoning,
        usage_estimated=tokens.is_estimated,
        latency_seconds=latency_seconds,
        created_at=datetime.now(UTC),
        reasoning=first.reasoning,
        tool_calls=first.calls,
        more_samples=tuple(sample.text for sample in whole[1:]),
        parents=request.parents,
    )


def _sample(request: CompletionRequest, choice: Choice) -> Sample:
    text, reasoning = split_reasoning(choice.message)
    calls = calls_of(choice.message)
    return Sample(text, reasoning, calls, finish_reason(choice, text, calls=bool(calls)))


def _tokens(request: CompletionRequest, reply: Reply) -> Tokens:
    """Return what a reply took; what a server leaves out, or says that cannot be, is estimated and marked so."""
    usage = reply.usage
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    cached = usage.prompt_tokens_details.cached_tokens or 0
    reasoning = usage.completion_tokens_details.reasoning_tokens or 0
    read, written = _read_at(request, prompt), _written_at(request, reply, completion)
    is_estimated = (read, written) != (prompt, completion)
    return Tokens(read, written, min(cached, read), min(reasoning, written), is_estimated)


def _read_at(request: CompletionRequest, told: int | None) -> int:
    """Return the tokens of the prompt: as told where that can be, never more than it could have, nor next to none."""
    most = most_prompt_tokens(request) * request.samples
    sent = sum(len(message.content) for message in request.messages)
    if told is None or (sent > _SHORT and sent > told * _MOST_CHARACTERS):
        return sum(approximate_tokens(message.content) for message in request.messages)
    return told if told <= most + _HIDDEN_INSTRUCTIONS else most


def _written_at(request: CompletionRequest, reply: Reply, told: int | None) -> int:
    """Return the tokens of the reply likewise; an endpoint may go beyond a maximum, and bill it."""
    if told is None:
        return sum(_written(choice) for choice in reply.choices)
    allowed = request.sampling.max_tokens * request.samples
    return told if told <= max(allowed, _MOST_REPLY * request.samples) else allowed


def _written(choice: Choice) -> int:
    message = choice.message
    return approximate_tokens(message.text) + approximate_tokens(message.reasoning or message.reasoning_content or "")


def _add_up(parts: Sequence[Tokens]) -> Tokens:
    prompt, completion, cached, reasoning, estimated = zip(*parts, strict=True)
    return Tokens(sum(prompt), sum(completion), sum(cached), sum(reasoning), any(estimated))
