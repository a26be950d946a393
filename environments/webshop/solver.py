"""The gold solver: searches with the wish's own words, goes to a product that is worth 1, chooses options, buys.

It looks for the wanted product first, then at whatever its searches show. Words of the product's title are its last
resort: no shopper knows them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from environments.base import Action
from environments.webshop.catalogue import Catalogue
from environments.webshop.goal import Goal, Wanted
from environments.webshop.pages import BUY, NEXT, PER_PAGE
from environments.webshop.product import Product
from environments.webshop.reward import Measure, options_met, reward_of

MOST_WORDS = 20
"""Of a wish that is searched for as it stands."""
_PRICE = re.compile(r",? and price lower than [\d.]+ dollars$")
_FILLERS = re.compile(
    r"^(?:i(?:'m| am)? (?:need|want|am looking for|looking for|would like|interested in)(?: to (?:buy|find|get))?"
    r"|find me|looking for|please find|show me)\b|\b(?:that (?:is|are)|with these traits:|a|an|some|and|me|it)\b",
    re.IGNORECASE,
)


class Way(NamedTuple):
    """A way to a purchase."""

    keywords: str
    page: int
    """Page of the results that shows the product."""
    product: Product
    options: Mapping[str, str]

    @property
    def actions(self) -> tuple[Action, ...]:
        """The searches and clicks of it."""
        clicks = [
            *[NEXT.lower()] * (self.page - 1),
            self.product.asin.lower(),
            *self.options.values(),
            BUY.lower(),
        ]
        return (Action("search", self.keywords), *(Action("click", text) for text in clicks))


def solve(goal: Goal, catalogue: Catalogue, measure: Measure, most_turns: int) -> Way | None:
    """Return the shortest way to a purchase worth 1 that a search of the wish's words finds; None = there is none."""
    wanted = goal.wanted
    own = catalogue.find(wanted.asin)
    searches = [(keywords, catalogue.search(keywords)) for keywords in _keywords(goal)]
    known = dict(_worth_one([own] if own else [], wanted, measure))
    ways = list(_ways(searches, known, catalogue, most_turns))
    if not ways:
        shown = [catalogue.at(number) for _, hits in searches for number in dict.fromkeys(hits)]
        ways = list(_ways(searches, dict(_worth_one(shown, wanted, measure)), catalogue, most_turns))
    if not ways and known and own:
        title = own.title.lower()
        ways = list(_ways([(title, catalogue.search(title))], known, catalogue, most_turns))
    return min(ways, key=lambda way: len(way.actions), default=None)


def _keywords(goal: Goal) -> list[str]:
    """Return searches: a short wish without its fillers and price, then what is wanted with traits and options."""
    wish = _PRICE.sub("", goal.instruction.lower())
    words = " ".join(_FILLERS.sub(" ", wish).replace(",", " ").split())
    said = [one if isinstance(one, str) else one[1] for one in goal.wanted.chosen]
    told = " ".join([goal.wanted.query, *goal.wanted.attributes, *said])
    listed = [words] * (len(words.split()) <= MOST_WORDS) + [told, " ".join([goal.wanted.query, *said])]
    return [one for one in dict.fromkeys(listed) if one.strip()]


def _worth_one(
    products: Sequence[Product], wanted: Wanted, measure: Measure
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for product in products:
        if product.price <= wanted.price_upper:
            options = choose(product, wanted, measure.colours)
            if options is not None and reward_of(product, options.values(), wanted, measure).total >= 1:
                yield product.asin, options


def choose(product: Product, wanted: Wanted, colours: Sequence[str]) -> dict[str, str] | None:
    """Return the fewest of a product's options that meet all that is wanted; None = they cannot be met.

    An option that carries the very value is tried first, since likeness is loose: `large` is like `x-large`.
    """
    if not wanted.chosen:
        return {}
    needs = [_meeting(product, wanted, one, colours) for one in wanted.chosen]
    for picked in itertools.islice(itertools.product(*needs), 2000):
        options: dict[str, str] = {}
        is_one_each = all(options.setdefault(name, value) == value for name, value in picked)
        if is_one_each and options_met(options.values(), wanted, colours) == len(wanted.chosen):
            return {name: options[name] for name in product.options if name in options}
    return None


def _meeting(
    product: Product, wanted: Wanted, one: str | tuple[str, str], colours: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the values that meet one wanted option, the best first; of a value under two names the last is clicked."""
    alone = wanted.model_copy(update={"options": dict([one]) if isinstance(one, tuple) else (one,)})
    name_said, value_said = one if isinstance(one, tuple) else ("", one)
    last = {value: name for name, values in product.options.items() for value in values}
    found = [pair for value, name in last.items() if options_met([value], alone, colours) for pair in [(name, value)]]
    return sorted(found, key=lambda pair: (pair[1] != value_said.lower(), pair[0] != name_said))


def _ways(
    searches: Sequence[tuple[str, Sequence[int]]],
    known: Mapping[str, Mapping[str, str]],
    catalogue: Catalogue,
    most_turns: int,
) -> Iterator[Way]:
    for keywords, hits in searches if known else ():
        for place, number in enumerate(hits):
            product = catalogue.at(number)
            if product.asin in known:
                way = Way(keywords, place // PER_PAGE + 1, product, known[product.asin])
                if len(way.actions) <= most_turns:
                    yield way
                break
