"""curate_trajectories: reward filter, duplicates, cap per task, thoughts where there were none."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.open_workshop import open_workshop
from flows.stages import stage
from tasks.curate.trajectories import STAGE, count_shards, curate_shard


@flow(name="curate_trajectories", flow_run_name="curate trajectories ({config})", validate_parameters=False)
async def curate_trajectories(config: str = "demo", overrides: dict[str, Any] | None = None) -> None:
    """Curate every episode that this curation has not seen."""
    async with open_workshop("curate", config, overrides) as workshop, stage(workshop, STAGE):
        for index in range(count_shards(workshop)):
            await curate_shard(workshop.build, index)
