from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest

from schemas.run_config import Price
from teachers import prices
from teachers.prices import cost_usd, price_of


def test_the_price_list_has_its_date():
    data = tomllib.loads(Path(prices.__file__).with_name("prices.toml").read_text())
    assert isinstance(data["as_of"], date)


def test_a_dated_snapshot_costs_what_its_family_does_unless_it_is_listed():
    assert price_of("gpt-4o-2024-11-20") == price_of("gpt-4o")
    assert price_of("gpt-4o-2024-05-13") != price_of("gpt-4o")


def test_the_config_goes_before_the_list():
    mine = Price(prompt=1, completion=1)
    assert price_of("gpt-4o", {"gpt-4o": mine}) == mine


def test_an_unknown_model_has_no_price_and_the_offline_ones_are_free():
    assert price_of("my-vllm-model") is None
    assert cost_usd(price_of("offline-a"), 1000, 1000) == 0


def test_cost_is_dollars_for_a_million_tokens():
    assert cost_usd(Price(prompt=2.5, completion=10), 1_000_000, 100_000) == pytest.approx(3.5)
