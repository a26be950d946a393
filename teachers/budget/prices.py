"""What a model's tokens cost: the config's word first, then the list prices in `prices.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path

from schemas.run_config import Price

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


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


def cost_usd(
    price: Price | None, prompt_tokens: int, completion_tokens: int, *, cached_tokens: int = 0, batch: bool = False
) -> float:
    """Return what tokens cost; at no price they cost nothing.

    `cached_tokens` are those of the prompt that the endpoint had in its cache. In a batch they count as any other:
    OpenAI's list gives no further discount there for most models.
    """
    if price is None:
        return 0.0
    if batch:
        return price.batch * cost_usd(price, prompt_tokens, completion_tokens)
    saved = 0.0 if price.cached is None else cached_tokens * (price.prompt - price.cached)
    return (prompt_tokens * price.prompt + completion_tokens * price.completion - saved) / 1_000_000


def rates_of(price: Price | None) -> tuple[int, int]:
    """Return what one token costs in whole pico-dollars, rounded up: of the prompt, of the completion."""
    if price is None:
        return 0, 0
    return _picos(price.prompt), _picos(price.completion)


def _picos(usd_per_million: float) -> int:
    return int((Decimal(repr(usd_per_million)) * 10**6).to_integral_value(ROUND_CEILING))
