"""What a purchase is worth, in [0, 1], as WebShop counts it.

`type * (attributes met + options met + price met) / (attributes + options + 1)`. Source: princeton-nlp/WebShop
web_agent_site/engine/goal.py. Words are compared by thefuzz's token_set_ratio, which RapidFuzz computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz, utils

from environments.webshop.colours import plain_colour
from environments.webshop.goal import Wanted
from environments.webshop.product import Product
from environments.webshop.tagger import Nouns
from schemas.episode import RewardPart

ALIKE = 85
"""Two words are the same from a likeness of more than this on."""
_NOT_ASCII = dict.fromkeys(range(128, 256))
"""What thefuzz leaves out before it compares: Latin-1's upper half, and nothing beyond it."""


class Reward(NamedTuple):
    """A purchase's worth and how it came about."""

    total: float
    kind: float
    """1, 0.5, 0.1 or 0: whether the thing bought is the kind of thing that was wanted."""
    attributes: float
    """Share of the wanted attributes that it has."""
    options: float | None
    """Share of the wanted options that were chosen; None = none was wanted."""
    price: bool
    title_score: float
    """Share of the nouns of the wanted product's name that its name has."""
    query_match: bool
    category_match: bool

    @property
    def parts(self) -> tuple[RewardPart, ...]:
        """The parts under the names that the original gives them."""
        named = {
            "r_type": self.kind,
            "r_att": self.attributes,
            "r_option": self.options,
            "r_price": self.price,
            "title_score": self.title_score,
            "query_match": self.query_match,
            "category_match": self.category_match,
        }
        return tuple(RewardPart(name=name, value=float(value)) for name, value in named.items() if value is not None)


class Measure(NamedTuple):
    """What purchases are measured by."""

    nouns: Nouns
    colours: tuple[str, ...]
    """An option's value is reduced to the first of these that it contains."""
    name: str
    """Who finds the nouns, and whose the colours are where they are not ours: what rewards depend on."""


def reward_of(product: Product, options: Iterable[str], wanted: Wanted, measure: Measure) -> Reward:
    """Measure the purchase of a product with these option values."""
    kind, title_score, query_match, category_match = _kind(product, wanted, measure.nouns)
    attributes = sum(has_attribute(product, one) for one in wanted.attributes)
    chosen = options_met(options, wanted, measure.colours)
    price = product.price <= wanted.price_upper
    total = kind * (attributes + chosen + price) / (len(wanted.attributes) + len(wanted.chosen) + 1)
    return Reward(
        total=total,
        kind=kind,
        attributes=attributes / len(wanted.attributes),
        options=chosen / len(wanted.chosen) if wanted.chosen else None,
        price=price,
        title_score=title_score,
        query_match=query_match,
        category_match=category_match,
    )


def _kind(product: Product, wanted: Wanted, nouns: Nouns) -> tuple[float, float, bool, bool]:
    query_match = product.query == wanted.query
    category_match = len(_places(product.product_category) & _places(wanted.product_category)) >= 2
    desired = nouns(wanted.name)
    common = len(set(nouns(product.title)) & set(desired))
    title_score = common / len(desired) if desired else 0.2
    if title_score == 0:
        return 0.0, title_score, query_match, category_match
    if title_score < 0.1:
        return 0.1, title_score, query_match, category_match
    matches = query_match or category_match or title_score > 0.2
    return (1.0 if matches else 0.5), title_score, query_match, category_match


def _places(product_category: str) -> set[str]:
    return {part.strip() for part in product_category.split("›")}


def has_attribute(product: Product, attribute: str) -> bool:
    """Whether a product has an attribute: among its own, or word for word in title, features or description."""
    if any(is_alike(own, attribute) for own in product.attributes):
        return True
    texts = (product.title, " ".join(product.bullets), product.description)
    return any(attribute in text.lower() for text in texts)


def options_met(chosen: Iterable[str], wanted: Wanted, colours: Sequence[str]) -> int:
    """Count the wanted options that are among the chosen values."""
    bought = [plain_colour(one, colours) for one in chosen]
    return sum(any(is_alike(one, plain_colour(option, colours)) for one in bought) for option in wanted.chosen)


def is_alike(one: object, other: object) -> bool:
    """Whether two values are the same to the shop: likeness of their words above `ALIKE`, rounded as thefuzz rounds."""
    return round(fuzz.token_set_ratio(_plain(one), _plain(other))) > ALIKE


def _plain(value: object) -> str:
    return utils.default_process(str(value).translate(_NOT_ASCII))


def worded(reward: Reward, product: Product, options: Mapping[str, str], wanted: Wanted, colours: Sequence[str]) -> str:
    """Say what was bought and what is lacking."""
    lacking = [f"not {one!r}" for one in wanted.attributes if not has_attribute(product, one)]
    lacking += [f"no option {one!r} chosen" for one in wanted.chosen if not _is_met(one, options, wanted, colours)]
    lacking += [] if reward.price else [f"{product.price:.2f} is above {wanted.price_upper:.2f} dollars"]
    lacking += [] if reward.kind == 1 else [f"another kind of thing (r_type {reward.kind:g})"]
    bought = f"bought {product.asin} {dict(options)}" if options else f"bought {product.asin}"
    return f"{bought}: {'; '.join(lacking) or 'all that was wanted'}"


def _is_met(option: str | tuple[str, str], options: Mapping[str, str], wanted: Wanted, colours: Sequence[str]) -> bool:
    alone = (dict([option]) if isinstance(option, tuple) else (option,)) if option else ()
    return bool(options_met(options.values(), wanted.model_copy(update={"options": alone}), colours))
