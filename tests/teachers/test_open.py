"""The whole chain: ledger, budget, client, server."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import BudgetError, ConfigError
from schemas.run_config import RunConfig
from schemas.settings import Settings
from teachers.ledger.ledger import Ledger
from teachers.open import check_endpoint, check_teacher, open_teacher


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def config(**teacher: object) -> RunConfig:
    return RunConfig.model_validate({"teacher": teacher})


async def test_the_offline_teacher_answers_without_key_or_network(ledger, ask, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with open_teacher(config(), Settings(), ledger) as teacher:
        completion = await teacher.complete(ask(model="offline-a"))
    assert completion.model == "offline-a" and completion.cost_usd == 0


async def test_a_second_opening_replays_and_sends_nothing(tmp_path, ask):
    answers = []
    for sent in (8, 0):
        ledger = Ledger(tmp_path / "ledger.sqlite")
        async with open_teacher(config(), Settings(), ledger) as teacher:
            requests = [ask(f"question {i}", model="offline-b") for i in range(8)]
            answers.append(await asyncio.gather(*map(teacher.complete, requests)))
        assert ledger.counts.sent == sent
        ledger.close()
    assert answers[0] == answers[1]


async def test_a_budget_ends_the_run_and_a_raised_one_goes_on(ledger, ask):
    small = config().model_copy(update={"budget": RunConfig().budget.model_copy(update={"tokens": 400})})
    large = config().model_copy(update={"budget": RunConfig().budget.model_copy(update={"tokens": 100_000})})
    async with open_teacher(small, Settings(), ledger, build="1") as teacher:
        with pytest.raises(BudgetError, match="400 tokens is used up"):
            for i in range(50):
                await teacher.complete(ask(f"question {i}", model="offline-a"))
    paid = ledger.totals()
    assert 0 < paid.tokens <= 400
    async with open_teacher(large, Settings(), ledger, build="1") as teacher:
        for i in range(50):
            await teacher.complete(ask(f"question {i}", model="offline-a"))
    assert ledger.totals().requests == 50


async def test_a_configured_endpoint_is_checked_before_anything_is_spent(endpoint, ledger):
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url)
    names = {"generator": "m", "solver": "m", "backfiller": "m", "prices": {"m": "free"}}
    await check_teacher(config(kind="openai", **names), settings)
    with pytest.raises(ConfigError, match="cannot be reached"):
        await check_teacher(
            config(kind="openai", **names), Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL="http://127.0.0.1:1/v1")
        )
    assert endpoint.bodies == []


async def test_a_model_that_nobody_priced_is_refused_before_the_first_call(endpoint, ledger):
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url)
    unpriced = config(kind="openai", generator="m", solver="gpt-4.1", backfiller="gpt-4.1")
    with pytest.raises(ConfigError, match=r'nobody said what m costs.*"m" = "free"'):
        await check_teacher(unpriced, settings)
    with pytest.raises(ConfigError, match="nobody said what m costs"):
        async with open_teacher(unpriced, settings, ledger):
            pass
    assert endpoint.bodies == []


async def test_an_endpoint_is_checked_by_itself_without_asking_for_a_model(endpoint):
    await check_endpoint(Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url))
    assert endpoint.bodies == []


async def test_a_model_that_the_offline_teacher_lacks_is_a_config_error(ledger):
    with pytest.raises(ConfigError, match="no model gpt-4o; allowed are offline-a, offline-b"):
        await check_teacher(config(solver="gpt-4o"), Settings())
    with pytest.raises(ConfigError, match="no model gpt-4o"):
        async with open_teacher(config(solver="gpt-4o"), Settings(), ledger):
            pass


async def test_a_configured_endpoint_is_asked_with_the_key_and_at_the_address_of_the_settings(endpoint, ledger, ask):
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url)
    async with open_teacher(config(kind="openai"), settings, ledger) as teacher:
        assert (await teacher.complete(ask())).reply == "Forty."
