"""MixtureOfAgents: several proposals, then an aggregator that writes one reply from them, behind the same `complete`.

Mixture-of-Agents (Wang et al. 2024, arXiv 2406.04692) has several models propose; Self-MoA (Li et al. 2025, arXiv
2502.00674) draws several samples of one. It stands above the ledger, so each of its calls is a request of its own: paid
once, bound by the limits and the budget, and found in `completions`. The papers put the proposals into the system
message; here they follow the conversation, so that an endpoint's prefix cache serves every turn of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import prompts
from schemas.completion import Completion, CompletionRequest, Sampling, Synthesis
from schemas.message import Message
from schemas.run_config import AgentsConfig
from teachers.base import Teacher

PROMPT = "aggregate"
_ANSWERS = ("stop", "tool_calls")
"""How a reply ends that is worth showing to an aggregator."""
_SEED_STEP = 7919
"""Between the seeds of two samples: a prime far above the attempts of a task, whose seeds are neighbours."""


class MixtureOfAgents:
    """Wraps a teacher whose answers are in the ledger; what asks no mixture goes straight through."""

    def __init__(self, teacher: Teacher, mixtures: Mapping[str, AgentsConfig]) -> None:
        self.teacher = teacher
        self._mixtures = mixtures

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a request; a mixture's answer is its aggregator's, with the receipts of all proposals.

        Where no proposal of a layer is an answer (refused, cut off, empty), the first of them is returned as it ended.

        Raises:
            TeacherError, BudgetError: of any of the calls, once all that were under way have ended.
        """
        mixture = self._mixtures.get(request.model)
        if mixture is None:
            return await self.teacher.complete(request)
        paid: list[Completion] = []
        layer: list[Completion] = []
        for _ in range(mixture.layers):
            layer = await self._ask_all(proposal_requests(request, mixture, layer))
            paid += layer
            if not usable(layer):
                return Synthesis(**dict(layer[0]), proposals=tuple(paid))
        answer = await self.teacher.complete(with_proposals(request, layer, model=mixture.aggregator))
        return Synthesis(**dict(answer), proposals=tuple(paid))

    async def close(self) -> None:
        """Close the teacher."""
        await self.teacher.close()

    async def _ask_all(self, requests: Iterable[CompletionRequest]) -> list[Completion]:
        """Ask at once and let all end whatever becomes of one: an answer in flight is paid for."""
        asked = [asyncio.ensure_future(self.teacher.complete(request)) for request in requests]
        await asyncio.gather(*asked, return_exceptions=True)
        return [one.result() for one in asked]


def proposal_requests(
    request: CompletionRequest, mixture: AgentsConfig, before: Sequence[Completion] = ()
) -> list[CompletionRequest]:
    """Word a layer's requests, by proposer and sample; from the second layer on each is shown the layer before.

    Neither the mixture's name nor its aggregator counts in them, so another aggregator finds the proposals paid.
    """
    shown = with_proposals(request, before) if before else request
    return [
        shown.model_copy(
            update={
                "model": proposer,
                "sampling": _sampling(request, mixture, sample),
                "samples": 1,
                "key": f"{request.key}/proposal {sample}",
            }
        )
        for proposer in mixture.proposers
        for sample in range(mixture.samples)
    ]


def with_proposals(
    request: CompletionRequest, proposals: Sequence[Completion], model: str | None = None
) -> CompletionRequest:
    """Put the proposals that are answers after the conversation and ask for one reply out of them.

    They become part of a last message of the user's: some chat templates refuse two of one role in a row. All
    proposals are parents, those left out as well: they were paid for the answer's sake.
    """
    prompt = prompts.load(PROMPT)
    words = prompt.render(proposals=[_text(proposal) for proposal in usable(proposals)])
    *before, last = request.messages
    added = [last, Message(role="user", content=words)]
    if last.role == "user":
        added = [last.model_copy(update={"content": f"{last.content}\n\n{words}"})]
    changes = {
        "model": model or request.model,
        "messages": (*before, *added),
        "prompt_sha": prompt.sha256,
        "parents": tuple(proposal.completion_id for proposal in proposals),
    }
    return request.model_copy(update=changes)


def usable(proposals: Iterable[Completion]) -> list[Completion]:
    """Return the proposals that are answers: not refused, cut off or empty."""
    return [proposal for proposal in proposals if proposal.finish_reason in _ANSWERS]


def calls_of(model: str, mixtures: Mapping[str, AgentsConfig]) -> dict[str, int]:
    """Return how often each model is asked for one answer of `model`, which may be a mixture's name."""
    mixture = mixtures.get(model)
    if mixture is None:
        return {model: 1}
    calls = Counter(dict.fromkeys(mixture.proposers, mixture.samples * mixture.layers))
    calls[mixture.aggregator] += 1
    return dict(calls)


def _sampling(request: CompletionRequest, mixture: AgentsConfig, sample: int) -> Sampling:
    seed = request.sampling.seed
    changes = {"temperature": mixture.temperature, "seed": None if seed is None else seed + _SEED_STEP * sample}
    return request.sampling.model_copy(update=changes)


def _text(proposal: Completion) -> str:
    """Write a proposal as text, the calls of tools as well."""
    calls = [f"calls {call.name} with {call.arguments}" for call in proposal.tool_calls]
    return "\n".join(part for part in (proposal.reply.strip(), *calls) if part)
