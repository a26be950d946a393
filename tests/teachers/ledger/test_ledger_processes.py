"""Many processes on one ledger: what is asked at once is paid once, and a process may be killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.completion import CompletionRequest
from schemas.message import Message
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted

ROOT = Path(__file__).parents[3]
_WORKER = """
import asyncio, os, random, sys
from schemas.message import Message
from schemas.completion import CompletionRequest
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted

place, name, first, last, seconds, sent_to = sys.argv[1:]
sent = os.open(sent_to, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Counting(Scripted):
    async def complete(self, request):
        os.write(sent, (request.request_hash + chr(10)).encode())
        await asyncio.sleep(float(seconds))
        return await super().complete(request)

async def main():
    ledger = Ledger(place)
    teacher = Ledgered(Counting(lambda request: name + request.messages[0].content * 500), ledger)
    texts = [str(n) for n in range(int(first), int(last))]
    random.Random(name).shuffle(texts)
    async def work(offset):
        for text in texts[offset::8]:
            request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m",
                                        messages=(Message(role="user", content=text),))
            print((await teacher.complete(request)).completion_id, flush=True)
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*map(work, range(8)))
    ledger.close()

asyncio.run(main())
"""


class Workers:
    """Processes that ask for ranges of numbers, eight at a time; what they send stands in one file."""

    def __init__(self, place: str, folder: Path) -> None:
        self.place = place
        self.sent_to = folder / "sent"
        self.started: list[subprocess.Popen[str]] = []

    def start(self, name: str, numbers: range, seconds: float) -> subprocess.Popen[str]:
        arguments = [self.place, name, numbers.start, numbers.stop, seconds, self.sent_to]
        command = [sys.executable, "-c", _WORKER, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.started.append(process)
        return process

    def go(self) -> None:
        for process in self.started:
            if process.poll() is None:
                assert process.stdout is not None and process.stdin is not None
                assert process.stdout.readline() == "ready\n"
                process.stdin.write("go\n")
                process.stdin.flush()

    def sent(self) -> Counter[str]:
        return Counter(self.sent_to.read_text().split()) if self.sent_to.exists() else Counter()


@pytest.fixture
def workers(place: str, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(place, tmp_path)
    yield workers
    for process in workers.started:
        process.kill()
        process.wait()


def request_of(number: int) -> CompletionRequest:
    message = Message(role="user", content=str(number))
    return CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=(message,))


@pytest.mark.slow
def test_four_processes_that_ask_overlapping_questions_send_each_of_them_once(workers, place):
    ranges = [range(0, 60), range(20, 80), range(0, 80), range(40, 100)]
    for name, numbers in zip("abcd", ranges, strict=True):
        workers.start(name, numbers, seconds=0.03)
    workers.go()
    answered = [sorted(process.communicate()[0].split()) for process in workers.started]
    assert answered == [sorted(request_of(n).request_hash for n in numbers) for numbers in ranges]
    assert workers.sent() == {request_of(n).request_hash: 1 for n in range(100)}
    with closing(Ledger(place)) as ledger:
        rows = ledger.rows_after(0, 1000)
        assert len({c.reply[0] for _, c in rows}) > 1, "the work was shared"
        assert {c.completion_id for _, c in rows} == set(workers.sent()) and len(rows) == 100


async def test_the_claims_of_a_killed_process_are_free(workers, place):
    workers.start("killed", range(1), seconds=60)
    workers.go()
    while not workers.sent():
        await asyncio.sleep(0.01)
    with closing(Ledger(place)) as ledger:
        waiting = asyncio.create_task(Ledgered(Scripted(["mine"]), ledger).complete(request_of(0)))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done, "another process is asking"
        os.kill(workers.started[0].pid, signal.SIGKILL)
        assert (await waiting).reply == "mine"


async def test_a_request_that_failed_elsewhere_is_asked_here(place):
    with closing(Ledger(place)) as one, closing(Ledger(place)) as other:
        request = request_of(0)
        one.join(request.request_hash)
        assert await one.obtain(request.request_hash) is None
        waiting = asyncio.create_task(Ledgered(Scripted(["mine"]), other).complete(request))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        one.settle(request.request_hash, None)
        assert (await waiting).reply == "mine"


async def test_who_gives_up_while_another_process_asks_leaves_no_claim(place):
    with closing(Ledger(place)) as one, closing(Ledger(place)) as other:
        request = request_of(0)
        teacher = Ledgered(Scripted(["mine"]), other)
        for delay in (0.0, 0.001, 0.003, 0.01):
            waiting = asyncio.create_task(teacher.complete(request))
            await asyncio.sleep(delay)
            if waiting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await waiting
        assert (await Ledgered(Scripted(["theirs"]), one).complete(request)).reply in (
            "mine",
            "theirs",
        )


@pytest.mark.slow
def test_kill_9_while_writing_leaves_no_half_answer_and_loses_none_that_was_used(workers, place):
    rng, used = random.Random(7), set()
    for kill in range(6):
        process = workers.start("x", range(1000 * kill, 1000 * kill + 1000), seconds=0)
        workers.go()
        time.sleep(rng.uniform(0.02, 0.25))
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        used |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.wait()
    with closing(Ledger(place)) as ledger:
        rows = ledger.rows_after(0, 100_000)
        for _, completion in rows:
            request = ledger.request(completion.completion_id)
            assert completion.reply == "x" + request.messages[0].content * 500
    assert used and used <= {completion.completion_id for _, completion in rows}
    assert len(rows) - len(used) <= 6 * 8, "only what was in flight can be stored and not yet used"
