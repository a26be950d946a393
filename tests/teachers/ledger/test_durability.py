"""A request is in flight until its answer is durable, and no longer."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from schemas.errors import WarehouseError
from schemas.run_config import TeacherConfig
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.durability import once_durable
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered


@pytest.fixture
async def teacher(endpoint, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    asked = OpenAIChat(TeacherConfig(kind="openai", concurrency=2, max_retries=1), "key", endpoint.url)
    yield Ledgered(asked, ledger)
    await asked.close()
    ledger.close()


async def until(true) -> None:
    while not true():
        await asyncio.sleep(0.005)


async def test_no_more_is_out_or_unstored_than_may_be_in_flight(endpoint, teacher, ask, tmp_path):
    """While another process writes, nothing can be committed, so nothing more is sent."""
    other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asked = [asyncio.create_task(teacher.complete(ask(str(number)))) for number in range(6)]
    await until(lambda: len(endpoint.bodies) == 2 and not endpoint.in_flight)
    await asyncio.sleep(0.2)
    assert len(endpoint.bodies) == 2
    other.execute("COMMIT")
    other.close()
    await asyncio.gather(*asked)
    assert len(endpoint.bodies) == 6


async def test_a_request_that_waits_to_be_tried_again_holds_no_slot(endpoint, teacher, ask):
    endpoint.script = [endpoint.refuse(429, {"retry-after": "300"}) for _ in range(2)]
    waiting = [asyncio.create_task(teacher.complete(ask(text))) for text in "ab"]
    await until(lambda: len(endpoint.bodies) == 2 and not endpoint.in_flight)
    await teacher.complete(ask("c"))
    assert len(endpoint.bodies) == 3 and not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_an_answer_that_cannot_be_stored_gives_its_slot_back(endpoint, teacher, ask):
    await teacher.complete(ask("first"))
    with teacher.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE completions RENAME TO gone")
    for text in ("a", "b", "c"):
        with pytest.raises(WarehouseError, match="no such table"):
            await teacher.complete(ask(text))
    with teacher.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO completions")
    assert (await teacher.complete(ask("last"))).reply == "Forty."


async def test_several_samples_that_are_drawn_singly_never_wait_for_one_another(endpoint, teacher, ask):
    """Each call takes a slot; were it held until all are durable, five draws on two slots would never end."""
    completion = await teacher.complete(ask(samples=5))
    assert len(completion.more_samples) == 4 and len(endpoint.bodies) == 5


async def test_where_nobody_keeps_answers_a_slot_is_free_at_once():
    called = []
    once_durable(lambda: called.append(1))
    assert called == [1]
