"""Opens the ledger beside a home: one that lost its answers is told from a new one, and a new one goes on counting."""

from __future__ import annotations

from pathlib import Path

from schemas.errors import ConfigError, WarehouseError
from schemas.tables import TABLES
from tasks.land_completions import LEDGER
from teachers.ledger.damage import WIPED_BACK, wiped
from teachers.ledger.ledger import Ledger
from warehouse.warehouse import Warehouse


def open_ledger(warehouse: Warehouse, place: Path | str) -> Ledger:
    """Open the ledger of a home at a path or URL.

    Raises:
        ConfigError: it cannot be opened there, or is a file of 0 bytes beside tables with rows.
    """
    if said := lost_ledger(warehouse, place):
        raise ConfigError(f"{said}. {WIPED_BACK}")
    ledger = Ledger(place)
    ledger.count_on_from(warehouse.landed_version("completions", LEDGER) or 0)
    return ledger


def lost_ledger(warehouse: Warehouse, place: Path | str) -> str:
    """Return what happened to a ledger's file that lost all that it held; '' where nothing did."""
    path = Path(str(place).removeprefix("sqlite:///"))
    if not path.is_file() or path.stat().st_size:
        return ""
    return wiped(path, {name: _rows(warehouse, name) for name in TABLES})


def _rows(warehouse: Warehouse, name: str) -> int:
    try:
        return warehouse.count(name)
    except WarehouseError:  # damaged itself, which whoever reads it is told
        return 0
