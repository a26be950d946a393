"""MEMORY: Delta tables, DuckDB views, expectations, digests, and the state of a home.

In a notebook: `warehouse.connect("data").sql("FROM funnel")`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect(home: str | Path) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB connection with views over the tables of a home, as of now."""
    from warehouse.warehouse import Warehouse  # heavy: not for those who only import the package

    return Warehouse(Path(home)).connect()
