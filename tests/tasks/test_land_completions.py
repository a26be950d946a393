"""The ledger lands once, in its order, whatever was landed before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tasks.land_completions
from schemas.completion import ChatMessage, CompletionRequest
from tasks.land_completions import land_completions
from tasks.workshop import Workshop
from teachers.scripted import Scripted


async def ask(shop: Workshop, *words: str) -> None:
    for word in words:
        message = ChatMessage(role="user", content=word)
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
