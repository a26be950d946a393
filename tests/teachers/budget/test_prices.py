from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.run_config import Price, TeacherConfig
from teachers.budget import prices
from teachers.budget.prices import cost_usd, list_prices, price_of, rates_of


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


def test_free_is_a_price():
    config = TeacherConfig.model_validate({"prices": {"mine": "free", "theirs": {"prompt": 1, "completion": 2}}})
    assert config.prices["mine"] == Price(prompt=0, completion=0)
    assert TeacherConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("price", ["fre", 3, {"prompt": -1, "completion": 1}, {"prompt": 1}])
def test_anything_else_is_told(price):
    with pytest.raises(ValidationError, match=r"a price is 'free', or \{ prompt|greater than or equal|required"):
        TeacherConfig.model_validate({"prices": {"mine": price}})


def test_a_cache_dearer_than_the_prompt_is_refused_since_no_budget_could_hold():
    with pytest.raises(ValidationError, match=r"cached = 2 is dearer than prompt = 1"):
        Price(prompt=1, completion=1, cached=2)


def test_cost_is_dollars_for_a_million_tokens():
    assert cost_usd(Price(prompt=2.5, completion=10), 1_000_000, 100_000) == pytest.approx(3.5)


def test_cached_tokens_cost_less_where_the_list_says_so():
    price = Price(prompt=2, completion=8, cached=0.5)
    assert cost_usd(price, 1_000_000, 0, cached_tokens=600_000) == pytest.approx(0.4 * 2 + 0.6 * 0.5)
    assert cost_usd(Price(prompt=2, completion=8), 1_000_000, 0, cached_tokens=600_000) == pytest.approx(2)


def test_a_batch_costs_half_unless_the_price_says_otherwise():
    listed = price_of("gpt-4.1")
    assert cost_usd(listed, 1000, 1000, batch=True) == pytest.approx(cost_usd(listed, 1000, 1000) / 2)
    assert cost_usd(Price(prompt=1, completion=1, batch=1), 1000, 0, batch=True) == pytest.approx(0.001)


@given(st.sampled_from(sorted(list_prices())), st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_what_is_billed_at_list_prices_never_passes_what_is_set_aside(model, prompt, reply, data):
    price = price_of(model)
    cached = data.draw(st.integers(0, prompt))
    per_prompt, per_reply = rates_of(price)
    billed = cost_usd(price, prompt, reply, cached_tokens=cached, batch=data.draw(st.booleans()))
    assert round(billed * 10**12) <= prompt * per_prompt + reply * per_reply
