"""`trajmill estimate` beside what builds then really took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from warehouse.warehouse import Warehouse

FACTOR = 1.5
"""Stage by stage; over all stages together the estimates were within 1.1 (docs/teacher.md)."""


def taken(home: Path) -> dict[str, tuple[int, int]]:
    """Return requests and tokens by stage."""
    query = "SELECT purpose, count(*), sum(prompt_tokens + completion_tokens)::BIGINT FROM completions GROUP BY 1"
    return {stage: (requests, tokens) for stage, requests, tokens in Warehouse(home).query(query)}


def tokens_of(load: dict[str, Any]) -> int:
    return int(load["prompt_tokens"] + load["completion_tokens"])


def test_on_an_empty_home_it_bounds_the_smoke_build_and_comes_near_it(
    trajmill: Any, smoke: Any, tmp_path: Path
) -> None:
    ran = trajmill("estimate", "--config", "smoke", "--json", home=tmp_path / "none")
    assert ran.code == 0, ran.err
    assert not (tmp_path / "none").exists()
    really = taken(smoke.home)
    for stage in ran.json["stages"]:
        requests, tokens = really[stage["stage"]]
        assert requests <= stage["at_most"]["requests"] and tokens <= tokens_of(stage["at_most"])
        assert tokens / FACTOR < tokens_of(stage["likely"]) < tokens * FACTOR
    assert any("no earlier build" in line for line in ran.json["basis"])


@pytest.mark.slow
def test_after_a_build_it_says_what_the_next_one_takes(trajmill: Any, smoke: Any, tmp_path: Path) -> None:
    home = smoke.copy(tmp_path / "home")
    estimated = trajmill("estimate", "--config", "smoke", "--json", home=home).json
    before = taken(home)
    assert trajmill("build", "--config", "smoke", "--json", home=home).code == 0
    after = taken(home)
    for stage in estimated["stages"]:
        name = stage["stage"]
        requests, tokens = (now - then for now, then in zip(after[name], before[name], strict=True))
        assert tokens / FACTOR < tokens_of(stage["likely"]) < tokens * FACTOR, (name, tokens, stage)
        assert requests <= stage["at_most"]["requests"] and tokens <= tokens_of(stage["at_most"])
    assert all("earlier builds had" in line for line in estimated["basis"][1:])


def test_it_is_a_table_for_people_with_the_budget_beside_it(trajmill: Any, tmp_path: Path) -> None:
    asked = ("--set", "teacher.generator=gpt-4.1", "--set", "teacher.kind=openai", "--set", "budget.usd=0.01")
    told = trajmill("estimate", "--config", "smoke", *asked, home=tmp_path / "none")
    assert told.code == 0 and "generate_tasks" in told.out and "gpt-4.1" in told.out, told.err
    assert "will be reached" in told.out and "a token is 4 bytes" in told.out


def test_a_model_without_a_price_cannot_be_estimated(trajmill: Any, tmp_path: Path) -> None:
    asked = ("--set", "teacher.generator=ghost", "--set", "teacher.kind=openai")
    told = trajmill("estimate", "--config", "smoke", *asked, home=tmp_path / "none")
    assert told.code == 2 and "nobody said what ghost costs" in told.err
