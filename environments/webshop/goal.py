"""A goal: what somebody wants, in words, and what a purchase is measured by. And the task that is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from environments.webshop.product import Product
from schemas.record import Record, canonical_json
from schemas.rejection import Refusal
from schemas.task_spec import Check, Setup, TaskSpec

KIND = "purchase"
"""The kind of check that this world has."""
NO_LIMIT = 1_000_000.0
"""Highest price where none is said (WebShop)."""
_CATALOGUE = re.compile(r"[0-9a-f]{32}")


class Wanted(Record):
    """What a purchase is measured by: `check.arguments` of a task."""

    asin: str
    """The product that the wish was written for; another may do as well."""
    name: str
    """That product's title, for its nouns."""
    query: str
    product_category: str
    attributes: tuple[str, ...]
    options: tuple[str, ...] | dict[str, str] = ()
    """Values; or values by name, where nobody wrote the wish (then pairs are compared: docs/worlds/webshop.md)."""
    price_upper: float = NO_LIMIT

    @property
    def chosen(self) -> tuple[str | tuple[str, str], ...]:
        """The options as they are compared."""
        return tuple(self.options.items()) if isinstance(self.options, Mapping) else tuple(self.options)


class Goal(NamedTuple):
    """A wish and what it is measured by."""

    instruction: str
    wanted: Wanted


class Shop(Record):
    """`setup.state` of a task."""

    catalogue: str
    """Id of the catalogue that it is played in."""


class Problem(NamedTuple):
    """A task as this world reads it."""

    catalogue: str
    wanted: Wanted


def wanted_of(product: Product, attributes: tuple[str, ...], options: Any, price_upper: float) -> Wanted:
    """Return what is wanted of a product."""
    return Wanted(
        asin=product.asin,
        name=product.title,
        query=product.query,
        product_category=product.product_category,
        attributes=attributes,
        options=options,
        price_upper=price_upper,
    )


def state_of(catalogue: str) -> Setup:
    """Return the set-up of a task in a catalogue."""
    return Setup(state=canonical_json(Shop(catalogue=catalogue)).decode())


def check_of(wanted: Wanted) -> Check:
    """Return the check of a task."""
    return Check(kind=KIND, arguments=canonical_json(wanted).decode())


def problem_in(spec: TaskSpec) -> Problem | Refusal:
    """Read a task's set-up and check."""
    if spec.check.kind != KIND:
        return Refusal("unknown_check", f"the webshop world has no check {spec.check.kind!r}; it has {KIND}")
    try:
        shop = Shop.model_validate_json(spec.setup.state or "")
        wanted = Wanted.model_validate_json(spec.check.arguments or "")
    except ValueError as error:
        return Refusal("not_a_goal", f"`setup.state` and `check.arguments` are not the shop's: {error}"[:400])
    if not _CATALOGUE.fullmatch(shop.catalogue):
        return Refusal("not_a_goal", f"no catalogue is called {shop.catalogue[:80]!r}")
    if not wanted.attributes:
        return Refusal("no_attributes", "a goal without attributes cannot be measured")
    return Problem(shop.catalogue, wanted)
