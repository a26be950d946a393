"""A second opinion before a task comes in: the solver is asked a few times, and must not agree against the reference.

Paid apart (`second_opinions` in the ledger and the budget); the attempts are no episodes of a collection. Those of a
question serve its replay, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import replace

from environments.agreement import find_agreements
from environments.base import World
from environments.endings import UNEARNED, Ending
from schemas.completion import CompletionRequest
from schemas.episode import Episode, Turn
from schemas.errors import EpisodeError, OutageError
from schemas.message import Message
from schemas.rejection import DISPUTED
from schemas.task_spec import TaskSpec
from tasks.collect.disputes import shown
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, Rules, roll_out
from tasks.generate.admit import STAGE, Candidate, Refused
from tasks.together import finish_all
from tasks.unsettled import is_outage
from tasks.workshop import Workshop

KEY = "second opinion"
"""Tells these requests from a collection's: they are drawn anew."""
LEAST = 2
"""Opinions that have to agree."""

Played = tuple[Episode, list[Turn]]


async def ask_opinions(workshop: Workshop, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Refused]]:
    """Ask for `generate.second_opinions` attempts at each task; return those that stand, and the disputed ones.

    Raises:
        OutageError: too many attempts came to no end.
    """
    number = workshop.config.generate.second_opinions
    if not number:
        return list(candidates), []
    unique: dict[Hashable, TaskSpec] = {}
    for spec, _ in candidates:
        unique.setdefault(_question_of(spec), spec)
    gate = asyncio.Semaphore(workshop.config.collect.concurrency)

    async def one(spec: TaskSpec) -> list[Played]:
        async with gate:
            return [await _attempt(workshop, spec, attempt) for attempt in range(1, number + 1)]

    played = dict(zip(unique, await finish_all(map(one, unique.values())), strict=True))
    _require_ends(workshop, [episode for attempts in played.values() for episode, _ in attempts])
    why = {name: await _why_disputed(workshop, unique[name], attempts) for name, attempts in played.items()}
    standing = [one for one in candidates if not why[_question_of(one.spec)]]
    refused = [
        Refused.of(candidate, STAGE, DISPUTED, detail)
        for candidate in candidates
        if (detail := why[_question_of(candidate.spec)])
    ]
    return standing, refused


def _question_of(spec: TaskSpec) -> Hashable:
    """Return what a question and its replay have in common."""
    return spec.environment, spec.instruction, spec.setup.model_dump_json(), spec.reference


async def _attempt(workshop: Workshop, spec: TaskSpec, number: int) -> Played:
    world = await workshop.open_world(spec.environment)
    rules = _drawn(workshop, workshop.solver_rules(spec))
    attempt = Attempt(workshop.build, number, 1, KEY)
    return await roll_out(spec, world, workshop.teacher, rules, attempt, NoJournal())


def _drawn(workshop: Workshop, rules: Rules) -> Rules:
    """Return the solver's rules with requests of this stage, drawn at a temperature whatever the solver's is."""
    temperature = max(workshop.config.teacher.solver_temperature, workshop.config.generate.opinion_temperature)

    def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
        request = rules.request(messages, attempt)
        sampling = request.sampling.model_copy(update={"temperature": temperature})
        return request.model_copy(update={"purpose": "second_opinions", "sampling": sampling, "key": KEY})

    return replace(rules, request=ask)


def _require_ends(workshop: Workshop, episodes: Sequence[Episode]) -> None:
    lost = [episode for episode in episodes if not episode.is_final]
    if is_outage(len(lost), len(episodes), workshop.config.publish.max_unknown):
        raise OutageError(
            f"{len(lost):,} of {len(episodes):,} second opinions came to no end ({lost[0].outcome}: "
            f"{lost[0].outcome_reason}): no task of this round comes in. When what broke is well again, run the same "
            "command; what was paid comes from the ledger. --set generate.second_opinions=0 does without them"
        )


async def _why_disputed(workshop: Workshop, spec: TaskSpec, played: Sequence[Played]) -> str:
    """Say who agrees against the reference, as many as pass at least; empty = too few do."""
    passed = sum(episode.verdict == "passed" for episode, _ in played)
    endings = [
        Ending(episode.answer, episode.work_digest or episode.state_digest)
        for episode, turns in played
        if _speaks_against(episode, turns)
    ]
    if len(endings) < max(LEAST, passed):
        return ""
    world: World = await workshop.open_world(spec.environment)
    try:
        found = await find_agreements(world, spec, endings)
    except EpisodeError:
        return ""
    largest = max(found.groups, key=len, default=())
    if len(largest) < max(LEAST, passed):
        return ""
    agreed, reference = shown(endings[largest[0]]), shown(found.reference)
    return f"{len(largest)} of {len(played)} attempts ended with {agreed}, the reference with {reference}"


def _speaks_against(episode: Episode, turns: Sequence[Turn]) -> bool:
    acts = sum(max(1, len(turn.calls)) for turn in turns if turn.valid)
    has_failed = episode.outcome == "finished" and episode.verdict == "failed"
    return has_failed and acts > 1 and not episode.verdict_detail.startswith(UNEARNED)
