"""The shop's pages as text: what stands on them, and what can be clicked.

The simple text of WebShop's WebAgentTextEnv: the visible texts joined by ` [SEP] `. Chosen options are not shown. What
can be clicked is listed in the original's order: buttons, products, options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from environments.observing import head_and_tail
from environments.webshop.product import Product

PER_PAGE = 10
PAGE_CHARS = 5000
"""Of a page's text; descriptions may be longer than any episode. The list of what can be clicked has as much again."""
SEARCH, BACK_TO_SEARCH, NEXT, PREVIOUS, BUY = "Search", "Back to Search", "Next >", "< Prev", "Buy Now"
SUB_PAGES = ("Description", "Features", "Reviews")


@dataclass(frozen=True)
class Page:
    """Where somebody stands in the shop."""

    kind: str = "index"
    """index, results, item, sub."""
    keywords: str = ""
    number: int = 1
    """Page of the results."""
    product: Product | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """What was chosen, by the option's name."""
    sub: str = ""
    """description, features, reviews."""

    def results(self, keywords: str, number: int) -> Page:
        """Return the page of results; what was chosen is forgotten."""
        return Page("results", keywords, number)

    def choose(self, name: str, value: str) -> Page:
        """Return the product's page with an option chosen, in the place of another value of that name."""
        return replace(self, kind="item", options={**self.options, name: value})


@dataclass(frozen=True)
class Shown:
    """A page as it is shown."""

    text: str
    has_search_bar: bool
    clickables: tuple[str, ...]

    @property
    def worded(self) -> str:
        """The page and what can be done on it, as AgentBench words it."""
        actions = {"has_search_bar": self.has_search_bar, "clickables": list(self.clickables)}
        listed = head_and_tail(repr(actions), PAGE_CHARS)
        return f"{head_and_tail(self.text, PAGE_CHARS)}\n\nAvailable Actions:\n{listed}"


def show(page: Page, instruction: str, found: Sequence[Product] = (), total: int = 0) -> Shown:
    """Word a page; of results `found` are the products on it, of `total`."""
    if page.kind == "index":
        return _shown(["WebShop", "Instruction:", instruction, SEARCH], [SEARCH], has_search_bar=True)
    texts, product = ["Instruction:", instruction, BACK_TO_SEARCH], page.product
    if page.kind == "results" or product is None:
        moves = [PREVIOUS] * (page.number > 1) + [NEXT] * (page.number * PER_PAGE < total)
        listed = [text for one in found for text in (one.asin, one.title, one.price_tag)]
        texts += [f"Page {page.number} (Total results: {total})", *moves, *listed]
        return _shown(texts, [BACK_TO_SEARCH, *moves, *(one.asin for one in found)])
    if page.kind == "sub":
        return _shown([*texts, PREVIOUS, *_about(product, page.sub)], [BACK_TO_SEARCH, PREVIOUS])
    options = [text for name, values in product.options.items() for text in (name, *values)]
    price = [f"Price: {product.price_tag}", "Rating: N.A."]
    values = [value for choices in product.options.values() for value in choices]
    buttons = [BACK_TO_SEARCH, PREVIOUS, *SUB_PAGES, BUY]
    return _shown([*texts, PREVIOUS, *options, product.title, *price, *SUB_PAGES, BUY], [*buttons, *values])


def _about(product: Product, sub: str) -> list[str]:
    if sub == "description":
        return [product.description or "No Description"]
    if sub == "features":
        return list(product.bullets) or ["No Features"]
    return ["No reviews found"]


def _shown(texts: Sequence[str], clickables: Sequence[str], *, has_search_bar: bool = False) -> Shown:
    can_click = dict.fromkeys(text.lower() for text in clickables)
    return Shown(" [SEP] ".join(text.strip() for text in texts), has_search_bar, tuple(can_click))
