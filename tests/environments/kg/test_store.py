"""The embedded store: off the event loop, within a time, and told where it cannot answer."""

from __future__ import annotations

import asyncio
import threading

import pytest

from environments.kg import store as module
from environments.kg.store import EmbeddedStore, TooManyValues
from schemas.errors import EnvironmentFault

LINES = [f"<http://x/s{n}> <http://x/p> <http://x/o{n}> ." for n in range(5)]
ALL = "SELECT ?o WHERE { ?s <http://x/p> ?o }"


async def test_a_query_runs_in_another_thread() -> None:
    seen: list[int] = []

    class Watched(EmbeddedStore):
        def _select(self, query: str, most: int) -> tuple[str, ...]:
            seen.append(threading.get_ident())
            return super()._select(query, most)

    found = await Watched(LINES).select(ALL, 5)
    assert len(found) == 5 and seen != [threading.get_ident()]


async def test_more_than_is_read_is_told() -> None:
    with pytest.raises(TooManyValues, match="more than 4 values"):
        await EmbeddedStore(LINES).select(ALL, 4)


async def test_a_query_that_is_none_is_told_with_its_words() -> None:
    with pytest.raises(EnvironmentFault, match=r"cannot answer.*SELECT nonsense"):
        await EmbeddedStore(LINES).select("SELECT nonsense", 4)


async def test_a_query_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    class Stuck(EmbeddedStore):
        def _select(self, query: str, most: int) -> tuple[str, ...]:
            released.wait(20)
            return ()

    monkeypatch.setattr(module, "SECONDS", 0.05)
    with pytest.raises(EnvironmentFault, match="gave no answer within"):
        await Stuck(LINES).select(ALL, 4)
    released.set()
    await asyncio.sleep(0)


async def test_many_episodes_may_ask_at_a_time() -> None:
    store = EmbeddedStore(LINES)
    found = await asyncio.gather(*(store.select(ALL, 5) for _ in range(40)))
    assert all(len(values) == 5 for values in found)
