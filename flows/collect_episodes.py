"""collect_episodes: the solver works on tasks in sandboxes, and each work is proven by running it."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow

from flows.open_workshop import open_workshop
from flows.stages import stage
from tasks.collect.disputes import settle_disputes
from tasks.collect.episodes import STAGE, collect_shard, has_reached_goal, plan_shards
from tasks.collect.recordings import plan_replay_shards, replay_shard
from tasks.together import finish_all
from tasks.unsettled import require_outcomes
from tasks.workshop import Workshop


@flow(name="collect_episodes", flow_run_name="collect episodes ({config})", validate_parameters=False)
async def collect_episodes(
    config: str = "demo",
    overrides: dict[str, Any] | None = None,
    solver: str = "teacher",
    origins: list[str] | None = None,
) -> None:
    """Collect in every world at once until its goal or its attempts are reached, or its recordings are run again."""
    collect = replay_world if solver == "recorded" else partial(collect_world, solver=solver)
    asks = solver == "teacher"
    async with open_workshop("collect", config, overrides, asks=asks) as workshop, stage(workshop, STAGE):
        await finish_all(collect(workshop, world, origins=origins) for world in workshop.worlds)
        await settle_disputes(workshop.build)
        require_outcomes(workshop, workshop.build)


async def collect_world(workshop: Workshop, world: str, *, solver: str, origins: list[str] | None) -> None:
    """Collect in one world: waves of attempts, each cut into shards."""
    for wave in range(1, workshop.config.collect.attempts + 1):
        for part, index in plan_shards(workshop, world, wave, solver, origins):
            if has_reached_goal(workshop, world):
                return
            await collect_shard(workshop.build, part, index)


async def replay_world(workshop: Workshop, world: str, *, origins: list[str] | None) -> None:
    """Run the recordings of one world again, cut into shards."""
    for part, index in plan_replay_shards(workshop, world, origins):
        await replay_shard(workshop.build, part, index)
