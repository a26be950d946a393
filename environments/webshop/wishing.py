"""Wishes of the offline teacher: for the product that a generation prompt names, from what stands there of it."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

_ORDER = re.compile(r"^- Task \d+ \([^)\n]*\): for product (\S+);.*Difficulty (\d)\.$", re.MULTILINE)
_OPTION = re.compile(r"^Option ([^\n:]+): (.*)$", re.MULTILINE)
_BEGINNINGS = (
    "My brother moved into his first flat and asked me for {thing}",
    "We have a guest coming on Sunday, so I am after {thing}",
    "The old one broke last week; I would like {thing} again",
    "Could you get {thing} for the office",
    "For a long trip I still lack {thing}",
    "My mother would be glad of {thing}",
    "I was told to bring {thing}",
    "After years of making do I want {thing}",
)
_TRAITS = (
    ", and what matters is {traits}",
    "; it has to be about {traits}",
    ", with {traits} or not at all",
    " that can be called {traits} in earnest",
)
_ENDS = (
    " at {limit} dollars or less.",
    ", for which I would pay up to {limit} dollars.",
    "; my limit is {limit} dollars.",
)


class Shown(NamedTuple):
    """A product as the prompt shows it."""

    asin: str
    kind: str
    price: float
    attributes: tuple[str, ...]
    options: dict[str, tuple[str, ...]]


def write_draft(prompt: str, rng: random.Random, fault: str | None) -> str:
    """Write a reply of one wish.

    Raises:
        ValueError: no product stands in the prompt.
    """
    order = _ORDER.findall(prompt)[-1:]
    product = read_product(prompt, order[0][0]) if order else None
    if product is None:
        raise ValueError("no product of the shop is asked about in this prompt")
    difficulty = int(order[0][1])
    traits = rng.sample(product.attributes, min(difficulty, len(product.attributes)))
    names = rng.sample(list(product.options), min(difficulty - 1, len(product.options)))
    options = {name: rng.choice(product.options[name]) for name in names}
    limit = int(product.price * rng.uniform(1.05, 1.6)) + 1
    if fault == "reference_fails":
        limit = int(product.price * 0.5)
    said = f", {' and '.join(f'{name} {value}' for name, value in options.items())}" if options else ""
    wish = rng.choice(_BEGINNINGS).format(thing=product.kind)
    wish += rng.choice(_TRAITS).format(traits=" and ".join(traits)) + said + rng.choice(_ENDS).format(limit=limit)
    chosen = "\n".join(f"{name}: {value}" for name, value in options.items()) or "none"
    return (
        f"### Problem\n{wish}\n### Explanation\nA {product.kind} with {len(traits)} of its traits and a limit.\n"
        f"### Product\n{product.asin}\n### Attributes\n{', '.join(traits)}\n### Options\n{chosen}\n### Price\n{limit}"
    )


def read_product(prompt: str, asin: str) -> Shown | None:
    """Read a product off the prompt's own list; None = it is not there."""
    block = re.search(rf"^Product \d+: {re.escape(asin)}\n(.*?)^Description:", prompt, re.MULTILINE | re.DOTALL)
    if block is None:
        return None
    lines = dict(line.partition(": ")[::2] for line in block[1].split("\n"))
    return Shown(
        asin=asin,
        kind=lines["Kind"],
        price=max(float(price) for price in re.findall(r"\d+(?:\.\d+)?", lines["Price"])),
        attributes=tuple(lines["Attributes"].split(", ")),
        options={name: tuple(values.split("; ")) for name, values in _OPTION.findall(block[1])},
    )
