"""Trials: a task is let in where every probe of its admission passes, in fresh environments of its world."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from environments.admission import admit
from environments.base import World
from environments.registry import Worlds
from schemas.errors import CheckSandboxError, EnvironmentFault, EpisodeError, OutageError, SandboxError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec
from tasks.together import finish_all
from tasks.unsettled import LEAST

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
        OutageError: the sandbox broke under candidates, and breaks now under a task that it held before, or held none.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(candidate: Candidate) -> Candidate | Refused:
        async with gate:
            return await _try(await worlds.enter(candidate.spec.environment), candidate)

    results = await finish_all(one(candidate) for candidate in candidates)
    await _require_walls(worlds, candidates, results)
    return [r for r in results if isinstance(r, Candidate)], [r for r in results if isinstance(r, Refused)]


async def _require_walls(
    worlds: Worlds, candidates: Sequence[Candidate], results: Sequence[Candidate | Refused]
) -> None:
    """Tell whose fault a broken sandbox is: one task of each world that it held is tried again."""
    broken, held = Counter[str](), dict[str, TaskSpec]()
    for candidate, result in zip(candidates, results, strict=True):
        world = candidate.spec.environment
        if isinstance(result, Refused) and result.reason == BROKEN:
            broken[world] += 1
        else:
            held.setdefault(world, candidate.spec)
    for world, count in sorted(broken.items()):
        told = "" if world in held or count < LEAST else "it held none of them"
        if world in held:
            try:
                await admit(await worlds.enter(world), held[world])
            except (SandboxError, CheckSandboxError) as error:
                told = f"now it breaks under one that it held before: {error}"
            except EpisodeError:
                continue  # the task's own fault, as it was before
        if told:
            raise OutageError(
                f"The sandbox of the {world} world broke under {count:,} new tasks, and {told}. None of these tasks "
                "is kept; `trajmill doctor` tries the sandbox. When it stands, run the same command again: it goes on "
                "here, and what was paid comes from the ledger"
            )


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
