"""The budget: what a request could cost at most is set aside before it is sent and given back with its answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from schemas.completion import Completion, CompletionRequest
from schemas.errors import BudgetError, ConfigError
from schemas.run_config import BudgetConfig, Price
from teachers.base import Teacher
from teachers.ledger import Ledger, Totals
from teachers.prices import cost_usd, price_of

_MESSAGE_TOKENS = 16
"""Tokens that wrap a message, generously: chat formats use three to five."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Amount:
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.usd - other.usd)

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens, ${self.usd:.4f}"


class Purse:
    """What is left of one build's budget, shared by all threads and event loops of the process."""

    def __init__(self, budget: BudgetConfig, earlier: Totals | None = None) -> None:
        """Open the purse; `earlier` is what runs before this one spent of the same budget."""
        earlier = earlier or Totals()
        self._budget = budget
        self._spent = Amount(earlier.tokens, earlier.cost_usd)
        self._by_purpose = {name: Amount(part.tokens, part.cost_usd) for name, part in earlier.by_purpose.items()}
        self._held = Amount()
        self._holders = 0
        self._waiting: list[Future[None]] = []
        self._lock = threading.Lock()

    @property
    def spent(self) -> Amount:
        return self._spent

    async def reserve(self, need: Amount) -> None:
        """Set an amount aside; waits while answers in flight may give back enough of theirs.

        Raises:
            BudgetError: even with everything given back it does not fit.
        """
        while (change := self._try_reserve(need)) is not None:
            await asyncio.wrap_future(change)

    def settle(self, need: Amount, paid: Amount, purpose: str | None = None) -> None:
        """Give back what was set aside and book what was paid."""
        with self._lock:
            self._held -= need
            self._holders -= 1
            self._spent += paid
            if purpose is not None:
                self._by_purpose[purpose] = self._by_purpose.get(purpose, Amount()) + paid
            waiting, self._waiting = self._waiting, []
        for change in waiting:
            change.set_result(None)

    def _try_reserve(self, need: Amount) -> Future[None] | None:
        with self._lock:
            if not self._fits(self._spent + need):
                raise BudgetError(self._explain(need))
            if self._fits(self._spent + self._held + need):
                self._held += need
                self._holders += 1
                return None
            change: Future[None] = Future()
            change.set_running_or_notify_cancel()
            self._waiting.append(change)
            return change

    def _fits(self, amount: Amount) -> bool:
        tokens, usd = self._budget.tokens, self._budget.usd
        return (tokens is None or amount.tokens <= tokens) and (usd is None or amount.usd <= usd)

    def _explain(self, need: Amount) -> str:
        caps = []
        if self._budget.usd is not None:
            caps.append(f"${self._budget.usd:g}")
        if self._budget.tokens is not None:
            caps.append(f"{self._budget.tokens:,} tokens")
        parts = "; ".join(f"{name}: {amount}" for name, amount in sorted(self._by_purpose.items())) or "nothing yet"
        return (
            f"the budget of {' and '.join(caps)} is used up: spent {self._spent} ({parts}), and the next request could "
            f"cost {need}. Every answer paid for is kept. Raise [budget] usd or tokens and run again to go on"
        )


_PURSES: WeakKeyDictionary[Ledger, dict[str, Purse]] = WeakKeyDictionary()
_PURSES_LOCK = threading.Lock()


def purse_of(ledger: Ledger, build: str, budget: BudgetConfig) -> Purse:
    """Return the process's purse for a build; what earlier runs of the build spent is read from the ledger."""
    with _PURSES_LOCK:
        purses = _PURSES.setdefault(ledger, {})
        key = f"{build}: {budget.model_dump_json()}"
        if key not in purses:
            purses[key] = Purse(budget, ledger.totals(after=ledger.begin(build)))
        return purses[key]


class Budgeted:
    """Wraps a teacher; composed inside the ledger, so that only what is sent counts."""

    def __init__(self, teacher: Teacher, purse: Purse, prices: Mapping[str, Price] | None = None) -> None:
        self.teacher = teacher
        self._purse = purse
        self._prices = prices

    async def complete(self, request: CompletionRequest) -> Completion:
        """Set aside what the answer could cost, ask, and book what it did cost.

        Raises:
            TeacherError: the teacher's own; nothing is booked.
            BudgetError: the answer could pass the budget; nothing was sent.
        """
        need = at_most(request, price_of(request.model, self._prices))
        await self._purse.reserve(need)
        paid, purpose = Amount(), None
        try:
            completion = await self.teacher.complete(request)
            paid, purpose = (
                Amount(completion.prompt_tokens + completion.completion_tokens, completion.cost_usd),
                request.purpose,
            )
        finally:
            self._purse.settle(need, paid, purpose)
        if paid.tokens > need.tokens:
            _log.warning("%s billed %s where %s was the most it was allowed", request.model, paid, need)
        return completion

    async def close(self) -> None:
        """Close the teacher."""
        await self.teacher.close()


def at_most(request: CompletionRequest, price: Price | None) -> Amount:
    """Bound what an answer costs: a token is at least one byte of UTF-8, a reply at most `max_tokens`."""
    prompt = _MESSAGE_TOKENS + sum(len(m.content.encode()) + _MESSAGE_TOKENS for m in request.messages)
    reply = request.sampling.max_tokens
    return Amount(prompt + reply, cost_usd(price, prompt, reply))


def require_prices(budget: BudgetConfig, models: tuple[str, ...], prices: Mapping[str, Price]) -> None:
    """Refuse a budget in dollars for a model whose price nobody knows: it could not hold.

    Raises:
        ConfigError: naming the model.
    """
    unknown = sorted({model for model in models if price_of(model, prices) is None})
    if budget.usd is not None and unknown:
        raise ConfigError(
            f"a budget of ${budget.usd:g} needs the price of {', '.join(unknown)}; add e.g. "
            f'[teacher.prices."{unknown[0]}"] with prompt and completion in dollars for a million tokens (0 = free)'
        )
