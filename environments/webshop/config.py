"""`[worlds.webshop]`: what a configuration may say about the shop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.record import Record


class WebShopConfig(Record):
    requests: int = Field(default=6, ge=0)
    """Wishes that a build asks for (self-instruct); `generate.tasks_per_request` of them share a request."""
    goals: int = Field(default=6, ge=0)
    """Goals of the catalogue that a build takes at most; each is tried both ways, played by the solver and replayed."""
    data: str = "built-in"
    """Folder with WebShop's `items_shuffle*.json` and what goes with it (docs/worlds/webshop.md), or `built-in`."""
    seed: int = 233
    """Draws the price of a product that has a range, and the highest price of a goal."""
    held_out: int = Field(default=500, ge=0)
    """Goals that people wrote of which so many, the first in the benchmark's own order, are its test goals: no task is
    made of them. The built-in catalogue has none."""
    tagger: Literal["auto", "spacy", "rules"] = "auto"
    """Who finds the nouns of a product's name: spaCy's model, our rules, or spaCy where it is installed."""
    colours: str = "built-in"
    """Words that colours are told by: `built-in`, or a file of others with blanks between them, in their order."""
