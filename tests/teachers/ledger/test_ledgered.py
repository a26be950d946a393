"""Nothing is paid twice: replays, equal requests in flight, failures and those who give up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from schemas.completion import Completion, CompletionRequest
from schemas.errors import TeacherError
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted, receipt


class Gate(Scripted):
    """Answers when it is opened."""

    def __init__(self) -> None:
        super().__init__(lambda request: "through")
        self.open = asyncio.Event()

    async def complete(self, request: CompletionRequest) -> Completion:
        completion = await super().complete(request)
        await self.open.wait()
        return completion


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


async def test_a_replay_sends_nothing_and_is_the_same_completion(ledger, ask):
    teacher = Scripted(["one"])
    first = await Ledgered(teacher, ledger).complete(ask())
    assert await Ledgered(teacher, ledger).complete(ask()) == first
    assert len(teacher.requests) == 1
    assert (ledger.counts.sent, ledger.counts.hits) == (1, 1)


async def test_another_attempt_or_key_is_another_question(ledger, ask):
    teacher = Ledgered(Scripted(["one", "two", "three"]), ledger)
    replies = [(await teacher.complete(r)).reply for r in (ask(), ask(attempt=2), ask(key="build 2"))]
    assert replies == ["one", "two", "three"]


async def test_equal_requests_in_flight_share_one_call(ledger, ask):
    gate = Gate()
    teacher = Ledgered(gate, ledger)
    waiting = [asyncio.create_task(teacher.complete(ask())) for _ in range(10)]
    await asyncio.sleep(0.01)
    gate.open.set()
    answers = await asyncio.gather(*waiting)
    assert len(gate.requests) == 1
    assert all(answer == answers[0] for answer in answers)
    assert (ledger.counts.sent, ledger.counts.shared) == (1, 9)


async def test_equal_requests_of_two_event_loops_share_one_call(ledger, ask):
    gate = Gate()
    mine = asyncio.create_task(Ledgered(gate, ledger).complete(ask()))
    await asyncio.sleep(0.01)
    theirs: list[Completion] = []
    thread = threading.Thread(target=lambda: theirs.append(asyncio.run(Ledgered(Scripted([]), ledger).complete(ask()))))
    thread.start()
    while ledger.counts.shared == 0:
        await asyncio.sleep(0.005)
    gate.open.set()
    answer = await mine
    await asyncio.to_thread(thread.join)
    assert theirs == [answer]


async def test_a_failure_is_shared_and_not_stored_so_that_the_next_asks_again(ledger, ask):
    calls = 0

    def fail_once(request: CompletionRequest) -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TeacherError("down")
        return "up again"

    teacher = Ledgered(Scripted(fail_once), ledger)
    with pytest.raises(TeacherError, match="down"):
        await teacher.complete(ask())
    assert (await teacher.complete(ask())).reply == "up again"


async def test_when_the_one_who_asks_gives_up_another_asks(ledger, ask):
    gate = Gate()
    teacher = Ledgered(gate, ledger)
    first = asyncio.create_task(teacher.complete(ask()))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(teacher.complete(ask()))
    await asyncio.sleep(0.01)
    first.cancel()
    gate.open.set()
    assert (await second).reply == "through"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_one_who_waits_can_give_up_without_harm_to_the_others(ledger, ask):
    gate = Gate()
    teacher = Ledgered(gate, ledger)
    tasks = [asyncio.create_task(teacher.complete(ask())) for _ in range(3)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    await asyncio.sleep(0.01)
    gate.open.set()
    assert (await tasks[0]).reply == (await tasks[2]).reply == "through"


async def test_an_answer_whose_asker_was_cancelled_while_it_was_stored_is_kept(ledger, ask):
    class Paid(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            asyncio.get_running_loop().call_soon(task.cancel)
            return receipt(request, "paid")

    task = asyncio.create_task(Ledgered(Paid([]), ledger).complete(ask()))
    with pytest.raises(asyncio.CancelledError):
        await task
    again = Scripted([])
    assert (await Ledgered(again, ledger).complete(ask())).reply == "paid"
    assert again.requests == []


async def test_a_receipt_names_the_completions_that_its_request_was_made_from(ledger, ask):
    completion = await Ledgered(Scripted(["both"]), ledger).complete(ask(parents=("one", "two")))
    assert completion.parents == ("one", "two")
    assert ledger.rows_after(0, 10)[0][1] == completion
    assert ask(parents=("one",)).request_hash != ask().request_hash
