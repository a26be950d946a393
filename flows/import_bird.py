"""import bird: questions with gold SQL become tasks, each tried before it comes in."""

from __future__ import annotations

from prefect import flow

from flows.open_workshop import open_workshop
from flows.stages import stage
from tasks.generate_tasks import STAGE, derive_tasks

ALL = 1_000_000
"""More questions than any BIRD file has."""


@flow(name="import_bird", flow_run_name="import bird", validate_parameters=False)
async def import_bird(path: str) -> None:
    """Derive tasks from every question of a BIRD folder that no earlier run took."""
    overrides = {"environments": ["db"], "generate.db.bird": path, "generate.db.questions": ALL}
    async with open_workshop("import", "demo", overrides) as workshop, stage(workshop, STAGE):
        await derive_tasks(workshop.build)
