"""Recordings as episodes: plan those of open tasks, run their actions again, land them as any episode lands."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple, get_args

from prefect import task

from environments.base import World
from schemas.episode import NOT_FINAL, Episode, Solver, Turn
from schemas.record import digest
from schemas.recording import Recording
from schemas.task_spec import Origin, TaskSpec
from tasks.collect.episodes import (
    count_episode,
    live_shard,
    specs_of,
    store_again,
    store_plan,
)
from tasks.collect.roll_out import LOOP_CONTRACT, Attempt, replay_recording
from tasks.together import finish_all
from tasks.workshop import Workshop


class Replay(NamedTuple):
    """One planned replay, as it stands in a stored plan."""

    recording_id: str
    try_number: int

    @classmethod
    def parse(cls, text: str) -> Replay:
        """Read what `str` wrote."""
        recording_id, try_number = text.split(":")
        return cls(recording_id, int(try_number))

    def __str__(self) -> str:
        return ":".join(map(str, self))


def recorded_solver(recording: Recording, dialect: str = "react") -> Solver:
    """Return the policy that a recording shows: a model in a loop, under the names that its source gives them.

    `dialect` words its row.
    """
    solver_id = digest("solver", "recorded", recording.model, recording.agent, LOOP_CONTRACT)
    return Solver(kind="recorded", model=recording.model, solver_id=solver_id, dialect=dialect)


def plan_replays(workshop: Workshop, world: str, origins: Sequence[str]) -> list[str]:
    """List the recordings of a world that no episode has made final, and that have a try left, in a fixed order."""
    rows = workshop.warehouse.query(
        "SELECT r.recording_id, coalesce(max(e.try_number), 0) + 1 FROM recordings r "
        "JOIN task_specs s ON s.task_id = r.task_id AND s.environment = ? AND list_contains(?::VARCHAR[], s.origin) "
        "AND s.task_id NOT IN (SELECT id FROM turned_away) "
        "LEFT JOIN episodes e ON e.recording_id = r.recording_id GROUP BY 1 "
        f"HAVING coalesce(bool_and(e.outcome IN {NOT_FINAL!r} OR e.verdict = 'unknown'), true) "
        "AND coalesce(max(e.try_number), 0) < ?",
        (world, list(origins), workshop.config.collect.max_tries),
    )
    planned = [Replay(*row) for row in rows]
    return [str(one) for one in sorted(planned, key=lambda replay: digest("plan", workshop.build, str(replay)))]


def plan_replay_shards(workshop: Workshop, world: str, origins: Sequence[str] | None) -> list[tuple[str, int]]:
    """Store (or read back) the plan of a world's replays; return its shards as (part, index)."""
    part, chosen = f"{world} recorded", list(origins or workshop.config.collect.origins)
    again = store_again(workshop, part, part, lambda planned: _plan_again(workshop, world, planned))
    return (
        store_plan(workshop, part, lambda: plan_replays(workshop, world, chosen)[: workshop.config.collect.tasks])
        + again
    )


def _plan_again(workshop: Workshop, world: str, planned: Collection[str]) -> list[str]:
    mine = {Replay.parse(one).recording_id for one in planned}
    found = plan_replays(workshop, world, get_args(Origin))
    return [one for one in found if one not in planned and Replay.parse(one).recording_id in mine]


@task(name="replay shard", task_run_name="replay {part} shard {index}", tags=["stage:collect_episodes"])
async def replay_shard(build: int, part: str, index: int) -> dict[str, int]:
    """Run one shard of a stored plan's recordings again and land it; a shard that landed before is done."""
    return await live_shard(build, part, index, _replay_all)


async def _replay_all(workshop: Workshop, ids: Sequence[str], landing: str) -> list[tuple[Episode, list[Turn]]]:
    replays = [Replay.parse(i) for i in ids]
    recordings = _recordings_of(workshop, replays)
    specs = {spec.task_id: spec for spec in specs_of(workshop, [r.task_id for r in recordings.values()])}
    gate = asyncio.Semaphore(workshop.config.collect.concurrency)

    async def one(replay: Replay) -> tuple[Episode, list[Turn]]:
        recording = recordings[replay.recording_id]
        async with gate:
            played = await _replay(workshop, specs[recording.task_id], recording, replay.try_number, landing)
        count_episode(workshop, played[0])
        return played

    return await finish_all(one(replay) for replay in replays)


def _recordings_of(workshop: Workshop, replays: Sequence[Replay]) -> dict[str, Recording]:
    ids = sorted({replay.recording_id for replay in replays})
    found = workshop.warehouse.read("recordings", "list_contains(?::VARCHAR[], recording_id)", (ids,))
    return {recording.recording_id: recording for recording in found}


async def _replay(
    workshop: Workshop, spec: TaskSpec, recording: Recording, try_number: int, landing: str
) -> tuple[Episode, list[Turn]]:
    attempt = Attempt(workshop.build, recording.number, try_number, landing)
    world, rules = await workshop.open_world(spec.environment), workshop.solver_rules(spec, "reference")
    rules = replace(rules, solver=recorded_solver(recording, _dialect_of(recording, world) or rules.dialect.name))
    return await replay_recording(spec, world, rules, attempt, recording)


def _dialect_of(recording: Recording, world: World) -> str | None:
    """Return the dialect that alone can word a recording's turns: that of calls, where it has some."""
    if not any(turn.calls for turn in recording.turns):
        return None
    return next((name for name, dialect in world.dialects.items() if dialect.tools()), None)
