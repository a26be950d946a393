"""publish_mixture: agent data and general chat at eta, as a release that anyone can load."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_comparison
from flows.open_workshop import open_workshop
from flows.run_page import tell_notes
from flows.stages import stage
from formats.releases.dataset_card import CardTable
from reports import funnel as report
from schemas.release import Release
from tasks.publish.mixture import STAGE, publish_release
from tasks.publish.scan_eta import compare, publish_scan
from tasks.publish.validate_tables import validate_tables
from tasks.unsettled import require_outcomes
from warehouse.warehouse import Warehouse


@flow(name="publish_mixture", flow_run_name="publish mixture ({config})", validate_parameters=False)
async def publish_mixture(config: str = "demo", overrides: dict[str, Any] | None = None) -> Release:
    """Validate what was landed, then publish it."""
    async with open_workshop("publish", config, overrides, asks=False) as workshop, stage(workshop, STAGE):
        require_outcomes(workshop)
        await validate_tables(workshop.build)
        release = await publish_release(workshop.build, card_tables(workshop.warehouse))
        tell_notes(release.notes)
        return release


@flow(name="scan_eta", flow_run_name="scan eta ({config})", validate_parameters=False)
async def scan_eta(config: str = "demo", overrides: dict[str, Any] | None = None) -> list[Release]:
    """Validate what was landed, then publish mixtures of eta 0.0 to 1.0 and lay them beside each other."""
    async with open_workshop("publish", config, overrides, asks=False) as workshop, stage(workshop, STAGE):
        require_outcomes(workshop)
        await validate_tables(workshop.build)
        releases = await publish_scan(workshop.build, card_tables(workshop.warehouse))
        await publish_comparison(compare(releases))
        return releases


def card_tables(warehouse: Warehouse) -> list[CardTable]:
    """Return what a card says of the whole home."""
    told = {"Acceptance": report.acceptance(warehouse), "What was turned away": report.reasons(warehouse)}
    return [card_table(title, table) for title, table in told.items()]


def card_table(title: str, table: report.TableOf) -> CardTable:
    """Turn a report into a table of the dataset card."""
    return CardTable(title, table.columns, tuple(table.rows))
