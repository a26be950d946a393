"""WebShop's own files: products, what is said of them, and the wishes that people wrote.

`items_shuffle*.json` is a list of products, `items_ins_v2*.json` attributes and instructions by asin, and
`items_human_ins.json` wishes by asin. Rules are those of web_agent_site/engine/engine.py; what would end its start is
turned away here, row by row.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from environments.webshop.goals import Wish, in_benchmark_order, made_goals, written_goals
from environments.webshop.product import Product
from formats.json_values import UNREADABLE_VALUE, Unread, Value, read_values
from schemas.bounded_reading import read_file
from schemas.errors import InputError
from schemas.rejection import Refusal, Rejection

MOST_BYTES = 1 << 30
"""Of a file that is one object: what is said of a million products is about 150 MB."""
NO_PRICE = 100.0
"""Of a product without a price (WebShop)."""
DUMMY = ("DUMMY_ATTR",)
"""The attributes of a product of which none are said (WebShop)."""
REASONS: Mapping[str, str] = {
    **UNREADABLE_VALUE,
    "not_a_product": "is no product: no object, or a field that is lacking or of another type",
    "bad_asin": "has an asin that is `nan` or longer than ten characters; the original skips it, too",
    "duplicate_product": "has the asin of a product before it; the original skips it, too",
    "bad_price": "has a price that is none",
}
_PRODUCTS, _SAID, _WRITTEN = "items_shuffle*.json", "items_ins_v2*.json", "items_human_ins.json"
_TEXTS = ("asin", "name", "category", "query", "product_category")


class Files(NamedTuple):
    """The files of a folder."""

    products: Path
    said: Path | None
    """Attributes, and instructions that nobody wrote."""
    written: Path | None
    """Wishes that people wrote."""


def files_in(folder: Path) -> Files:
    """Find WebShop's files in a folder.

    Raises:
        InputError: there is no file of products, or it is not clear which.
    """
    found = sorted(folder.glob(_PRODUCTS)) if folder.is_dir() else []
    if len(found) != 1:
        what = f"holds {len(found)} files {_PRODUCTS}" if folder.is_dir() else "is no folder"
        raise InputError(f"{folder} {what}; WebShop's data is a folder with one, {_SAID} and {_WRITTEN} beside it")
    ending = found[0].stem.removeprefix("items_shuffle")
    said = [path for path in (folder / f"items_ins_v2{ending}.json", *sorted(folder.glob(_SAID))) if path.is_file()]
    written = folder / _WRITTEN
    return Files(found[0], said[0] if said else None, written if written.is_file() else None)


def read_object(path: Path | None) -> Mapping[str, Any]:
    """Read a file that is one object; no file, an empty one.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    if path is None:
        return {}
    try:
        value = orjson.loads(read_file(path, MOST_BYTES))
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path} is no JSON that is read: {error}. Get it anew.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} is to be one JSON object by asin, and is a {type(value).__name__}.")
    return value


def read_products(path: Path, said: Mapping[str, Any], seed: int) -> Iterator[Product | Rejection]:
    """Yield the products of a file in their order; ranges of prices are settled by the seed.

    Raises:
        InputError: it cannot be read at all.
    """
    seen: set[str] = set()
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "generate", "webshop")
            continue
        made = _product(row, said, seed, seen)
        if isinstance(made, Refusal):
            yield Rejection.make(
                stage="generate",
                reason=made.reason,
                detail=made.detail,
                source=f"{path.name}:{row.line}",
                raw=row.raw,
                environment="webshop",
            )
        else:
            seen.add(made.asin)
            yield made


def _product(row: Value, said: Mapping[str, Any], seed: int, seen: set[str]) -> Product | Refusal:
    item = row.value
    lacking = [key for key in _TEXTS if not isinstance(item, dict) or not isinstance(item.get(key), str)]
    if lacking:
        return Refusal("not_a_product", f"{', '.join(lacking)} is not a text")
    asin = item["asin"]
    if asin == "nan" or len(asin) > 10 or not asin:
        return Refusal("bad_asin", f"the asin is {asin[:80]!r}")
    if asin in seen:
        return Refusal("duplicate_product", f"{asin} stands there before")
    prices, options = _prices(item.get("pricing")), _options(item.get("customization_options"))
    if isinstance(prices, Refusal) or isinstance(options, Refusal):
        return prices if isinstance(prices, Refusal) else options  # type: ignore[return-value]
    bullets, about = item.get("small_description") or [], item.get("full_description") or ""
    listed = bullets if isinstance(bullets, list) else [bullets]
    if not isinstance(about, str) or not all(isinstance(one, str) for one in listed):
        return Refusal("not_a_product", "full_description is a text, small_description a text or a list of texts")
    own = said.get(asin)
    attributes = own.get("attributes") if isinstance(own, dict) else None
    return Product(
        asin=asin,
        title=item["name"],
        description=about,
        bullets=tuple(listed),
        options=options,
        price=prices[0] if len(prices) == 1 else random.Random(f"{seed} {asin} price").uniform(*prices),
        price_tag=f"${prices[0]}" if len(prices) == 1 else f"${prices[0]} to ${prices[1]}",
        category=item["category"],
        query=item["query"].lower().strip(),
        product_category=item["product_category"],
        attributes=tuple(map(str, attributes)) if isinstance(attributes, list) else DUMMY,
    )


def _prices(pricing: Any) -> tuple[float, ...] | Refusal:
    if not pricing:
        return (NO_PRICE,)
    if not isinstance(pricing, str):
        return Refusal("bad_price", f"the price is {pricing!r}"[:200])
    try:
        prices = tuple(float(re.sub(r"[^\d.]", "", part)) for part in pricing.split("$")[1:])
    except ValueError:
        prices = ()
    if not prices or not all(map(math.isfinite, prices)):
        return Refusal("bad_price", f"the price is {pricing[:80]!r}; it reads $12.50, or $12.50 $20.00 of a range")
    return prices[:2]


def _options(given: Any) -> dict[str, tuple[str, ...]] | Refusal:
    if not given:
        return {}
    if not isinstance(given, dict):
        return Refusal("not_a_product", "customization_options is no object")
    options: dict[str, tuple[str, ...]] = {}
    for name, values in given.items():
        if values is None:
            continue
        texts = [one.get("value") if isinstance(one, dict) else None for one in values if isinstance(values, list)]
        if not isinstance(values, list) or not all(isinstance(text, str) for text in texts):
            return Refusal("not_a_product", f"the option {name[:40]!r} is no list of values")
        options[name.lower()] = tuple(str(text).strip().replace("/", " | ").lower() for text in texts)
    return options


def read_wishes(
    files: Files, products: Iterator[Product], said: Mapping[str, Any], seed: int, held_out: int
) -> list[Wish]:
    """Return the goals of a folder: those that people wrote, in the benchmark's order, or else what its files say.

    Of those that people wrote the first `held_out` are the benchmark's own test.
    """
    if files.written is None:
        return list(made_goals(products, said, seed, files.said.name if files.said else ""))
    wishes = list(written_goals(products, read_object(files.written), seed, files.written.name))
    goals = in_benchmark_order([wish for wish in wishes if not isinstance(wish.goal, Refusal)])
    why = f"one of the first {held_out} goals in the benchmark's order; worlds.webshop.held_out says how many"
    kept_out = [wish._replace(goal=Refusal("held_out", why)) for wish in goals[:held_out]]
    return [*goals[held_out:], *kept_out, *(wish for wish in wishes if isinstance(wish.goal, Refusal))]
