"""The words of the database families (`phrases.toml`), read once, and how slots in them are filled."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("phrases.toml")


@cache
def words() -> dict[str, Any]:
    """Return all phrases by group and name."""
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def phrase(rng: random.Random, group: str, name: str, **slots: str) -> str:
    """Draw a phrase and fill its slots: the given ones, and `{who}`, `{Who}`, `{when}` and the like from `fillers`."""
    return fill(rng, rng.choice(words()[group][name]), **slots)


def fill(rng: random.Random, text: str, **slots: str) -> str:
    """Fill the slots of a text; a slot with a capital begins a sentence."""
    for name, choices in words()["fillers"].items():
        for slot in (name, name.capitalize()):
            if f"{{{slot}}}" in text:
                drawn = rng.choice(choices)
                slots[slot] = drawn if slot == name else drawn[0].upper() + drawn[1:]
    return text.format(**slots)
