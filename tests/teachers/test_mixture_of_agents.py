"""Proposals, then one reply from them: each call a request of its own, in the ledger, within limits and budget."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import ValidationError

import prompts
from schemas.completion import Completion, CompletionRequest, Sampling
from schemas.errors import BudgetError, ConfigError, TeacherError
from schemas.message import Message, Tool, ToolCall
from schemas.run_config import AgentsConfig, RunConfig, TeacherConfig
from schemas.settings import Settings
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.mixture_of_agents import MixtureOfAgents, calls_of, with_proposals
from teachers.open import check_teacher, models_of, open_teacher
from teachers.scripted import Scripted, receipt

PANEL = AgentsConfig(proposers=("a", "b"), aggregator="c")
SELF = AgentsConfig(proposers=("a",), samples=3, temperature=0.9, aggregator="a")
LAYERED = AgentsConfig(proposers=("a", "b"), samples=2, aggregator="c", layers=2)

FREE = dict.fromkeys(("m", "n", "gpt-9"), "free")


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def say(request: CompletionRequest) -> str:
    """Reply with the model's name and all that tells two requests of a mixture apart."""
    last = "sums up" if "[End of the proposals]" in request.messages[-1].content else "proposes"
    return f"{request.model} {last} {request.key} seed {request.sampling.seed}"


def mixed(ledger: Ledger, inner: Scripted, **mixtures: AgentsConfig) -> MixtureOfAgents:
    return MixtureOfAgents(Ledgered(inner, ledger), mixtures)


async def test_the_aggregator_is_shown_every_proposal_and_its_reply_is_the_answer(ledger, ask):
    inner = Scripted(say)
    answer = await mixed(ledger, inner, panel=PANEL).complete(ask(model="panel"))
    first, second, last = inner.requests
    assert [first.model, second.model, last.model] == ["a", "b", "c"]
    assert answer.reply == say(last) and answer.model == "c"
    shown = last.messages[-1].content
    assert shown.startswith("How many?\n\n") and say(first) in shown and say(second) in shown
    assert (last.prompt_sha, last.sampling) == (prompts.load("aggregate").sha256, ask().sampling)


async def test_every_call_is_in_the_ledger_and_the_answer_names_its_proposals(ledger, ask):
    answer = await mixed(ledger, Scripted(say), panel=PANEL).complete(ask(model="panel"))
    stored = {completion.completion_id: completion for _, completion in ledger.rows_after(0, 10)}
    assert len(stored) == 3 and len(answer.parents) == 2
    assert stored[answer.completion_id].parents == answer.parents, "the row that is landed says so as well"
    assert {stored[parent].model for parent in answer.parents} == {"a", "b"}
    assert {r.completion_id: r.reply for r in answer.receipts} == {key: c.reply for key, c in stored.items()}
    assert type(stored[answer.completion_id]) is Completion


async def test_samples_of_one_model_are_draws_of_their_own(ledger, ask):
    inner = Scripted(say)
    request = ask(model="self", sampling=Sampling(max_tokens=100, temperature=0.2, seed=5), key="round 1")
    answer = await mixed(ledger, inner, self=SELF).complete(request)
    *proposals, last = inner.requests
    assert len({p.request_hash for p in proposals}) == len({p.sampling.seed for p in proposals}) == 3
    assert {p.sampling.temperature for p in proposals} == {0.9} and last.sampling == request.sampling
    assert len(answer.parents) == 3 and {request.model for request in inner.requests} == {"a"}


async def test_from_the_second_layer_on_proposers_are_shown_the_layer_before(ledger, ask):
    inner = Scripted(say)
    answer = await mixed(ledger, inner, deep=LAYERED).complete(ask(model="deep"))
    first, second, last = inner.requests[:4], inner.requests[4:8], inner.requests[8]
    ids = [tuple(sorted(request.request_hash for request in layer)) for layer in (first, second)]
    assert all(tuple(sorted(request.parents)) == ids[0] for request in second)
    assert tuple(sorted(last.parents)) == tuple(sorted(answer.parents)) == ids[1]
    assert all(say(one) in request.messages[-1].content for one in first for request in second)
    assert not any(say(one) in last.messages[-1].content for one in first), "only the last layer"
    assert len(answer.receipts) == len(inner.requests) == ledger.totals().requests == 9


async def test_a_model_that_is_no_mixture_is_asked_as_ever(ledger, ask):
    inner = Scripted(say)
    answer = await mixed(ledger, inner, panel=PANEL).complete(ask())
    assert inner.requests == [ask()] and answer.receipts == (answer,) and not answer.parents


async def test_another_aggregator_finds_the_proposals_paid_and_a_replay_sends_nothing(ledger, ask):
    await mixed(ledger, Scripted(say), panel=PANEL).complete(ask(model="panel"))
    again, other = Scripted([]), Scripted(say)
    first = await mixed(ledger, again, panel=PANEL).complete(ask(model="panel"))
    second = await mixed(ledger, other, x=PANEL.model_copy(update={"aggregator": "d"})).complete(ask(model="x"))
    assert not again.requests and [request.model for request in other.requests] == ["d"]
    assert first.parents == second.parents and first.receipts[1:] == second.receipts[1:]


async def test_a_mixture_of_the_same_name_that_is_made_otherwise_is_asked_anew(ledger, ask):
    await mixed(ledger, Scripted(say), panel=PANEL).complete(ask(model="panel"))
    warmer = Scripted(say)
    await mixed(ledger, warmer, panel=PANEL.model_copy(update={"temperature": 1.0})).complete(ask(model="panel"))
    assert len(warmer.requests) == 3


class Ending(Scripted):
    """Ends the replies of some models as it is told."""

    def __init__(self, **reasons: str) -> None:
        super().__init__(say)
        self.reasons = reasons

    async def complete(self, request: CompletionRequest) -> Completion:
        reason = self.reasons.get(request.model, "stop")
        return (await super().complete(request)).model_copy(update={"finish_reason": reason})


async def test_a_refused_or_cut_proposal_is_not_shown_and_still_paid_for_the_answer(ledger, ask):
    inner = Ending(a="length")
    answer = await mixed(ledger, inner, panel=PANEL).complete(ask(model="panel"))
    shown = inner.requests[-1].messages[-1].content
    assert "b proposes" in shown and "a proposes" not in shown and "[Proposal 1 of 1]" in shown
    assert len(answer.parents) == 2 and len(answer.receipts) == 3


async def test_where_no_proposal_is_an_answer_the_first_is_returned_as_it_ended(ledger, ask):
    inner = Ending(a="content_filter", b="empty")
    answer = await mixed(ledger, inner, panel=PANEL).complete(ask(model="panel"))
    assert (answer.finish_reason, answer.model, len(answer.receipts)) == ("content_filter", "a", 2)
    assert len(inner.requests) == 2, "no aggregator is paid for nothing"


class Failing(Scripted):
    """Fails where model b is asked, sooner than the others answer."""

    async def complete(self, request: CompletionRequest) -> Completion:
        if request.model == "b":
            raise TeacherError("b is down", transient=True)
        await asyncio.sleep(0.05)
        return receipt(request, "paid")


async def test_what_the_others_said_is_kept_when_one_proposer_fails(ledger, ask):
    with pytest.raises(TeacherError, match="b is down"):
        await mixed(ledger, Failing([]), panel=PANEL).complete(ask(model="panel"))
    assert [completion.model for _, completion in ledger.rows_after(0, 10)] == ["a"]
    inner = Scripted(say)
    await mixed(ledger, inner, panel=PANEL).complete(ask(model="panel"))
    assert [request.model for request in inner.requests] == ["b", "c"], "a is not asked again"


def test_after_a_tool_s_answer_the_proposals_come_as_a_message_of_their_own(ask):
    call = ToolCall(call_id="1", name="run", arguments='{"sql": "x"}')
    said = Message(role="assistant", content="", tool_calls=(call,))
    shown = Message(role="tool", content="3 rows", tool_call_id="1")
    request = ask(messages=(said, shown), tools=(Tool(name="run", description="", parameters="{}"),))
    calls = receipt(request, "").model_copy(update={"finish_reason": "tool_calls", "tool_calls": (call,)})
    built = with_proposals(request, [calls], model="c")
    assert built.messages[:2] == (said, shown) and built.tools == request.tools
    assert built.messages[2].role == "user" and 'calls run with {"sql": "x"}' in built.messages[2].content


def teacher(**changes: object) -> TeacherConfig:
    mixtures = {"panel": {"proposers": ["offline-a", "offline-b"], "samples": 2, "aggregator": "offline-b"}}
    return TeacherConfig.model_validate({"mixtures": mixtures, "solver": "panel"} | changes)


def test_a_build_asks_the_models_that_its_mixtures_are_made_of() -> None:
    assert models_of(teacher()) == ("offline-a", "offline-b")
    assert models_of(teacher(solvers={"os": "c", "db": "panel"})) == ("offline-a", "offline-b", "c")
    assert calls_of("panel", teacher().mixtures) == {"offline-a": 2, "offline-b": 3}
    assert calls_of("deep", {"deep": LAYERED}) == {"a": 4, "b": 4, "c": 1}
    assert calls_of("a", {"deep": LAYERED}) == {"a": 1}


async def test_a_mixture_s_models_are_looked_for_before_a_build(endpoint):
    panel = {"proposers": ["m", "gpt-9"], "aggregator": "m"}
    with pytest.raises(ConfigError, match="no model gpt-9"):
        await check_teacher(
            RunConfig(teacher=teacher(mixtures={"panel": panel | {"aggregator": "offline-a"}})), Settings()
        )
    endpoint.otherwise = endpoint.refuse(404, code="model_not_found")
    asked = teacher(mixtures={"panel": panel}, kind="openai", generator="m", backfiller="m", prices=FREE)
    with pytest.raises(ConfigError, match="knows no model 'gpt-9'"):
        await check_teacher(RunConfig(teacher=asked), Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url))


@pytest.mark.parametrize(
    ("mixtures", "said"),
    [
        ({"x": {"proposers": ["a", "a"], "aggregator": "c"}}, "name a model twice"),
        ({"x": {"proposers": [], "aggregator": "c"}}, "proposers"),
        (
            {"x": {"proposers": ["y"], "aggregator": "c"}, "y": {"proposers": ["a"], "aggregator": "a"}},
            r"mixes \['y'\]",
        ),
        ({"x": {"proposers": ["a"], "aggregator": "x"}}, r"mixes \['x'\]"),
    ],
)
def test_what_is_no_mixture_of_models_is_refused(mixtures: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        teacher(mixtures=mixtures)


async def test_limits_and_the_budget_hold_for_every_call_of_a_mixture(endpoint, ledger, ask):
    panel = {"proposers": ["m", "n"], "samples": 3, "aggregator": "m"}
    asked = teacher(kind="openai", mixtures={"panel": panel}, concurrency=2, generator="m", backfiller="m", prices=FREE)
    config = RunConfig.model_validate({"teacher": asked, "budget": {"tokens": 2_000}})
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=endpoint.url)

    async def slow(request):
        await asyncio.sleep(0.002)
        return await endpoint.reply("Forty.")(request)

    endpoint.otherwise = slow
    async with open_teacher(config, settings, ledger, build="1") as whole:
        asked = [whole.complete(ask(f"question {i}", model="panel")) for i in range(12)]
        ended = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in ended if isinstance(one, Exception)} == {BudgetError}
    assert endpoint.most_in_flight <= 4, "two of each model"
    assert ledger.totals().requests == len(endpoint.bodies) > 7 and ledger.totals().tokens <= 2_000


async def test_the_offline_teacher_says_what_most_of_its_proposals_say(ledger, ask):
    async with open_teacher(RunConfig(teacher=teacher()), Settings(), ledger) as whole:
        answer = await whole.complete(ask(model="panel"))
        alone = await whole.complete(ask(model="offline-a"))
    assert answer.reply == alone.reply and answer.model == "offline-b" and len(answer.receipts) == 5


async def test_through_a_batch_api_the_answer_names_its_proposals_too(ledger, ask):
    batch = teacher(mode="batch", batch_poll_seconds=0.05, batch_wait_seconds=0.05)
    async with open_teacher(RunConfig(teacher=batch), Settings(), ledger, build="1") as whole:
        answer = await whole.complete(ask(model="panel"))
    stored = {completion.completion_id: completion for _, completion in ledger.rows_after(0, 10)}
    assert len(stored) == 5 and len(stored[answer.completion_id].parents) == 4
    assert all(completion.batch for completion in stored.values())
