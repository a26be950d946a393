"""kill -9 while batches are out, in processes of their own: nothing is submitted twice, no paid answer is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rehearsals.server import OfflineServer

ROOT = Path(__file__).parents[3]
N = 40
_RUN = """
import asyncio, sys
from pathlib import Path
from schemas.message import Message
from schemas.completion import CompletionRequest
from schemas.run_config import TeacherConfig
from teachers.batch.chat import BatchChat
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.endpoint.chat import OpenAIChat

def ask(i):
    return CompletionRequest(purpose="collect_episodes", teacher="t", model="offline-a",
                             messages=(Message(role="user", content=f"question {i}"),))

async def main(ledger_file, url, first, last, stored):
    config = TeacherConfig(kind="openai", mode="batch", batch_wait_seconds=0.05, batch_poll_seconds=0.02,
                           batch_max_requests=15)
    ledger = Ledger(Path(ledger_file))
    batches = BatchChat(OpenAIChat(config, "key", url), ledger, config, lease_seconds=1.0)
    teacher = Ledgered(batches, ledger)
    await batches.resume(teacher.complete)
    replies = await asyncio.gather(*(teacher.complete(ask(i)) for i in range(int(first), int(last))))
    while ledger.totals().requests < int(stored):
        await asyncio.sleep(0.05)
    print(len(replies), ledger.totals().requests, flush=True)
    await teacher.close()
    ledger.close()

asyncio.run(main(*sys.argv[1:]))
"""


class Assassin(OfflineServer):
    """Kills whoever asks, at a chosen moment."""

    def __init__(self) -> None:
        super().__init__(())
        self.submitted: Counter[str] = Counter()
        self.moment: tuple[str, str, str] | None = None
        """(before, half or after; method; what) at which the process is killed, once."""
        self.victim: subprocess.Popen[str] | None = None
        super_create = self.batches.create

        def create(body: dict[str, Any]) -> dict[str, Any]:
            batch = super_create(body)
            self.submitted.update(line["custom_id"] for line in self.batches._lines(batch))
            return batch

        self.batches.create = create

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.removeprefix("/v1/").split("/")
        what = parts[0] + ("" if len(parts) == 1 else "/content" if parts[-1] == "content" else "/id")
        if self.moment == ("before", request.method, what):
            self._kill()
        response = await super()._handle(request)
        if self.moment == ("half", request.method, what):
            return await self._break_off(request, response)
        if self.moment == ("after", request.method, what):
            self._kill()
        return response

    async def _break_off(self, request: web.BaseRequest, whole: web.Response) -> web.StreamResponse:
        assert isinstance(whole.body, bytes)
        response = web.StreamResponse(headers={"Content-Length": str(len(whole.body))})
        await response.prepare(request)
        await response.write(whole.body[: len(whole.body) // 2])
        await asyncio.sleep(0.05)
        self._kill()
        return response

    def _kill(self) -> None:
        assert self.victim is not None
        self.moment = None
        self.victim.kill()


@pytest.fixture
def assassin():
    server = Assassin()
    server.url = server.start()
    yield server
    server.stop()


def run(path: Path, url: str, first: int = 0, last: int = N, stored: int = 0) -> subprocess.Popen[str]:
    """Ask questions, and stay until the ledger holds so many answers."""
    command = [sys.executable, "-c", _RUN, str(path), url, str(first), str(last), str(stored)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def finish(process: subprocess.Popen[str]) -> list[int]:
    """Let a process come to its end; return how many answers it got, and how many the ledger then held."""
    printed = process.communicate()[0]
    assert process.returncode == 0
    return [int(number) for number in printed.split()]


MOMENTS = [
    ("before", "POST", "files"),
    ("after", "POST", "files"),
    ("before", "POST", "batches"),
    ("after", "POST", "batches"),
    ("before", "GET", "batches/id"),
    ("after", "GET", "batches/id"),
    ("before", "GET", "files/content"),
    ("half", "GET", "files/content"),
    ("after", "GET", "files/content"),
    ("before", "DELETE", "files/id"),
    ("after", "DELETE", "files/id"),
]


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids="-".join)
def test_killed_at_any_call_the_next_run_submits_nothing_twice_and_has_every_answer(assassin, tmp_path, moment):
    assassin.moment = moment
    assassin.victim = run(tmp_path / "l.sqlite", assassin.url)
    assert assassin.victim.wait(60) == -signal.SIGKILL
    assert finish(run(tmp_path / "l.sqlite", assassin.url)) == [N, N]
    assert len(assassin.submitted) == N and set(assassin.submitted.values()) == {1}


@pytest.mark.slow
def test_killed_ten_times_at_random_moments_the_last_run_has_every_answer_once(assassin, tmp_path):
    dice = random.Random(0)
    for _ in range(10):
        assassin.victim = run(tmp_path / "l.sqlite", assassin.url)
        assassin.moment = dice.choice(MOMENTS)
        try:
            assassin.victim.wait(dice.uniform(2.5, 6))
        except subprocess.TimeoutExpired:
            os.kill(assassin.victim.pid, signal.SIGKILL)
            assassin.victim.wait()
        assassin.moment = None
    assert finish(run(tmp_path / "l.sqlite", assassin.url)) == [N, N]
    assert len(assassin.submitted) == N and set(assassin.submitted.values()) == {1}


@pytest.mark.slow
def test_what_the_killed_run_submitted_is_kept_although_the_next_one_asks_otherwise(assassin, tmp_path):
    assassin.moment = ("before", "GET", "batches/id")
    assassin.victim = run(tmp_path / "l.sqlite", assassin.url, 0, 15)
    assassin.victim.wait(60)
    assert finish(run(tmp_path / "l.sqlite", assassin.url, 100, 110, stored=25)) == [10, 25]
    assert set(assassin.submitted.values()) == {1} and len(assassin.submitted) == 25


@pytest.mark.slow
def test_two_processes_at_once_submit_each_request_once_though_one_is_killed(assassin, tmp_path):
    assassin.moment = ("after", "POST", "batches")
    both = [run(tmp_path / "l.sqlite", assassin.url, *span) for span in ((0, 30), (10, N))]
    assassin.victim = both[0]
    answered = finish(both[1])
    assert answered[0] == N - 10
    both[0].wait(60)
    assert finish(run(tmp_path / "l.sqlite", assassin.url)) == [N, N]
    assert len(assassin.submitted) == N and set(assassin.submitted.values()) == {1}
