"""WebShop's own data: a folder with products, what is said of them, and the wishes that people wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from environments.webshop.loading import REASONS, files_in, read_object, read_products
from formats.catalogue import Importer

ALL = 10_000_000
"""More goals than WebShop has."""


def _read(paths: Any, given: Any) -> Iterator[object]:
    """Yield the products, for who only wants to know whether they can be read."""
    for path in paths:
        files = files_in(path)
        yield from read_products(files.products, read_object(files.said), 0)


def _derive(path: Path) -> Mapping[str, Any]:
    return {"environments": ["webshop"], "worlds.webshop.data": str(path.absolute()), "worlds.webshop.goals": ALL}


IMPORTER = Importer(
    name="webshop",
    kind="questions",
    summary="WebShop's products and wishes: a folder with `items_shuffle*.json` and what goes with it",
    page="worlds/webshop.md",
    read=_read,
    suffixes=(),
    derive=_derive,
    reasons={
        **REASONS,
        "not_a_wish": "is a wish without its texts",
        "no_attributes": "is a wish without attributes, which the original skips, too",
        "missing_product": "is a wish for a product that the catalogue does not have",
        "held_out": "is one of the benchmark's own test goals",
        "goal_unreachable": "is a wish that no purchase found by its words meets",
    },
)
