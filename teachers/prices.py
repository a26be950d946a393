"""What a model's tokens cost: the config's word first, then the list prices in `prices.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from schemas.run_config import Price

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")

BATCH_SHARE = 0.5
"""What a batch API takes of the price, for prompts and replies alike (OpenAI, Batch API guide: 50 % less)."""


@cache
def list_prices() -> dict[str, Price]:
    """Return the prices that ship with Trajmill, by model."""
    data = tomllib.loads(Path(__file__).with_name("prices.toml").read_text(encoding="utf-8"))
    return {model: Price.model_validate(price) for model, price in data["models"].items()}


def price_of(model: str, configured: Mapping[str, Price] | None = None) -> Price | None:
    """Return a model's price, or None where nobody named one; a dated snapshot costs what its family does."""
    for prices in (configured or {}, list_prices()):
        for name in (model, _SNAPSHOT.sub("", model)):
            if name in prices:
                return prices[name]
    return None


def cost_usd(price: Price | None, prompt_tokens: int, completion_tokens: int, *, batch: bool = False) -> float:
    """Return what tokens cost; at no price they cost nothing."""
    if price is None:
        return 0.0
    return (
        (BATCH_SHARE if batch else 1.0)
        * (prompt_tokens * price.prompt + completion_tokens * price.completion)
        / 1_000_000
    )
