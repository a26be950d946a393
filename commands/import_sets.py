"""import of foreign sets: other people's trajectories land as they are told, with what their form holds beyond ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from commands.terminal import say, say_table
from flows.own_home import own_home
from formats.catalogue import Given, Importer
from reports.funnel import TableOf
from schemas.settings import Settings
from tasks.ingest.foreign_rows import Lost, land_foreign_rows, losses_of
from warehouse.warehouse import Warehouse

SHOWN = 20
"""Losses that a person is shown; all of them stand in the column `losses`."""


def import_set(importer: Importer, paths: Sequence[Path], given: Given, quiet: bool = True) -> Counter[str]:
    """Land the rows of some files; count `kept`, `imported_before` and each reason."""
    with own_home(Settings().home) as home:
        warehouse = Warehouse(home)
        counts = land_foreign_rows(warehouse, importer.rows(paths, given))
        warehouse.write_catalog()
    return counts


def set_name(importer: Importer, given: Given) -> str:
    """Return what the set of a call is called: what was said, or its format's name."""
    return given.get("name", importer.name)


def losses(importer: Importer, given: Given) -> list[Lost]:
    """Return what could not be represented of the set, as it stands in the home now."""
    return losses_of(Warehouse(Settings().home), set_name(importer, given))


def say_losses(importer: Importer, given: Given) -> None:
    """Say of a set what could not be represented, and how a recipe takes it; nothing where no row of it is here."""
    name, lost = set_name(importer, given), losses(importer, given)
    if not Warehouse(Settings().home).count("foreign_rows", '"set" = ?', (name,)):
        return
    if lost:
        more = f" (the first {SHOWN} of {len(lost)})" if len(lost) > SHOWN else ""
        say_table(f"Has no place here, and stands in the raw rows alone{more}", TableOf(Lost._fields, [*lost[:SHOWN]]))
    say(f"Nothing of {name} was proven: a mixture takes it with --set 'mixture.recorded=[\"{name}\"]' alone.")
