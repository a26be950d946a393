"""A product as the shop shows it, and as it is kept: one line of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson


class Product(NamedTuple):
    asin: str
    """Ten characters that name it."""
    title: str
    description: str
    bullets: tuple[str, ...]
    """Its features, a sentence or two each."""
    options: Mapping[str, tuple[str, ...]]
    """Values to choose from by the option's name, all lower case."""
    price: float
    """What it costs, in dollars; of a range one price, drawn once."""
    price_tag: str
    """As it is shown: `$12.5`, `$12.5 to $20.0`."""
    category: str
    """One word: beauty, garden, ..."""
    query: str
    """The search that it was found by when the catalogue was made; lower case."""
    product_category: str
    """Its place, from the widest on: `a › b › c`."""
    attributes: tuple[str, ...]
    """What it is said to be: `stainless steel`, `easy clean`."""

    @property
    def indexed(self) -> str:
        """The text that searches look at: title, description, first feature and options (WebShop's own choice)."""
        options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in self.options.items())
        return " ".join((self.title, self.description, self.bullets[0] if self.bullets else "", options)).lower()

    def line(self) -> bytes:
        """Return it as one line of JSON."""
        return orjson.dumps(self._asdict()) + b"\n"


def product_of(line: bytes) -> Product:
    """Read a product back from its line."""
    kept: dict[str, Any] = orjson.loads(line)
    options = {name: tuple(values) for name, values in kept.pop("options").items()}
    bullets, attributes = tuple(kept.pop("bullets")), tuple(kept.pop("attributes"))
    return Product(bullets=bullets, options=options, attributes=attributes, **kept)
