"""tidy: upkeep of the home, as a flow that a schedule can run."""

from __future__ import annotations

from prefect import flow, get_run_logger

from flows.own_home import lasting_home
from schemas.settings import Settings
from warehouse.warehouse import Warehouse


@flow(name="tidy", flow_run_name="tidy the home", validate_parameters=False)
async def tidy() -> str:
    """Compact the tables and drop what no kept release needs; readers and writers are waited for."""
    tidied = str(Warehouse(lasting_home(Settings().home)).gc())
    get_run_logger().info(tidied)
    return tidied
