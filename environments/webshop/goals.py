"""Goals: drawn from what people wrote about products, or from what a catalogue's own file says of them.

Source: princeton-nlp/WebShop web_agent_site/engine/goal.py. There, prices are drawn before the seed is set, so that no
two starts have the same goals; here all is drawn by a seed and stored in the task.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from environments.webshop.goal import NO_LIMIT, Goal, wanted_of
from environments.webshop.product import Product
from schemas.rejection import Refusal

_LIMITS = tuple(10.0 * tens for tens in range(1, 100))
ORDER_SEED = 233
"""What the original shuffles its goals by: the first 500 are its test, whatever the prices are."""
MOST_OF_PRODUCT = 1000
"""Goals that one product's options may make, where nobody wrote them."""


class Wish(NamedTuple):
    """A goal, or why there is none, and where it stands in its file."""

    goal: Goal | Refusal
    place: str
    raw: Any


def draw_limit(price: float, key: str) -> tuple[float, str]:
    """Draw the highest price, and how it is said: the larger of two of the four multiples of ten above the price."""
    above = [limit for limit in _LIMITS if limit > price][:4]
    if len(above) < 2:
        return NO_LIMIT, ""
    limit = max(random.Random(f"{key} limit").sample(above, 2))
    return limit, f", and price lower than {limit:.2f} dollars"


def written_goals(products: Iterable[Product], written: Mapping[str, Any], seed: int, file: str) -> Iterator[Wish]:
    """Yield the goals that people wrote (`items_human_ins.json`), product by product; then those without a product."""
    known = set()
    for product in products:
        known.add(product.asin)
        rows = written.get(product.asin, [])
        for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
            yield Wish(_written(product, row, f"{seed} {number}"), f"{file}:{product.asin}:{number}", row)
    for asin, rows in written.items():
        if asin not in known:
            for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
                missing = Refusal("missing_product", f"no product {asin[:40]!r} is in the catalogue")
                yield Wish(missing, f"{file}:{asin[:40]}:{number}", row)


def _written(product: Product, row: Any, key: str) -> Goal | Refusal:
    if not isinstance(row, dict) or not isinstance(row.get("instruction"), str) or not row["instruction"].strip():
        return Refusal("not_a_wish", "a wish is an object with the text `instruction`")
    attributes, options = row.get("instruction_attributes", []), row.get("instruction_options", [])
    if not _texts(attributes) or not (_texts(options) or _pairs(options)):
        return Refusal("not_a_wish", "`instruction_attributes` and `instruction_options` are lists of texts")
    if not attributes:
        return Refusal("no_attributes", "a wish without attributes cannot be measured; the original skips it, too")
    limit, said = draw_limit(product.price, f"{key} {product.asin}")
    chosen = options if isinstance(options, dict) else tuple(options)
    return Goal(row["instruction"].strip(".") + said, wanted_of(product, tuple(attributes), chosen, limit))


def made_goals(products: Iterable[Product], said: Mapping[str, Any], seed: int, file: str) -> Iterator[Wish]:
    """Yield the goals that nobody wrote (`items_ins_v2*.json`): an instruction with each choice of options."""
    for product in products:
        row = said.get(product.asin)
        if not isinstance(row, dict) or row.get("instruction") is None:
            continue
        for number, goal in enumerate(_made(product, row, seed)):
            yield Wish(goal, f"{file}:{product.asin}:{number}", row)


def _made(product: Product, row: Mapping[str, Any], seed: int) -> Iterator[Goal | Refusal]:
    attributes = row.get("instruction_attributes")
    if not isinstance(row["instruction"], str) or not _texts(attributes) or not attributes:
        yield Refusal("not_a_wish", "`instruction` is a text, `instruction_attributes` a list of texts, not empty")
        return
    limit, price = draw_limit(product.price, f"{seed} {product.asin}")
    names = sorted(product.options)
    choices = itertools.product(*(product.options[name] for name in names))
    for choice in itertools.islice(choices, MOST_OF_PRODUCT):
        options = dict(zip(names, choice, strict=True))
        text = ", and ".join(f"{name}: {value}" for name, value in options.items())
        wish = f"{row['instruction']}{f' with {text}' if text else ''}{price}"
        yield Goal(wish, wanted_of(product, tuple(attributes), options, limit))


def in_benchmark_order(wishes: Sequence[Wish]) -> list[Wish]:
    """Return goals in the order of the original's shuffle."""
    ordered = list(wishes)
    random.Random(ORDER_SEED).shuffle(ordered)
    return ordered


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
