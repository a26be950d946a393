"""The ledger on real files, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.completion import Completion, CompletionRequest
from schemas.errors import ConfigError, InputError, WarehouseError
from teachers.ledger import Ledger
from teachers.ledgered import Ledgered
from teachers.scripted import Scripted, receipt

ROOT = Path(__file__).parents[2]
_ASK_MANY = """
import asyncio, sys
from pathlib import Path
from schemas.completion import ChatMessage, CompletionRequest
from teachers.ledger import Ledger
from teachers.ledgered import Ledgered
from teachers.scripted import Scripted

def ask(i):
    return CompletionRequest(purpose="collect_episodes", teacher="t", model="m",
                             messages=(ChatMessage(role="user", content=str(i)),))

async def main():
    ledger = Ledger(Path(sys.argv[1]))
    teacher = Ledgered(Scripted(lambda request: sys.argv[2] + request.messages[0].content * 500), ledger)
    async def work(first):
        for i in range(first, int(sys.argv[3]), 8):
            print((await teacher.complete(ask(i))).completion_id, flush=True)
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*map(work, range(8)))
    ledger.close()

asyncio.run(main())
"""


def start(path: Path, name: str, n: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _ASK_MANY, str(path), name, str(n)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


async def store(ledger: Ledger, *requests: CompletionRequest) -> list[Completion]:
    teacher = Ledgered(Scripted(lambda request: f"re: {request.messages[0].content}"), ledger)
    return [await teacher.complete(request) for request in requests]


async def test_a_stored_answer_comes_back_as_it_was(ledger, ask):
    (completion,) = await store(ledger, ask("é \x00 ünï"))
    assert ledger.find(completion.completion_id) == completion


async def test_an_answer_is_on_the_disk_before_it_is_used(tmp_path, ledger, ask):
    (completion,) = await store(ledger, ask())
    with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
        assert other.execute("SELECT request_hash FROM completions").fetchall() == [(completion.completion_id,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_the_request_can_be_read_back(ledger, ask):
    request = ask("what was asked", key="build 3, round 1", attempt=2)
    (completion,) = await store(ledger, request)
    assert ledger.request(completion.completion_id) == request


def test_an_unknown_completion_is_an_input_error(ledger):
    with pytest.raises(InputError, match="no completion deadbeef"):
        ledger.request("deadbeef")


async def test_rows_come_in_the_order_in_which_they_were_stored_and_in_pages(ledger, ask):
    stored = await store(ledger, *(ask(str(i)) for i in range(7)))
    landed, last = [], 0
    while page := ledger.rows_after(last, limit=3):
        landed += [completion for _, completion in page]
        assert len(page) <= 3 and all(row > last for row, _ in page)
        last = page[-1][0]
    assert landed == stored


async def test_totals_add_up_by_purpose_and_after_a_row(ledger, ask):
    await store(ledger, ask("12345678"), ask("1234", purpose="generate_tasks"))
    totals = ledger.totals()
    assert (totals.requests, totals.prompt_tokens) == (2, 3)
    assert totals.tokens == totals.prompt_tokens + totals.completion_tokens
    assert totals.by_purpose["generate_tasks"].requests == 1
    assert ledger.totals(after=1).requests == 1
    assert ledger.totals(after=2).requests == 0


async def test_a_builds_first_row_is_fixed_by_its_first_call(ledger, ask):
    assert ledger.begin("1") == 0
    await store(ledger, ask("a"), ask("b"))
    assert ledger.begin("2") == 2
    await store(ledger, ask("c"))
    assert (ledger.begin("1"), ledger.begin("2")) == (0, 2)


async def test_a_reopened_ledger_knows_what_was_stored(tmp_path, ask):
    path = tmp_path / "deep" / "ledger.sqlite"
    first = Ledger(path)
    stored = await store(first, ask())
    first.close()
    first.close()
    second = Ledger(f"sqlite:///{path}")
    assert [completion for _, completion in second.rows_after(0, 10)] == stored
    second.close()


async def test_an_answer_that_cannot_be_stored_is_a_warehouse_error_not_an_answer(tmp_path, ask):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON completions BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(WarehouseError, match="disk full"):
        await store(ledger, ask())
    ledger.close()


def test_a_ledger_that_cannot_be_opened_is_a_config_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be opened"):
        Ledger(tmp_path / "file" / "ledger.sqlite")
    with pytest.raises(ConfigError, match="allowed: a file path or a sqlite"):
        Ledger("mysql://host/db")


def test_two_processes_that_ask_the_same_get_the_same_answers_stored_once(tmp_path, ask):
    path = tmp_path / "ledger.sqlite"
    both = [start(path, name, 200) for name in ("a", "b")]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answered = [sorted(process.communicate(timeout=60)[0].split()) for process in both]
    assert answered[0] == answered[1] and len(answered[0]) == 200
    ledger = Ledger(path)
    assert ledger.totals().requests == 200
    ledger.close()


async def test_the_loser_of_a_race_between_processes_uses_the_winners_answer(tmp_path, ask):
    winner, loser = Ledger(tmp_path / "l.sqlite"), Ledger(tmp_path / "l.sqlite")

    class Overtaken(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            await Ledgered(Scripted(["first"]), winner).complete(request)
            return receipt(request, "second")

    answer = await Ledgered(Overtaken([]), loser).complete(ask())
    assert answer.reply == "first"
    assert loser.totals().requests == 1
    winner.close()
    loser.close()


@pytest.mark.parametrize("delay_seconds", [0.02, 0.1, 0.25])
def test_kill_9_while_writing_leaves_no_half_answer_and_loses_none_that_was_used(tmp_path, delay_seconds):
    path = tmp_path / "ledger.sqlite"
    process = start(path, "x", 4000)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    time.sleep(delay_seconds)
    os.kill(process.pid, signal.SIGKILL)
    used = [line.strip() for line in process.stdout if line.endswith("\n")]
    process.wait()
    ledger = Ledger(path)
    rows = ledger.rows_after(0, 10_000)
    for _, completion in rows:
        request = ledger.request(completion.completion_id)
        assert completion.reply == "x" + request.messages[0].content * 500
    assert set(used) <= {completion.completion_id for _, completion in rows}
    assert len(rows) - len(used) <= 8, "only what was in flight can be stored and not yet used"
    ledger.close()


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=20), max_size=12), page=st.integers(1, 5))
def test_every_question_is_stored_exactly_once_whatever_is_asked(tmp_path_factory, ask, texts, page):
    ledger = Ledger(tmp_path_factory.mktemp("law") / "l.sqlite")
    asyncio.run(store(ledger, *map(ask, texts)))
    rows, last = [], 0
    while found := ledger.rows_after(last, page):
        rows += found
        last = found[-1][0]
    assert {completion.completion_id for _, completion in rows} == {ask(text).request_hash for text in texts}
    assert len(rows) == ledger.totals().requests == len(set(texts))
    ledger.close()
