"""import of logs: recorded episodes of other agents, with their tasks. `collect --solver recorded` runs them again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from commands.import_rows import read_rows
from flows.own_home import own_home
from formats.catalogue import Given, Importer, Landing
from schemas.settings import Settings
from tasks.collect.land_recordings import land_recordings
from warehouse.warehouse import Warehouse


def import_recordings(importer: Importer, paths: Sequence[Path], given: Given, quiet: bool = True) -> Counter[str]:
    """Land the recordings of some files; count `kept`, `imported_before` and each reason."""
    settings = Settings()
    with own_home(settings.home) as home:
        warehouse = Warehouse(home)
        rows: Iterable[Any] = read_rows(importer, paths, given)
        if importer.prove is not None:
            landing = Landing(home, settings.database_servers())
            rows = asyncio.run(importer.prove(list(rows), given, landing))
        counts = land_recordings(warehouse, rows)
        warehouse.write_catalog()
    return counts
