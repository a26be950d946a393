"""What is under way may end, whatever becomes of its siblings."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import BudgetError
from tasks.together import finish_all


async def double(number: int, done: list[int]) -> int:
    await asyncio.sleep(0.01 * number)
    if number == 1:
        raise BudgetError("used up")
    done.append(number)
    return 2 * number


async def test_results_come_in_the_order_of_the_work() -> None:
    assert await finish_all(double(number, []) for number in (3, 2, 0)) == [6, 4, 0]


async def test_a_failure_is_raised_only_after_the_others_have_ended() -> None:
    done: list[int] = []
    with pytest.raises(BudgetError, match="used up"):
        await finish_all(double(number, done) for number in (1, 2, 3))
    assert done == [2, 3]


async def test_an_error_that_is_a_result_is_no_failure() -> None:
    async def say() -> BudgetError:
        return BudgetError("kept")

    (found,) = await finish_all([say()])
    assert isinstance(found, BudgetError)


async def test_whoever_is_cancelled_takes_its_work_along() -> None:
    done: list[int] = []
    whole = asyncio.ensure_future(finish_all(double(number, done) for number in (2, 3)))
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    await asyncio.sleep(0.05)
    assert done == []
