"""Lays what a home's state knows of its builds beside the other tables, for SQL."""

from __future__ import annotations

from schemas.record import digest
from warehouse.state import State
from warehouse.warehouse import Warehouse


def log_builds(warehouse: Warehouse, state: State) -> int:
    """Land what has become of builds and is not in `build_log` yet; return how many entries landed.

    Homes of earlier versions have all their builds landed by the first call.
    """
    known = set(warehouse.query("SELECT number, status FROM build_log"))
    fresh = [entry for entry in state.build_entries() if (entry.number, entry.status) not in known]
    if not fresh:
        return 0
    key = digest([(entry.number, entry.status) for entry in fresh])
    return warehouse.land("build_log", fresh, key=f"builds/{key}")
