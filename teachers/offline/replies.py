"""What the offline teacher says: a stateless function of the request body, as any endpoint sees it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.completion import ChatMessage
from schemas.record import canonical_json
from schemas.run_config import FaultsConfig
from teachers.base import Rehearsal
from teachers.offline.plan import model_seed, solver_fault, task_fault, thought_fault
from teachers.offline.thoughts import is_backfill, write_thought
from teachers.offline.votes import proposals_in, vote

_NOT_REHEARSED = (
    "I am the built-in stand-in for a language model: I can write and solve the practice tasks of this program, and I "
    "did not recognise this prompt as one of them. Please configure a real model for anything else."
)


def respond(body: Mapping[str, Any], rehearsals: Sequence[Rehearsal], faults: FaultsConfig) -> str:
    """Reply to a request body: a task for a generation prompt, the next turn for a solver's conversation, a thought
    for a backfill prompt, what most say for an aggregator's, and a polite word for anything else."""
    messages = tuple(ChatMessage(role=m["role"], content=text_of(m["content"])) for m in body["messages"])
    seed = model_seed(body["model"], body.get("seed"))
    prompt = messages[-1].content
    proposals = proposals_in(prompt)
    if proposals:
        return vote(proposals)
    if is_backfill(prompt):
        return write_thought(prompt, _dice(messages, body), thought_fault(prompt, seed, faults))
    for rehearsal in rehearsals:
        problem = rehearsal.problem(messages)
        if problem is not None:
            fault = solver_fault(problem, seed, rehearsal.solver_faults(problem), faults)
            return rehearsal.solve(messages, fault)
        if rehearsal.drafts(prompt):
            fault = task_fault(prompt, seed, rehearsal.task_faults(prompt), faults)
            return rehearsal.draft(prompt, _dice(messages, body), fault)
    return _NOT_REHEARSED


def text_of(content: str | Sequence[Mapping[str, Any]]) -> str:
    """Return a message's text, whether it came whole or in parts."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _dice(messages: Sequence[ChatMessage], body: Mapping[str, Any]) -> random.Random:
    words = [[message.role, message.content] for message in messages]
    return random.Random(hashlib.sha256(canonical_json([words, body.get("seed"), body["model"]])).digest())
