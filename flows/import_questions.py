"""import_questions: questions with a known answer become tasks, each tried before it comes in."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from environments.registry import importers
from flows.open_workshop import open_workshop
from flows.stages import stage
from formats.catalogue import choose
from schemas.errors import ConfigError
from tasks.generate.authors import count_derivable
from tasks.generate.rounds import STAGE, derive_tasks


@flow(name="import_questions", flow_run_name="import {format}", validate_parameters=False)
async def import_questions(format: str, path: str) -> int:
    """Derive tasks from every question of a file or folder that no earlier run took; return how many there are."""
    derive = choose(importers(), format).derive
    if derive is None:
        raise ConfigError(f"{format} holds no questions that tasks could be derived from")
    async with open_workshop("import", "demo", derive(Path(path))) as workshop, stage(workshop, STAGE):
        await derive_tasks(workshop.build)
        return count_derivable(workshop)
