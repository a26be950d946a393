"""The ledger lands once, in its order, whatever was landed before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tasks.land_completions
from reports import funnel as report
from schemas.completion import CompletionRequest
from schemas.message import Message
from tasks.land_completions import land_completions, land_losses
from tasks.workshop import Workshop
from teachers.budget.budgeted import losses_of
from teachers.budget.caps import Amount
from teachers.scripted import Scripted


async def ask(shop: Workshop, *words: str) -> None:
    for word in words:
        message = Message(role="user", content=word)
        await shop.teacher.complete(
            CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=(message,))
        )


def prompts_landed(shop: Workshop) -> list[str]:
    return sorted(shop.ledger.request(c.completion_id).messages[0].content for c in shop.warehouse.read("completions"))


async def test_every_answer_lands_once_and_later_ones_are_added(open_shop: Callable[..., Workshop]) -> None:
    shop = open_shop(Scripted(lambda request: "yes"))
    assert land_completions(shop) == 0
    await ask(shop, "a", "b")
    assert (land_completions(shop), land_completions(shop)) == (2, 0)
    await ask(shop, "b", "c")  # b is in the ledger already
    assert land_completions(shop) == 1
    assert prompts_landed(shop) == ["a", "b", "c"]


async def test_a_ledger_larger_than_a_batch_lands_whole(
    open_shop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.land_completions, "BATCH", 2)
    shop = open_shop(Scripted(lambda request: "yes"))
    await ask(shop, *"abcde")
    assert land_completions(shop) == 5
    assert prompts_landed(shop) == list("abcde")


async def test_a_landing_that_was_cut_off_is_made_up_for_by_the_next(open_shop: Callable[..., Workshop]) -> None:
    await ask(open_shop(Scripted(lambda request: "yes")), "a")  # killed before it landed
    shop = open_shop(Scripted(lambda request: "yes"))
    await ask(shop, "b")
    assert land_completions(shop) == 2


def test_what_was_lost_lands_once_with_its_reason_and_stands_in_the_status(open_shop: Callable[..., Workshop]) -> None:
    shop = open_shop(Scripted([]))
    message = Message(role="user", content="a")
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=(message,))
    losses = losses_of(shop.ledger, str(shop.build))
    losses.add("reply_lost", request, Amount.of(700, 0.25), "no answer in time")
    losses.add("reply_lost", request, Amount.of(700, 0.25), "no answer in time")
    assert (land_losses(shop), land_losses(shop)) == (2, 0)
    losses.add("overbilled", request, Amount.of(10, 0.5), "billed more")
    losses.add("given_up", request, Amount.of(10, 0.5), "the run was stopped")
    losses_of(shop.ledger, "another build").add("overbilled", request, Amount.of(1, 1), "not this home's")
    assert (land_losses(shop), land_losses(shop)) == (1, 0)
    assert report.losses(shop.warehouse).rows == [
        ("collect_episodes", "m", "overbilled", 1, 10, 0.5),
        ("collect_episodes", "m", "reply_lost", 2, 1400, 0.5),
    ]
    assert ("teacher", "reply_lost", "", 2) in report.reasons(shop.warehouse, shop.build).rows
    assert set(shop.warehouse.column("rejections", "source")) == {request.request_hash}
