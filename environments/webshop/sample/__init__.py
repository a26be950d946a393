"""The built-in shop: 330 invented products made from `kinds.toml`, and a goal for each. The same each time.

No two products of a kind have the same traits: what is asked for can be told apart.
"""

from __future__ import annotations

import itertools
import random
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from environments.webshop.catalogue import keep_catalogue
from environments.webshop.goal import Goal, wanted_of
from environments.webshop.goals import draw_limit
from environments.webshop.product import Product

PER_KIND = 10
"""Products of each kind."""
_ASIN = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))


def shelves() -> list[dict[str, Any]]:
    """Return the kinds of things that there are, as `kinds.toml` has them."""
    kinds: list[dict[str, Any]] = _table()["kind"]
    return kinds


@cache
def products() -> tuple[Product, ...]:
    """Return the products in the catalogue's order, kinds mixed."""
    made = [product for kind in shelves() for product in _of_kind(kind)]
    random.Random("the order of the shelves").shuffle(made)
    return tuple(made)


def keep_built_in(folder: Path) -> str:
    """Keep the built-in catalogue in a folder; return its id."""
    return keep_catalogue(products(), folder)


def _of_kind(kind: Mapping[str, Any]) -> Iterator[Product]:
    dice = random.Random(f"a shelf of {kind['query']}")
    traits = list(itertools.combinations(kind["traits"], 3))
    brands = dice.sample(_table()["brands"], PER_KIND)
    for brand, chosen in zip(brands, dice.sample(traits, PER_KIND), strict=True):
        yield _product(kind, brand, chosen, random.Random(f"{brand} {kind['query']}"))


def _product(kind: Mapping[str, Any], brand: str, traits: tuple[str, ...], dice: random.Random) -> Product:
    name, table = dice.choice(kind["names"]), _table()
    low, high = kind["prices"]
    price = round(round(dice.uniform(low, high)) - 0.01 if dice.random() < 0.7 else dice.uniform(low, high), 2)
    shown = [trait.title() for trait in traits[:2]]
    options = {name: tuple(_some(values, dice)) for name, values in kind["options"].items() if dice.random() < 0.85}
    what = name.lower()
    return Product(
        asin="B0" + "".join(dice.choices(_ASIN, k=8)),
        title=f"{brand} {name}, {shown[0]}, {shown[1]}",
        description=f"{dice.choice(table['openings'])}, this {what} by {brand} is for those who look at things twice. "
        f"It is known for this: {', '.join(traits)}. {dice.choice(table['closings'])}",
        bullets=tuple(f"{trait.capitalize()}: what we promise of this {what}." for trait in traits),
        options=options,
        price=price,
        price_tag=f"${price}",
        category=kind["category"],
        query=kind["query"],
        product_category=" › ".join(kind["path"]),
        attributes=traits,
    )


def _some(values: list[str], dice: random.Random) -> list[str]:
    kept = set(dice.sample(values, dice.randint(2, len(values))))
    return [value for value in values if value in kept]


@cache
def goals(seed: int) -> tuple[Goal, ...]:
    """Return a goal for each product, in an order that the seed draws."""
    made = [_goal(product, random.Random(f"{seed} goal of {product.asin}"), seed) for product in products()]
    random.Random(seed).shuffle(made)
    return tuple(made)


_WISHES = (
    "i am looking for {a} {thing} with {traits}{options}",
    "i need {a} {thing}, {traits}{options}",
    "find me {a} {thing} with these traits: {traits}{options}",
    "i want to buy {a} {traits} {thing}{options}",
)


def _goal(product: Product, dice: random.Random, seed: int) -> Goal:
    traits = tuple(dice.sample(product.attributes, dice.choice((1, 2, 2, 3))))
    options = {name: dice.choice(values) for name, values in product.options.items()}
    limit, said = draw_limit(product.price, f"{seed} {product.asin}")
    wish = wish_for(product.query, traits, options, dice)
    return Goal(wish + said, wanted_of(product, traits, tuple(options.values()), limit))


def wish_for(thing: str, traits: tuple[str, ...], options: Mapping[str, str], dice: random.Random) -> str:
    """Word a wish as people do, without its highest price."""
    is_many = thing.endswith("s") and not thing.endswith("ss")
    said = " and ".join(f"{name} {value}" for name, value in options.items())
    wish = dice.choice(_WISHES)
    return wish.format(
        a="some" if is_many or thing.split()[-1] in ("tea", "oil", "mix", "polish", "sauce") else "a",
        thing=thing,
        traits=" and ".join(traits) if "{traits} {thing}" not in wish else ", ".join(traits),
        options=f", {said}" if said else "",
    )
