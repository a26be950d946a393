"""Upkeep of a home: tables compacted, what a finished build needs no more retired; nothing that a row points to goes.

Of the ledger only the words of generation requests go (an answer, its price and its hash stay): a finished build never
asks them again, and they are most of its size. An unfinished build keeps everything.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from tasks.land_completions import LEDGER
from tasks.open_ledger import open_ledger
from warehouse.state import State
from warehouse.upkeep import Upkeep
from warehouse.warehouse import Warehouse


class Tidied(NamedTuple):
    tables: Upkeep
    requests: int
    """Generation requests in the ledger whose words were retired."""
    chat_files: int
    """Files of built-in general chat that had been ingested."""


def tidy_home(home: Path, ledger_place: Path | str | None = None) -> Tidied:
    """Compact tables, drop ingested built-in chat, retire the words of generation requests that have landed.

    `ledger_place` is a path or URL; None = the home's own file.
    """
    warehouse = Warehouse(home)
    tables = warehouse.gc()
    if State(home).has_unfinished():
        return Tidied(tables, 0, 0)
    landed = warehouse.landed_version("completions", LEDGER) or 0
    ledger = open_ledger(warehouse, ledger_place or home / "ledger.sqlite")
    try:
        retired = ledger.retire_requests("generate_tasks", landed)
    finally:
        ledger.close()
    return Tidied(tables, retired, _drop_chats(home / "general"))


def _drop_chats(folder: Path) -> int:
    files = sum(path.is_file() for path in folder.rglob("*"))
    shutil.rmtree(folder, ignore_errors=True)
    return files
