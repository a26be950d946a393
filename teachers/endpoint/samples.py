"""Samples: several replies to one question, in one call where the endpoint can, else one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from schemas.completion import CompletionRequest
from teachers.endpoint.replies import Reply

Ask = Callable[[CompletionRequest], Awaitable[Reply]]


async def draw_samples(ask: Ask, request: CompletionRequest) -> list[Reply]:
    """Return replies that hold together at least the samples asked for.

    Ollama ignores `n`, others refuse it; what is missing is asked for singly, at once. With a seed each draw gets its
    own, since one seed gives one reply.

    Raises:
        TeacherError: one of the draws failed after all retries; the request is asked whole again by whoever comes next.
    """
    first = await ask(request)
    missing = range(len(first.choices), request.samples)
    drawn = await asyncio.gather(*(ask(_single(request, draw)) for draw in missing), return_exceptions=True)
    failed = next((outcome for outcome in drawn if isinstance(outcome, BaseException)), None)
    if failed is not None:
        raise failed
    return [first, *(outcome for outcome in drawn if not isinstance(outcome, BaseException))]


def _single(request: CompletionRequest, draw: int) -> CompletionRequest:
    seed = request.sampling.seed
    sampling = request.sampling if seed is None else request.sampling.model_copy(update={"seed": seed + draw})
    return request.model_copy(update={"samples": 1, "sampling": sampling})
