"""The cap is never passed, whatever is in flight."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.completion import Completion, CompletionRequest, Sampling
from schemas.errors import BudgetError, ConfigError, TeacherError
from schemas.run_config import BudgetConfig, Price
from teachers.budget import Amount, Budgeted, Purse, at_most, purse_of, require_prices
from teachers.ledger import Ledger
from teachers.ledgered import Ledgered
from teachers.prices import cost_usd
from teachers.scripted import Scripted, receipt

PRICES = {"m": Price(prompt=1000.0, completion=2000.0)}


class Biller(Scripted):
    """Bills a random part of what it may, at PRICES."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(lambda request: "ok")
        self._dice = random.Random(seed)
        self.billed_usd = 0.0
        self.billed_tokens = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(self._dice.random() / 500)
        reply = self._dice.randint(0, request.sampling.max_tokens)
        prompt = sum(len(m.content) for m in request.messages)
        usd = cost_usd(PRICES["m"], prompt, reply)
        self.billed_usd += usd
        self.billed_tokens += prompt + reply
        changes = {"prompt_tokens": prompt, "completion_tokens": reply, "cost_usd": usd}
        return receipt(request, "ok").model_copy(update=changes)


@settings(max_examples=15, deadline=None)
@given(usd=st.none() | st.floats(0.5, 40), tokens=st.none() | st.integers(500, 20_000), seed=st.integers(0, 100))
def test_no_cap_is_ever_passed_with_64_in_flight(ask, usd, tokens, seed):
    async def run() -> None:
        requests = iter([ask(f"{i} " * 20, sampling=Sampling(max_tokens=200)) for i in range(200)])

        async def work() -> None:
            for request in requests:
                await teacher.complete(request)

        await asyncio.gather(*(work() for _ in range(64)), return_exceptions=True)

    biller = Biller(seed)
    teacher = Budgeted(biller, Purse(BudgetConfig(usd=usd, tokens=tokens)), PRICES)
    asyncio.run(run())
    assert usd is None or biller.billed_usd <= usd
    assert tokens is None or biller.billed_tokens <= tokens
    if usd is None and tokens is None:
        assert len(biller.requests) == 200


async def test_a_request_waits_for_what_others_may_give_back_instead_of_ending_the_run(ask):
    requests = [ask(f"{i} " * 10, sampling=Sampling(max_tokens=100)) for i in range(20)]
    most = max(at_most(r, None).tokens for r in requests)
    purse = Purse(BudgetConfig(tokens=most * 6))
    biller = Biller(1)
    answered = await asyncio.gather(*(Budgeted(biller, purse).complete(r) for r in requests), return_exceptions=True)
    paid = [a for a in answered if isinstance(a, Completion)]
    assert len(paid) > 6, "what was set aside and not needed was used by others"
    assert biller.billed_tokens <= most * 6


async def test_the_message_says_what_was_spent_on_what_and_how_to_go_on(ask):
    purse = Purse(BudgetConfig(tokens=400))
    teacher = Budgeted(Scripted(lambda request: "okay"), purse)
    await teacher.complete(ask("x" * 40, purpose="generate_tasks"))
    with pytest.raises(
        BudgetError, match=r"400 tokens is used up: spent 11 tokens.*generate_tasks.*run again to go on"
    ):
        await teacher.complete(ask("x" * 400))


async def test_what_a_failed_request_had_set_aside_is_given_back(ask):
    def fail(request: CompletionRequest) -> str:
        raise TeacherError("down")

    request = ask()
    purse = Purse(BudgetConfig(tokens=at_most(request, None).tokens))
    with pytest.raises(TeacherError):
        await Budgeted(Scripted(fail), purse).complete(request)
    assert (await Budgeted(Scripted(["ok"]), purse).complete(request)).reply == "ok"


async def test_a_replay_costs_nothing_even_when_the_budget_is_used_up(tmp_path, ask):
    ledger = Ledger(tmp_path / "l.sqlite")
    budget = BudgetConfig(tokens=at_most(ask(), None).tokens)
    teacher = Ledgered(Budgeted(Scripted(["one"]), purse_of(ledger, "1", budget)), ledger)
    first = await teacher.complete(ask())
    with pytest.raises(BudgetError):
        await teacher.complete(ask("another"))
    assert await teacher.complete(ask()) == first
    ledger.close()


async def test_earlier_runs_of_the_same_build_count_and_other_builds_do_not(tmp_path, ask):
    budget = BudgetConfig(tokens=1000)
    first = Ledger(tmp_path / "l.sqlite")
    await Ledgered(Budgeted(Scripted(["x" * 40]), purse_of(first, "7", budget)), first).complete(ask("y" * 40))
    spent = purse_of(first, "7", budget).spent
    assert spent.tokens == 20
    first.close()
    again = Ledger(tmp_path / "l.sqlite")
    assert purse_of(again, "7", budget).spent == spent
    assert purse_of(again, "8", budget).spent == Amount()
    again.close()


async def test_an_endpoint_that_bills_beyond_its_maximum_is_reported(ask, caplog):
    class Greedy(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            return receipt(request, "ok").model_copy(update={"completion_tokens": 10_000})

    purse = Purse(BudgetConfig(tokens=100_000))
    await Budgeted(Greedy([]), purse).complete(ask())
    assert "was the most it was allowed" in caplog.text
    assert purse.spent.tokens > 10_000


def test_the_bound_holds_for_text_of_many_bytes_a_character(ask):
    assert at_most(ask("漢字" * 10), None).tokens >= 60 + 100


def test_a_budget_in_dollars_needs_prices():
    with pytest.raises(ConfigError, match=r'\[teacher.prices."ghost"\]'):
        require_prices(BudgetConfig(usd=1), ("gpt-4o", "ghost"), {})
    require_prices(BudgetConfig(usd=1), ("ghost",), {"ghost": Price(prompt=0, completion=0)})
    require_prices(BudgetConfig(tokens=5), ("ghost",), {})
