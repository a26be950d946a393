"""The caps: every cap of a build at once, for the run and for each stage, in whole pico-dollars.

Whole numbers, because sums of floats creep past a cap. What is set aside is granted in the order in which it was asked
for: as long as something is held its holder gives it back, so nobody waits for ever and nobody is overtaken for ever.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from schemas.errors import BudgetError
from schemas.run_config import BudgetConfig, StageBudget

PICOS = 10**12
"""Pico-dollars in a dollar: a token at $0.000001 a million is still one."""


@dataclass(frozen=True, slots=True)
class Amount:
    tokens: int = 0
    picos: int = 0
    """Pico-dollars."""

    @classmethod
    def of(cls, tokens: int, usd: float) -> Amount:
        """Return an amount in dollars, rounded to the nearest pico-dollar."""
        return cls(tokens, round(usd * PICOS))

    @property
    def usd(self) -> float:
        return self.picos / PICOS

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.picos + other.picos)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.picos - other.picos)

    def __mul__(self, times: int) -> Amount:
        return Amount(self.tokens * times, self.picos * times)

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens, ${self.usd:.4f}"


NOTHING = Amount()


def sum_from_floats(tokens: int, usd: float) -> Amount:
    """Return a sum that was added up in floats, rounded up to a micro-dollar: what they lost is not lost on the cap."""
    micros = (Decimal(repr(usd)) * 10**6).to_integral_value(ROUND_CEILING)
    return Amount(tokens, int(micros) * 10**6)


@dataclass(slots=True)
class _Account:
    """One pair of caps and what counts against it."""

    section: str
    """Where the configuration sets them."""
    max_tokens: int | None
    max_picos: int | None
    spent: Amount = NOTHING
    held: Amount = NOTHING

    @classmethod
    def open(cls, section: str, budget: BudgetConfig | StageBudget, spent: Amount) -> _Account:
        picos = None if budget.usd is None else (Decimal(repr(budget.usd)) * PICOS).to_integral_value(ROUND_FLOOR)
        return cls(section, budget.tokens, None if picos is None else int(picos), spent)

    def could_take(self, need: Amount) -> bool:
        """Whether an amount fits once all that is held has been given back."""
        return (self.max_tokens is None or self.spent.tokens + need.tokens <= self.max_tokens) and (
            self.max_picos is None or self.spent.picos + need.picos <= self.max_picos
        )

    def takes(self, need: Amount) -> bool:
        """Whether an amount fits now."""
        spent, held = self.spent, self.held
        return (self.max_tokens is None or spent.tokens + held.tokens + need.tokens <= self.max_tokens) and (
            self.max_picos is None or spent.picos + held.picos + need.picos <= self.max_picos
        )

    def __str__(self) -> str:
        caps = []
        if self.max_picos is not None:
            caps.append(f"${self.max_picos / PICOS:g}")
        if self.max_tokens is not None:
            caps.append(f"{self.max_tokens:,} tokens")
        stage = self.section.partition("budget.stages.")[2]
        return " and ".join(caps) + (f" for {stage}" if stage else "")


@dataclass(eq=False, slots=True)
class _Waiter:
    need: Amount
    accounts: tuple[_Account, ...]
    change: Future[None] = field(default_factory=Future)
    granted: bool = False
    refused: BudgetError | None = None

    def wake(self) -> None:
        if self.refused:
            self.change.set_exception(self.refused)
        else:
            self.change.set_result(None)


class BudgetCaps:
    """What is left of one build's budget, shared by all threads and event loops of the process."""

    def __init__(self, budget: BudgetConfig, earlier: Mapping[str, Amount] | None = None) -> None:
        """Open the caps; `earlier` is what runs before this one spent of the same budget, by stage."""
        self._spent: dict[str, Amount] = dict(earlier or {})
        self._lost = NOTHING
        self._beyond = NOTHING
        self._run = _Account.open("budget", budget, sum(self._spent.values(), NOTHING))
        self._stages = {
            name: _Account.open(f"budget.stages.{name}", stage, self._spent.get(name, NOTHING))
            for name, stage in budget.stages
            if stage.usd is not None or stage.tokens is not None
        }
        self._queue: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Amount:
        """What was paid, what may have been billed for lost replies counted in."""
        return self._run.spent

    @property
    def held(self) -> Amount:
        return self._run.held

    def committed(self, purpose: str | None = None) -> Amount:
        """Return what is spent and held together, of the run or of a stage with caps: never more than the caps."""
        account = self._run if purpose is None else self._stages[purpose]
        with self._lock:
            return account.spent + account.held

    def spent_on(self, purpose: str) -> Amount:
        """Return what was paid for a stage."""
        return self._spent.get(purpose, NOTHING)

    async def reserve(self, need: Amount, purpose: str) -> None:
        """Set an amount aside; waits while answers in flight may give back enough of theirs.

        Raises:
            BudgetError: even with everything given back it does not fit.
        """
        waiter = self._enter(need, purpose)
        if waiter is None:
            return
        try:
            await asyncio.wrap_future(waiter.change)
        except BaseException:
            self._leave(waiter)
            raise

    def settle(
        self, need: Amount, paid: Amount, purpose: str, *, lost: Amount = NOTHING, beyond: Amount = NOTHING
    ) -> None:
        """Give back what was set aside and book what was paid.

        Of what was paid, `lost` bought nothing, and `beyond` is more than the request was allowed to cost.
        """
        with self._lock:
            self._book(need, paid, self._accounts_of(purpose))
            self._spent[purpose] = self._spent.get(purpose, NOTHING) + paid
            self._lost += lost
            self._beyond += beyond
            served = self._serve() if self._queue else ()
        for waiter in served:
            waiter.wake()

    def _enter(self, need: Amount, purpose: str) -> _Waiter | None:
        """Set aside at once where that is possible, else stand in the queue."""
        accounts = self._accounts_of(purpose)
        with self._lock:
            full = _full(need, accounts)
            if full:
                raise self._explain(full, need)
            if not self._queue and _fits(need, accounts):
                _hold(need, accounts)
                return None
            waiter = _Waiter(need, accounts)
            waiter.change.set_running_or_notify_cancel()  # who gives up is found by `_leave`, not by its future
            self._queue.append(waiter)
            return waiter

    def _leave(self, waiter: _Waiter) -> None:
        """Forget a waiter that gave up, and give back what it was granted at that very moment."""
        with self._lock:
            if waiter.granted:
                self._book(waiter.need, NOTHING, waiter.accounts)
            elif waiter in self._queue:
                self._queue.remove(waiter)
            served = self._serve()
        for other in served:
            other.wake()

    def _serve(self) -> list[_Waiter]:
        """Grant or refuse those who wait, in their order, up to the first who has to go on waiting."""
        served: list[_Waiter] = []
        while self._queue:
            waiter = self._queue[0]
            full = _full(waiter.need, waiter.accounts)
            if full:
                waiter.refused = self._explain(full, waiter.need)
            elif _fits(waiter.need, waiter.accounts):
                _hold(waiter.need, waiter.accounts)
                waiter.granted = True
            else:
                break
            served.append(self._queue.popleft())
        return served

    def _accounts_of(self, purpose: str) -> tuple[_Account, ...]:
        stage = self._stages.get(purpose)
        return (self._run, stage) if stage else (self._run,)

    @staticmethod
    def _book(need: Amount, paid: Amount, accounts: tuple[_Account, ...]) -> None:
        for account in accounts:
            account.held -= need
            account.spent += paid

    def _explain(self, full: _Account, need: Amount) -> BudgetError:
        parts = "; ".join(f"{name}: {amount}" for name, amount in sorted(self._spent.items())) or "nothing yet"
        notes = ""
        if self._lost != NOTHING:
            notes += f"; {self._lost} of it may have been billed for replies that were lost"
        if self._beyond != NOTHING:
            notes += f"; {self._beyond} of it was billed beyond what requests were allowed to cost"
        return BudgetError(
            f"the budget of {full} is used up: spent {full.spent} ({parts}{notes}), and the next request could cost "
            f"{need}. Every answer paid for is kept. Raise [{full.section}] usd or tokens and run again to go on"
        )


def _full(need: Amount, accounts: tuple[_Account, ...]) -> _Account | None:
    """Return the account that would not take an amount even with everything given back."""
    for account in accounts:
        if not account.could_take(need):
            return account
    return None


def _fits(need: Amount, accounts: tuple[_Account, ...]) -> bool:
    return all(account.takes(need) for account in accounts)


def _hold(need: Amount, accounts: tuple[_Account, ...]) -> None:
    for account in accounts:
        account.held += need
