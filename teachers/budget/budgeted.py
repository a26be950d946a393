"""The budget: what a request could cost at most is set aside before it is sent and given back with its answer.

A reply that is lost after its request went out may have been billed, so the most that it can have cost counts as spent
and the next attempt is paid for anew. Refusals (429, 5xx) and requests that never went out cost nothing: OpenAI bills
what it answers. docs/teacher.md, section "Budget".
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import aiohttp
import openai
from tenacity import RetryCallState

from schemas.completion import Completion, CompletionRequest
from schemas.errors import ConfigError
from schemas.run_config import BudgetConfig, Price, TeacherConfig
from teachers.base import Teacher
from teachers.budget.caps import NOTHING, Amount, BudgetCaps, sum_from_floats
from teachers.budget.losses import Kind, Losses
from teachers.budget.prices import price_of, rates_of
from teachers.ledger.ledger import Ledger

_MESSAGE_TOKENS = 16
"""Tokens that wrap a message, generously: chat formats use three to five."""
_TEMPLATE_TOKENS = 128
"""Tokens that a server's chat template puts before the messages: some write a system prompt of their own."""
_TOOLS_TOKENS = 512
"""The same for the instructions that go with tools."""
_SCHEMA_TOKENS = 512
"""The same for the words around a schema where it is said in the prompt."""
_UNSURE_STATUS = (408, 504, 524)
"""The answer was on its way when a gateway stopped waiting: it may have been billed."""

_log = logging.getLogger(__name__)


class Hold:
    """What is set aside for one request, from before it is sent until its answer is here or given up.

    Where several samples are asked for, calls for single ones may be out at the same time, each in a task of its own.
    """

    def __init__(
        self, budget_caps: BudgetCaps, losses: Losses | None, request: CompletionRequest, sample: Amount
    ) -> None:
        """Prepare; `sample` is the most that one sample, asked for singly, can cost."""
        self.need = sample * request.samples
        self.sent = False
        """Whether a call is out of which nobody knows yet that it costs nothing."""
        self._budget_caps, self._losses, self._request, self._sample = budget_caps, losses, request, sample
        self._held = NOTHING

    async def open(self) -> None:
        """Set the amount aside; `BudgetError` where it does not fit any more."""
        await self._hold(self.need)

    async def renew(self, error: BaseException, samples: int) -> None:
        """Prepare for another call after one for so many samples failed."""
        self.sent = self._is_many
        if may_be_billed(error):
            amount = self._sample * samples
            self._write_off(amount, error)
            await self._hold(amount)

    def pay(self, completion: Completion) -> None:
        """Book an answer at what was billed, be it more than was set aside."""
        paid = Amount.of(completion.prompt_tokens + completion.completion_tokens, completion.cost_usd)
        beyond = Amount(max(0, paid.tokens - self.need.tokens), max(0, paid.picos - self.need.picos))
        self._settle(self._held, paid, beyond=beyond)
        if beyond != NOTHING:
            detail = f"billed {paid} where {self.need} was the most it was allowed"
            _log.warning("%s %s", self._request.model, detail)
            if self._losses:
                self._losses.add("overbilled", self._request, beyond, detail)

    def close(self, error: BaseException | None) -> None:
        """Give back what is still held; of a request that failed while a call was out it may have been billed."""
        if self._held != NOTHING and error is not None and self.sent and (self._is_many or may_be_billed(error)):
            self._write_off(self._held, error)
        elif self._held != NOTHING:
            self._settle(self._held, NOTHING)

    @property
    def _is_many(self) -> bool:
        """Whether some samples may have come, and been billed, before another one failed."""
        return self._request.samples > 1

    async def _hold(self, amount: Amount) -> None:
        await self._budget_caps.reserve(amount, self._request.purpose)
        self._held += amount

    def _write_off(self, amount: Amount, error: BaseException) -> None:
        self._settle(amount, amount, lost=amount)
        if self._losses:
            kind: Kind = "given_up" if isinstance(error, asyncio.CancelledError) else "reply_lost"
            detail = f"may have cost up to {amount}: {str(error) or type(error).__name__}"
            self._losses.add(kind, self._request, amount, detail)

    def _settle(self, held: Amount, paid: Amount, *, lost: Amount = NOTHING, beyond: Amount = NOTHING) -> None:
        self._held -= held
        self._budget_caps.settle(held, paid, self._request.purpose, lost=lost, beyond=beyond)


_hold: ContextVar[Hold | None] = ContextVar("hold", default=None)
_samples_out: ContextVar[int] = ContextVar("samples_out", default=1)
"""Of the last call that this task sent."""


def mark_sent(samples: int = 1) -> None:
    """Tell the budget that a call goes out now: from here on its reply can be lost."""
    hold = _hold.get()
    if hold is not None:
        hold.sent = True
        _samples_out.set(samples)


async def renew_hold(state: RetryCallState) -> None:
    """Tell the budget that a call failed and is made again (tenacity's `before_sleep`).

    Raises:
        BudgetError: the failed call may have been billed, and another one does not fit any more.
    """
    hold, error = _hold.get(), state.outcome.exception() if state.outcome else None
    if hold is not None and hold.sent and error is not None:
        await hold.renew(error, _samples_out.get())


def may_be_billed(error: BaseException) -> bool:
    """Whether an attempt that went out and failed like this may have been billed; in doubt it may."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, openai.APIStatusError):
            return cause.status_code in _UNSURE_STATUS
        if isinstance(cause, aiohttp.ClientConnectorError):
            return False
        cause = cause.__cause__
    return True


class Budgeted:
    """Wraps an endpoint; composed inside the ledger, so that only what is sent counts."""

    def __init__(
        self,
        teacher: Teacher,
        budget_caps: BudgetCaps,
        prices: Mapping[str, Price] | None = None,
        losses: Losses | None = None,
    ) -> None:
        self.teacher = teacher
        self._budget_caps = budget_caps
        self._prices = prices
        self._losses = losses
        self._rates: dict[str, tuple[int, int]] = {}

    async def complete(self, request: CompletionRequest) -> Completion:
        """Set aside what the answer could cost, ask, and book what it did cost.

        Raises:
            TeacherError: the teacher's own; booked is what may have been billed all the same.
            BudgetError: the answer could pass the budget; nothing was sent.
        """
        hold = Hold(self._budget_caps, self._losses, request, self._most_of_a_sample(request))
        await hold.open()
        token = _hold.set(hold)
        failure: BaseException | None = None
        try:
            completion = await self.teacher.complete(request)
            hold.pay(completion)
        except BaseException as error:
            failure = error
            raise
        finally:
            _hold.reset(token)
            hold.close(failure)
        return completion

    async def close(self) -> None:
        """Close the teacher."""
        await self.teacher.close()

    def _most_of_a_sample(self, request: CompletionRequest) -> Amount:
        rates = self._rates.get(request.model)
        if rates is None:
            rates = self._rates[request.model] = rates_of(price_of(request.model, self._prices))
        return _bound(request, *rates)


def at_most(request: CompletionRequest, price: Price | None) -> Amount:
    """Bound what an answer costs: a token is at least one byte of UTF-8, a sample has at most `max_tokens`.

    An endpoint that draws one sample at a time bills the prompt with each.
    """
    return _bound(request, *rates_of(price)) * request.samples


def _bound(request: CompletionRequest, per_prompt: int, per_reply: int) -> Amount:
    prompt, reply = most_prompt_tokens(request), request.sampling.max_tokens
    return Amount(prompt + reply, prompt * per_prompt + reply * per_reply)


def most_prompt_tokens(request: CompletionRequest) -> int:
    """Bound what a request is read as, once: a token is at least one byte of UTF-8."""
    prompt = _TEMPLATE_TOKENS + _MESSAGE_TOKENS * len(request.messages)
    for message in request.messages:
        prompt += _bytes_of(message.content)
        for call in message.tool_calls:
            prompt += _bytes_of(call.name + call.arguments) + _MESSAGE_TOKENS
    if request.tools:
        prompt += _TOOLS_TOKENS
        prompt += sum(_bytes_of(t.name + t.description + t.parameters) + _MESSAGE_TOKENS for t in request.tools)
    if request.answer_schema:
        prompt += _bytes_of(request.answer_schema.name + request.answer_schema.json_schema) + _SCHEMA_TOKENS
    return prompt


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_PURSES: WeakKeyDictionary[Ledger, dict[str, BudgetCaps]] = WeakKeyDictionary()
_PURSES_LOCK = threading.Lock()


def caps_of(ledger: Ledger, build: str, budget: BudgetConfig) -> BudgetCaps:
    """Return the process's caps for a build; what earlier runs of the build spent is read from the ledger."""
    with _PURSES_LOCK:
        caps = _PURSES.setdefault(ledger, {})
        key = f"{build}: {budget.model_dump_json()}"
        if key not in caps:
            caps[key] = BudgetCaps(budget, _spent_before(ledger, build))
        return caps[key]


def losses_of(ledger: Ledger, build: str) -> Losses:
    """Return what a build lost so far, beside the ledger's answers."""
    return Losses(ledger.engine, build)


def _spent_before(ledger: Ledger, build: str) -> dict[str, Amount]:
    parts = ledger.totals(after=ledger.begin(build)).by_purpose
    spent = {name: sum_from_floats(part.tokens, part.cost_usd) for name, part in parts.items()}
    for name, lost in losses_of(ledger, build).spent().items():
        spent[name] = spent.get(name, NOTHING) + lost
    return spent


def require_prices(teacher: TeacherConfig, models: Iterable[str]) -> None:
    """Refuse models of an endpoint whose price nobody named, before the first call.

    Raises:
        ConfigError: naming the models, and the line that is missing.
    """
    unknown = sorted({model for model in models if price_of(model, teacher.prices) is None})
    if teacher.kind == "offline" or not unknown:
        return
    free = ", ".join(f'"{model}" = "free"' for model in unknown)
    raise ConfigError(
        f"nobody said what {', '.join(unknown)} costs. On a server of your own, add --set 'teacher.prices={{{free}}}', "
        f"or to the configuration [teacher.prices] with the line "
        f'"{unknown[0]}" = "free". Where it is billed, give dollars for a million tokens instead: '
        f'"{unknown[0]}" = {{ prompt = 0.5, completion = 1.5 }}'
    )
