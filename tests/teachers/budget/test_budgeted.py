"""The cap is never passed: not with 64 in flight, not by replies that get lost, not by retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from schemas.completion import AnswerSchema, Completion, CompletionRequest, Sampling
from schemas.errors import BudgetError, ConfigError, TeacherError
from schemas.message import Message, Tool, ToolCall
from schemas.run_config import BudgetConfig, Price, StageBudget, StageBudgets, TeacherConfig
from teachers.budget.budgeted import Budgeted, at_most, caps_of, losses_of, require_prices
from teachers.budget.caps import NOTHING, PICOS, Amount, BudgetCaps
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted

PRICES = {"m": Price(prompt=1000.0, completion=2000.0)}
REPLY_TOKENS = 100


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


class Till:
    """Handlers for the endpoint double that bill, and what they have billed, in pico-dollars and tokens."""

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint
        self.billed = NOTHING
        self.hanging = asyncio.Event()

    def bill(self, beyond: int = 0) -> dict[str, int]:
        """Bill the last request the most that it allows: a token a byte, all of its maximum."""
        body = self.endpoint.bodies[-1]
        prompt = sum(len(message["content"].encode()) for message in body["messages"])
        reply = body["max_tokens"] + beyond
        self.billed += Amount(prompt + reply, (prompt * 1000 + reply * 2000) * 10**6)
        return {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        usage = self.bill()
        await asyncio.sleep(0.02)
        return self._reply(usage)

    async def overbill(self, request: web.BaseRequest) -> web.StreamResponse:
        return self._reply(self.bill(beyond=5_000))

    async def hang(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bill()
        await self.hanging.wait()
        return web.Response()

    async def drop(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bill()
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def garble(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bill()
        return web.Response(body=b'{"choices": [{"mess', content_type="application/json")

    async def refuse(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=500, headers={"retry-after": "0"})

    def _reply(self, usage: dict[str, int]) -> web.Response:
        message = {"role": "assistant", "content": "ok"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return web.Response(body=orjson.dumps({"choices": choices, "usage": usage}), content_type="application/json")


@pytest.fixture
async def till(endpoint: Any) -> AsyncIterator[Till]:
    till = Till(endpoint)
    endpoint.otherwise = till.answer
    yield till
    till.hanging.set()


def chat(endpoint: Any, **changes: Any) -> OpenAIChat:
    settings = {"concurrency": 64, "timeout_seconds": 0.5, "max_retries": 3, "prices": PRICES}
    return OpenAIChat(TeacherConfig.model_validate({"kind": "openai", **settings, **changes}), "k", endpoint.url)


async def ask_all(teacher: Budgeted, requests: list[CompletionRequest]) -> list[Completion | BaseException]:
    """Ask with 64 workers, each on to the next request whatever became of the last one."""
    waiting, ends = iter(requests), list[Completion | BaseException]()

    async def work() -> None:
        for request in waiting:
            ends.extend(await asyncio.gather(teacher.complete(request), return_exceptions=True))

    await asyncio.gather(*(work() for _ in range(64)))
    await teacher.close()
    return ends


@pytest.mark.parametrize("caps", [{"usd": 22.5}, {"tokens": 17_777}, {"usd": 30, "tokens": 18_000}, {}])
async def test_64_in_flight_that_use_all_of_their_maximum_never_pass_the_cap(endpoint, till, ask, caps):
    budget = BudgetConfig(**caps)
    budget_caps = BudgetCaps(budget)
    teacher = Budgeted(chat(endpoint, timeout_seconds=30), budget_caps, PRICES)
    ends = await ask_all(teacher, [ask(f"{i} " * 10, sampling=Sampling(max_tokens=REPLY_TOKENS)) for i in range(150)])
    assert budget.usd is None or till.billed.picos <= budget.usd * PICOS
    assert budget.tokens is None or till.billed.tokens <= budget.tokens
    assert (budget_caps.held, budget_caps.spent) == (NOTHING, till.billed)
    answered = [end for end in ends if isinstance(end, Completion)]
    assert endpoint.most_in_flight > 30 and answered
    assert len(answered) == 150 if not caps else all(isinstance(e, BudgetError) for e in set(ends) - set(answered))


async def test_the_cap_holds_where_replies_are_lost_and_asked_for_again(endpoint, till, ask, ledger):
    """One in five of each: never answers, breaks off, is no JSON, is refused. All but the refused ones are billed."""
    fates = [till.answer, till.hang, till.drop, till.garble, till.refuse]
    endpoint.script = [fates[i % 5] for i in range(400)]
    budget = BudgetConfig(usd=14)
    budget_caps, losses = caps_of(ledger, "1", budget), losses_of(ledger, "1")
    teacher = Budgeted(chat(endpoint), budget_caps, PRICES, losses)
    alone = await teacher.complete(ask("one that is answered in time, however busy the machine"))
    ends = [alone, *await ask_all(teacher, [ask(f"question {i}") for i in range(120)])]
    assert till.billed.picos <= budget_caps.spent.picos <= 14 * PICOS
    assert budget_caps.held == NOTHING and {type(end) for end in ends} >= {Completion, BudgetError}
    lost = losses.rows()
    assert {loss.kind for loss in lost} == {"reply_lost"} and len(lost) > 5
    message = next(str(end) for end in ends if isinstance(end, BudgetError))
    assert "may have been billed for replies that were lost" in message
    # a later run of the same build knows of them, from the disk alone: no answer was stored here
    again = Ledger(ledger.engine.url.database)
    assert caps_of(again, "1", budget).spent == sum((loss.amount for loss in lost), NOTHING)
    assert caps_of(again, "2", budget).spent == NOTHING
    again.close()


async def test_samples_that_are_lost_on_the_way_count_too(endpoint, till, ask, ledger):
    """Each call answers with one sample, whatever `n` says; so four go out for one request, and some get lost."""
    endpoint.script = [till.drop, till.answer, till.drop, till.garble, till.answer]
    budget_caps, losses = BudgetCaps(BudgetConfig(usd=10)), losses_of(ledger, "1")
    teacher = Budgeted(chat(endpoint, timeout_seconds=30), budget_caps, PRICES, losses)
    request = ask(samples=4)
    answer = await teacher.complete(request)
    assert len(answer.more_samples) == 3 and len(endpoint.bodies) == 7
    assert budget_caps.held == NOTHING and till.billed.picos <= budget_caps.spent.picos
    whole, single = at_most(request, PRICES["m"]), at_most(ask(), PRICES["m"])
    assert [loss.amount for loss in losses.rows()] == [whole, single, single]
    endpoint.script = [till.answer, *[endpoint.refuse(400)] * 3]
    with pytest.raises(TeacherError):  # one came, and was billed, before the others were refused
        await teacher.complete(ask("again", samples=4))
    assert budget_caps.held == NOTHING and till.billed.picos <= budget_caps.spent.picos
    await teacher.close()


async def test_refusals_and_servers_that_are_not_there_cost_nothing(endpoint, till, ask, ledger):
    endpoint.otherwise = endpoint.refuse(429, {"retry-after": "0"})
    budget_caps, losses = BudgetCaps(BudgetConfig(usd=1)), losses_of(ledger, "1")
    for url in (endpoint.url, "http://127.0.0.1:1/v1"):
        client = OpenAIChat(TeacherConfig(kind="openai", max_retries=1), "k", url)
        with pytest.raises(TeacherError):
            await Budgeted(client, budget_caps, PRICES, losses).complete(ask())
        await client.close()
    assert len(endpoint.bodies) == 2
    assert (budget_caps.spent, budget_caps.held, losses.rows()) == (NOTHING, NOTHING, [])


async def test_a_request_cancelled_in_flight_counts_and_one_cancelled_before_it_went_out_does_not(
    endpoint, till, ask, ledger
):
    endpoint.otherwise = till.hang
    budget_caps, losses = BudgetCaps(BudgetConfig()), losses_of(ledger, "1")
    teacher = Budgeted(chat(endpoint, concurrency=1, timeout_seconds=30), budget_caps, PRICES, losses)
    running = [asyncio.ensure_future(teacher.complete(ask(f"question {i}"))) for i in range(5)]
    while not endpoint.bodies:
        await asyncio.sleep(0.01)
    for task in reversed(running):
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert budget_caps.held == NOTHING
    assert [loss.amount for loss in losses.rows()] == [budget_caps.spent] == [at_most(ask("question 0"), PRICES["m"])]
    assert losses.rows()[0].kind == "given_up"
    assert losses.spent() == {"collect_episodes": budget_caps.spent}
    await teacher.close()


async def test_an_endpoint_that_bills_beyond_its_maximum_is_reported_and_booked_as_billed(
    endpoint, till, ask, ledger, caplog
):
    endpoint.otherwise = till.overbill
    budget = BudgetConfig(tokens=6_000)
    budget_caps, losses = caps_of(ledger, "1", budget), losses_of(ledger, "1")
    teacher = Ledgered(Budgeted(chat(endpoint), budget_caps, PRICES, losses), ledger)
    request = ask()
    assert (await teacher.complete(request)).completion_tokens == 5_100  # paid for, so it is kept
    assert budget_caps.spent == till.billed
    (loss,) = losses.rows()
    assert (loss.kind, loss.request_hash) == ("overbilled", request.request_hash)
    assert loss.amount.tokens == till.billed.tokens - at_most(request, PRICES["m"]).tokens
    assert "was the most it was allowed" in loss.detail and loss.detail in caplog.text
    with pytest.raises(BudgetError, match="was billed beyond what requests were allowed to cost"):
        await teacher.complete(ask("another " * 200))
    assert caps_of(Ledger(ledger.engine.url.database), "1", budget).spent == budget_caps.spent  # counted once
    await teacher.close()


async def test_a_request_waits_for_what_others_may_give_back_instead_of_ending_the_run(endpoint, ask):
    """Each sets 250 tokens aside and costs 18; the budget has room for six at a time and for all after each other."""
    requests = [ask(f"{i} " * 10) for i in range(20)]
    budget_caps = BudgetCaps(BudgetConfig(tokens=max(at_most(r, None).tokens for r in requests) * 6))
    teacher = Budgeted(chat(endpoint, timeout_seconds=60), budget_caps)
    answered = await asyncio.gather(*(teacher.complete(r) for r in requests))
    assert len(answered) == 20 and budget_caps.spent.tokens == 20 * 18
    assert endpoint.most_in_flight <= 6
    await teacher.close()


async def test_the_message_says_what_was_spent_on_what_and_how_to_go_on(ask):
    teacher = Budgeted(Scripted(lambda request: "okay"), BudgetCaps(BudgetConfig(tokens=400)))
    await teacher.complete(ask("x" * 40, purpose="generate_tasks"))
    with pytest.raises(
        BudgetError, match=r"400 tokens is used up: spent 11 tokens.*generate_tasks.*run again to go on"
    ):
        await teacher.complete(ask("x" * 400))


async def test_a_stage_that_is_out_of_budget_does_not_stop_another(ask):
    budget = BudgetConfig(stages=StageBudgets(generate_tasks=StageBudget(tokens=280)))
    teacher = Budgeted(Scripted(lambda request: "okay" * 30), BudgetCaps(budget))
    await teacher.complete(ask(purpose="generate_tasks"))
    with pytest.raises(BudgetError, match=r"280 tokens for generate_tasks is used up"):
        await teacher.complete(ask("another", purpose="generate_tasks"))
    assert (await teacher.complete(ask(purpose="collect_episodes"))).reply


async def test_a_replay_costs_nothing_even_when_the_budget_is_used_up(ledger, ask):
    budget = BudgetConfig(tokens=at_most(ask(), None).tokens)
    teacher = Ledgered(Budgeted(Scripted(["one"]), caps_of(ledger, "1", budget)), ledger)
    first = await teacher.complete(ask())
    with pytest.raises(BudgetError):
        await teacher.complete(ask("another"))
    assert await teacher.complete(ask()) == first


async def test_earlier_runs_of_the_same_build_count_and_other_builds_do_not(tmp_path, ask):
    budget = BudgetConfig(tokens=1000)
    first = Ledger(tmp_path / "l.sqlite")
    await Ledgered(Budgeted(Scripted(["x" * 40]), caps_of(first, "7", budget)), first).complete(ask("y" * 40))
    spent = caps_of(first, "7", budget).spent
    assert spent.tokens == 20
    first.close()
    again = Ledger(tmp_path / "l.sqlite")
    assert caps_of(again, "7", budget).spent == spent
    assert caps_of(again, "8", budget).spent == NOTHING
    again.close()


def test_the_bound_holds_for_text_of_many_bytes_a_character(ask):
    assert at_most(ask("漢字" * 10), None).tokens >= 60 + 100
    assert at_most(ask("\ud800"), None).tokens > at_most(ask(""), None).tokens  # half a pair, as a shell may print it


def test_the_bound_counts_samples_tools_calls_and_schemas(ask):
    plain, price = at_most(ask(), None).tokens, Price(prompt=1, completion=3)
    assert at_most(ask(samples=5), None).tokens == 5 * plain
    assert at_most(ask(samples=5), price).picos == 5 * at_most(ask(), price).picos > 5 * 100 * 3 * 10**6
    tool = Tool(name="bash", description="d" * 300, parameters="{}" * 100)
    assert at_most(ask(tools=(tool,)), None).tokens > plain + 500
    schema = AnswerSchema(name="task", json_schema="x" * 700)
    assert at_most(ask(answer_schema=schema), None).tokens > plain + 700
    calls = (ToolCall(call_id="1", name="bash", arguments="y" * 900),)
    called = ask(messages=(Message(role="assistant", content="", tool_calls=calls),))
    assert at_most(called, None).tokens > plain + 800


def test_a_model_without_a_price_is_refused_before_the_first_call_with_the_line_that_is_missing():
    with pytest.raises(ConfigError) as told:
        require_prices(TeacherConfig(kind="openai"), ("gpt-4o", "Qwen/Qwen3-32B"))
    assert "nobody said what Qwen/Qwen3-32B costs" in str(told.value)
    assert """--set 'teacher.prices={"Qwen/Qwen3-32B" = "free"}'""" in str(told.value)
    assert '"Qwen/Qwen3-32B" = { prompt = 0.5, completion = 1.5 }' in str(told.value)
    free = TeacherConfig.model_validate({"kind": "openai", "prices": {"Qwen/Qwen3-32B": "free"}})
    require_prices(free, ("gpt-4o", "Qwen/Qwen3-32B"))
    require_prices(TeacherConfig(kind="offline"), ("ghost",))  # the offline teacher bills nobody
