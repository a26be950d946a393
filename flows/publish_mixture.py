"""publish_mixture: agent data and general chat at eta, as a release that anyone can load."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.open_workshop import open_workshop
from flows.run_page import tell_notes
from flows.stages import stage
from formats.releases.dataset_card import CardTable
from reports import funnel as report
from schemas.release import Release
from tasks.publish.mixture import STAGE, publish_release
from tasks.publish.validate_tables import validate_tables
from tasks.unsettled import require_outcomes


@flow(name="publish_mixture", flow_run_name="publish mixture ({config})", validate_parameters=False)
async def publish_mixture(config: str = "demo", overrides: dict[str, Any] | None = None) -> Release:
    """Validate what was landed, then publish it."""
    async with open_workshop("publish", config, overrides, asks=False) as workshop, stage(workshop, STAGE):
        require_outcomes(workshop)
        await validate_tables(workshop.build)
        acceptance = report.acceptance(workshop.warehouse)
        turned_away = report.reasons(workshop.warehouse)
        tables = [card_table("Acceptance", acceptance), card_table("What was turned away", turned_away)]
        release = await publish_release(workshop.build, tables)
        tell_notes(release.notes)
        return release


def card_table(title: str, table: report.TableOf) -> CardTable:
    """Turn a report into a table of the dataset card."""
    return CardTable(title, table.columns, tuple(table.rows))
