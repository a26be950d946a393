"""generate_tasks: questions are derived, tasks are made up, and only what proves itself comes in."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.open_workshop import open_workshop
from flows.stages import stage
from tasks.generate.rounds import STAGE, derive_tasks, expect_rounds, generate_round


@flow(name="generate_tasks", flow_run_name="generate tasks ({config})", validate_parameters=False)
async def generate_tasks(config: str = "demo", overrides: dict[str, Any] | None = None) -> None:
    """Derive tasks from questions, then make up tasks in rounds."""
    async with open_workshop("generate", config, overrides) as workshop, stage(workshop, STAGE):
        expect_rounds(workshop)
        await derive_tasks(workshop.build)
        for index in range(workshop.config.generate.rounds):
            await generate_round(workshop.build, index)
