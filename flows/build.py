"""build: the whole figure."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_artifacts
from flows.collect_episodes import collect_episodes
from flows.curate_trajectories import curate_trajectories
from flows.generate_tasks import generate_tasks
from flows.ingest_conversations import ingest_conversations
from flows.open_workshop import open_workshop
from flows.publish_mixture import publish_mixture
from flows.run_page import run_page
from schemas.release import Release


@flow(name="build", flow_run_name="build {config}", validate_parameters=False)
async def build(config: str = "demo", overrides: dict[str, Any] | None = None, fresh: bool = False) -> Release:
    """Make tasks, collect, curate, ingest general chat, publish; continue an unfinished build where it stood."""
    async with open_workshop("build", config, overrides, fresh=fresh) as workshop, run_page(workshop):
        await generate_tasks(config, overrides)
        await collect_episodes(config, overrides)
        await curate_trajectories(config, overrides)
        await ingest_conversations(config, overrides)
        release = await publish_mixture(config, overrides)
        await publish_artifacts(workshop, release)
        return release
