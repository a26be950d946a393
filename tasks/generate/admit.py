"""Trials: a task is let in where every probe of its admission passes, in fresh environments of its world."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from environments.admission import admit
from environments.base import World
from environments.registry import Worlds
from schemas.errors import CheckSandboxError, EnvironmentFault, EpisodeError, OutageError, SandboxError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec
from tasks.together import finish_all

STAGE = "admit"
BROKEN = "sandbox_error"
TRIES = 2
"""Trials of a candidate when the sandbox, not the task, breaks."""


class Candidate(NamedTuple):
    """A task that asks to be let in."""

    spec: TaskSpec
    source: str
    """What names it in a rejection."""


class Refused(NamedTuple):
    """A task, or what was to become one, that is turned away."""

    source: str
    environment: str
    stage: str
    reason: str
    detail: str
    raw: object
    original: str | None = None
    """Of what is no news: the task that it is too close to."""

    @classmethod
    def of(cls, candidate: Candidate, stage: str, reason: str, detail: str) -> Refused:
        """Turn a candidate away."""
        return cls(candidate.source, candidate.spec.environment, stage, reason, detail, candidate.spec)

    def rejection(self, build: int | None = None) -> Rejection:
        """Return the row that tells it."""
        return Rejection.make(**self._asdict(), build=build)


async def try_all(
    worlds: Worlds, candidates: Sequence[Candidate], at_once: int
) -> tuple[list[Candidate], list[Refused]]:
    """Try candidates, `at_once` at a time; keep their order. What is let in carries its probes and what it ran on.

    Raises:
        OutageError: the sandbox broke under candidates, and breaks now under a task that it held before.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(candidate: Candidate) -> Candidate | Refused:
        async with gate:
            return await _try(await worlds.enter(candidate.spec.environment), candidate)

    results = await finish_all(one(candidate) for candidate in candidates)
    admitted, refused = [r for r in results if isinstance(r, Candidate)], [r for r in results if isinstance(r, Refused)]
    await _require_walls(worlds, admitted, [one for one in refused if one.reason == BROKEN])
    return admitted, refused


async def _require_walls(worlds: Worlds, admitted: Sequence[Candidate], broken: Sequence[Refused]) -> None:
    """Tell whose fault a broken sandbox is: one task of each world that was let in is tried again."""
    proven = {candidate.spec.environment: candidate.spec for candidate in reversed(admitted)}
    for environment in sorted({one.environment for one in broken} & proven.keys()):
        try:
            await admit(await worlds.enter(environment), proven[environment])
        except (SandboxError, CheckSandboxError) as error:
            raise OutageError(
                f"The sandbox of the {environment} world broke, under {len(broken):,} new tasks and under one that it "
                f"held before: {error}. Nothing of this round is kept; `trajmill doctor` tries the sandbox. When it "
                "stands, run the same command again: it goes on here, and what was paid comes from the ledger"
            ) from error


async def _try(world: World, candidate: Candidate) -> Candidate | Refused:
    broke = ""
    for _ in range(TRIES):
        try:
            probes = await admit(world, candidate.spec)
        except EnvironmentFault as error:
            return Refused.of(candidate, STAGE, "setup_fails", str(error))
        except (SandboxError, CheckSandboxError) as error:
            broke = str(error)
            continue
        except EpisodeError as error:
            return Refused.of(candidate, STAGE, "check_broken", str(error))
        failed = next((probe for probe in probes if not probe.passed), None)
        if failed:
            return Refused.of(candidate, STAGE, failed.name, failed.detail)
        described = world.describe(candidate.spec)
        provenance = candidate.spec.provenance.model_copy(
            update={"image": described.get("image"), "sandbox": described.get("sandbox")}
        )
        update = {"probes": probes, "provenance": provenance}
        return Candidate(candidate.spec.model_copy(update=update), candidate.source)
    return Refused.of(candidate, STAGE, BROKEN, broke)
