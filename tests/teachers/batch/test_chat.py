"""The Batch API as a teacher, against the offline server's, with everything going wrong that can."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from rehearsals.server import OfflineServer
from schemas.completion import Completion
from schemas.errors import BudgetError, ConfigError, TeacherError
from schemas.run_config import Price, RunConfig, TeacherConfig
from schemas.settings import Settings
from teachers.batch.chat import BatchChat
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.open import check_teacher, open_teacher

MODEL = "offline-a"


class BatchServer(OfflineServer):
    """The offline server, with a line of what came in, and batches that can be made to go wrong."""

    def __init__(self) -> None:
        super().__init__(())
        self.calls: list[tuple[str, str]] = []
        self.refuse: dict[tuple[str, str], list[int]] = {}
        """(method, first part of the path) -> statuses to answer the next calls with; 0 = carried out, then cut off."""
        self.lines: dict[str, dict[str, Any]] = {}
        """Question -> what its line is to be changed to."""
        self.end: str | None = None
        """Status in which the next batches end instead of `completed`."""
        self.end_errors: list[dict[str, Any]] = []
        self.room = 1000
        """Batches that may be out at once."""
        self.stopped = False
        """Batches take no step."""
        self.submitted: list[str] = []
        """The custom ids of every batch that was made."""
        super_create, super_finish, super_step = self.batches.create, self.batches.finish, self.batches.step

        def create(body: dict[str, Any]) -> dict[str, Any]:
            batch = super_create(body)
            self.submitted += [line["custom_id"] for line in self.batches._lines(batch)]
            return batch

        def finish(batch: dict[str, Any], lines: list[dict[str, Any]]) -> None:
            super_finish(batch, lines)
            self._spoil(batch, {line["custom_id"]: line["body"]["messages"][0]["content"] for line in lines})

        def step(batch: dict[str, Any]) -> None:
            if self.stopped:
                return
            out = [b for b in self.batches.batches.values() if b["status"] in ("in_progress", "finalizing")]
            if batch["status"] == "validating" and len(out) >= self.room:
                full = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
                batch |= {"status": "failed", "errors": {"object": "list", "data": [full]}}
            if self.end == "failed":
                batch |= {"status": "failed", "errors": {"object": "list", "data": self.end_errors}}
                return
            super_step(batch)
            if batch["status"] == "completed" and self.end:
                batch["status"] = self.end

        self.batches.create, self.batches.finish, self.batches.step = create, finish, step

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        what = (request.method, request.path.split("/")[2])
        self.calls.append(what)
        status = self.refuse[what].pop(0) if self.refuse.get(what) else None
        if status:
            return web.json_response({"error": {"message": "refused on purpose: file"}}, status=status)
        response = await super()._handle(request)
        if status == 0:
            assert request.transport is not None
            request.transport.close()
        return response

    def _spoil(self, batch: dict[str, Any], questions: dict[str, str]) -> None:
        kept: dict[str, list[bytes]] = {"output_file_id": [], "error_file_id": []}
        for raw in self.batches.files[batch["output_file_id"]].splitlines():
            line = orjson.loads(raw)
            change = self.lines.get(questions[line["custom_id"]], {})
            kept["error_file_id" if change else "output_file_id"].append(orjson.dumps(line | change) + b"\n")
        for name, lines in kept.items():
            batch[name] = self.batches._keep(b"".join(lines)) if lines else None


@pytest.fixture
def server():
    server = BatchServer()
    server.url = server.start()
    yield server
    server.stop()


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def config(**changes: Any) -> TeacherConfig:
    fast = {"mode": "batch", "kind": "openai", "batch_wait_seconds": 0.05, "batch_poll_seconds": 0.02, "max_retries": 2}
    return TeacherConfig(**fast | changes)


@contextlib.asynccontextmanager
async def batch_teacher(
    url: str, ledger: Ledger, *, lease_seconds: float = 0.4, **changes: Any
) -> AsyncIterator[Ledgered]:
    """Open the teacher as a run does, waiting for what an earlier one submitted."""
    chat = OpenAIChat(config(**changes), "key", url)
    batches = BatchChat(chat, ledger, config(**changes), lease_seconds=lease_seconds)
    teacher = Ledgered(batches, ledger)
    await batches.resume(teacher.complete)
    try:
        yield teacher
    finally:
        await teacher.close()


def questions(ask, n: int, model: str = MODEL):
    return [ask(f"question {i}", model=model) for i in range(n)]


async def answers(teacher: Ledgered, requests) -> list[Completion | BaseException]:
    return await asyncio.gather(*map(teacher.complete, requests), return_exceptions=True)


async def test_concurrent_requests_go_out_together_and_everyone_gets_their_own_answer(server, ledger, ask):
    requests = questions(ask, 40)
    async with batch_teacher(server.url, ledger) as teacher:
        completions = await answers(teacher, requests)
    assert [c.completion_id for c in completions] == [r.request_hash for r in requests]
    assert len(server.batches.batches) == 1 and sorted(server.submitted) == sorted(r.request_hash for r in requests)
    assert ("POST", "chat") not in server.calls
    written = [orjson.loads(line)["custom_id"] for f in list(server.batches.files.values()) for line in f.splitlines()]
    assert written != [r.request_hash for r in requests], "the lines came back in another order"


async def test_a_batch_costs_half_and_says_so(server, ledger, ask):
    async with batch_teacher(server.url, ledger, prices={MODEL: Price(prompt=2, completion=10)}) as teacher:
        (completion,) = await answers(teacher, [ask(model=MODEL)])
    whole = (completion.prompt_tokens * 2 + completion.completion_tokens * 10) / 1e6
    assert completion.batch and completion.cost_usd == pytest.approx(whole / 2) and whole > 0
    assert ledger.totals().cost_usd == pytest.approx(whole / 2)


async def test_each_model_gets_a_batch_of_its_own(server, ledger, ask):
    async with batch_teacher(server.url, ledger) as teacher:
        done = await answers(teacher, questions(ask, 3) + questions(ask, 3, "offline-b"))
    assert all(isinstance(c, Completion) for c in done)
    assert len(server.batches.batches) == 2


async def test_a_batch_is_cut_at_its_most_requests_and_bytes(server, ledger, ask):
    async with batch_teacher(server.url, ledger, batch_max_requests=4) as teacher:
        await answers(teacher, questions(ask, 10))
        assert len(server.batches.batches) == 3
    async with batch_teacher(server.url, ledger, batch_max_bytes=600) as teacher:
        await answers(teacher, [ask(f"long {i} " + "x" * 150, model=MODEL) for i in range(3)])
    assert len(server.batches.batches) == 6


async def test_requests_that_keep_coming_do_not_hold_a_batch_back_for_ever(server, ledger, ask):
    async with batch_teacher(server.url, ledger) as teacher:
        running = []
        for i in range(40):
            running.append(asyncio.create_task(teacher.complete(ask(f"question {i}", model=MODEL))))
            await asyncio.sleep(0.03)
        assert server.batches.batches, "0.05 seconds of quiet never came, ten times that went by"
        await asyncio.gather(*running)


async def test_the_uploaded_file_is_removed_once_its_answers_are_stored(server, ledger, ask):
    async with batch_teacher(server.url, ledger) as teacher:
        await answers(teacher, questions(ask, 3))
        await asyncio.sleep(0.1)
    (batch,) = server.batches.batches.values()
    assert batch["input_file_id"] not in server.batches.files


@pytest.mark.parametrize(
    ("change", "passes", "words"),
    [
        ({"response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}, False, "too long"),
        ({"response": {"status_code": 429, "body": {"error": {"message": "slow down"}}}}, True, "slow down"),
        ({"response": {"status_code": 500, "body": "oops"}}, True, "oops"),
        ({"response": None, "error": {"code": "batch_expired", "message": "window"}}, True, "batch_expired"),
        ({"response": {"status_code": 200, "body": {"hello": 1}}}, False, "no chat completion"),
    ],
)
async def test_a_line_that_failed_is_a_named_error_and_its_siblings_have_their_answers(
    server, ledger, ask, change, passes, words
):
    server.lines = {"question 1": change}
    async with batch_teacher(server.url, ledger, max_retries=1) as teacher:
        done = await answers(teacher, questions(ask, 4))
    assert [isinstance(c, Completion) for c in done] == [True, False, True, True]
    assert isinstance(done[1], TeacherError) and words in str(done[1]) and done[1].transient == passes
    assert len(server.batches.batches) == (2 if passes else 1), "what may pass is asked again, what lasts is not"


async def test_a_line_that_failed_in_passing_is_answered_by_the_next_batch(server, ledger, ask):
    server.lines = {"question 1": {"response": {"status_code": 503, "body": "busy"}}}
    async with batch_teacher(server.url, ledger) as teacher:
        waiting = asyncio.create_task(answers(teacher, questions(ask, 3)))
        while len(server.batches.batches) < 2:
            await asyncio.sleep(0.01)
        server.lines = {}
        assert all(isinstance(c, Completion) for c in await waiting)
    assert len(server.submitted) <= 3 + 2


async def test_what_came_back_before_a_batch_expired_is_kept_and_only_the_rest_is_asked_again(server, ledger, ask):
    expired = {"response": None, "error": {"code": "batch_expired", "message": "not in time"}}
    server.end, server.lines = "expired", {"question 0": expired}
    async with batch_teacher(server.url, ledger) as teacher:
        waiting = asyncio.create_task(answers(teacher, questions(ask, 3)))
        while ledger.totals().requests < 2:
            await asyncio.sleep(0.01)
        server.end, server.lines = None, {}
        assert all(isinstance(c, Completion) for c in await waiting)
    again = questions(ask, 1)[0].request_hash
    assert sorted(set(server.submitted[3:])) in ([again], []) and ledger.totals().requests == 3


@pytest.mark.parametrize(
    ("status", "problems", "passes", "words"),
    [
        ("cancelled", [], False, "was cancelled"),
        ("expired", [], True, "expired"),
        ("failed", [{"code": "model_not_found", "message": "no such model"}], False, "no such model"),
        ("failed", [{"code": "token_limit_exceeded", "message": "enqueued"}], True, "lower teacher.batch_max_requests"),
    ],
)
async def test_a_batch_that_ends_otherwise_names_why(server, ledger, ask, status, problems, passes, words):
    server.end, server.end_errors = status, problems
    server.batches.finish = lambda batch, lines: None
    async with batch_teacher(server.url, ledger, max_retries=0) as teacher:
        done = await answers(teacher, questions(ask, 2))
    assert all(isinstance(error, TeacherError) and words in str(error) for error in done)
    assert {error.transient for error in done} == {passes}


async def test_where_the_queue_is_full_a_batch_waits_for_another_to_end(server, ledger, ask):
    server.room = 1
    async with batch_teacher(server.url, ledger, batch_max_requests=3, max_retries=0) as teacher:
        assert all(isinstance(c, Completion) for c in await answers(teacher, questions(ask, 9)))
    ended = [batch["status"] for batch in server.batches.batches.values()]
    assert ended.count("failed") >= 1 and ended.count("completed") == 3


async def test_a_batch_without_a_line_for_a_request_is_a_named_error(server, ledger, ask):
    super_finish = server.batches.finish
    server.batches.finish = lambda batch, lines: super_finish(batch, lines[:1])
    async with batch_teacher(server.url, ledger, max_retries=0) as teacher:
        done = await answers(teacher, questions(ask, 2))
    assert isinstance(done[0], Completion)
    assert isinstance(done[1], TeacherError) and "without a line for this request" in str(done[1])


@pytest.mark.parametrize("what", [("GET", "batches"), ("GET", "files"), ("POST", "files")])
async def test_an_outage_while_waiting_is_waited_out(server, ledger, ask, what):
    server.refuse = {what: [] if what == ("GET", "batches") else [500, 503]}
    async with batch_teacher(server.url, ledger) as teacher:
        server.refuse[what] = [500, 503]
        assert all(isinstance(c, Completion) for c in await answers(teacher, questions(ask, 3)))
    assert len(server.batches.batches) == 1


@pytest.mark.parametrize("status", [0, 500, 502])
async def test_a_batch_whose_making_may_have_gone_through_is_looked_for_before_it_is_made_again(
    server, ledger, ask, status
):
    server.refuse = {("POST", "batches"): [status]}
    async with batch_teacher(server.url, ledger) as teacher:
        assert all(isinstance(c, Completion) for c in await answers(teacher, questions(ask, 3)))
    assert len(server.batches.batches) == 1 and len(server.submitted) == 3


async def test_a_file_that_is_not_known_yet_is_waited_for(server, ledger, ask):
    server.refuse = {("POST", "batches"): [400, 400]}
    async with batch_teacher(server.url, ledger) as teacher:
        assert all(isinstance(c, Completion) for c in await answers(teacher, questions(ask, 3)))
    assert server.calls.count(("POST", "files")) == 1


async def test_a_refused_batch_is_a_named_error_and_may_be_asked_again(server, ledger, ask):
    server.refuse = {("POST", "batches"): [401]}
    async with batch_teacher(server.url, ledger) as teacher:
        done = await answers(teacher, questions(ask, 2))
        assert all(isinstance(error, TeacherError) and "OPENAI_API_KEY" in str(error) for error in done)
        assert all(isinstance(c, Completion) for c in await answers(teacher, questions(ask, 2)))


async def test_a_run_that_ends_while_a_batch_is_out_leaves_it_to_the_next(server, place, ask):
    server.stopped, ledger = True, Ledger(place)
    requests = questions(ask, 5)
    async with batch_teacher(server.url, ledger) as teacher:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.gather(*map(teacher.complete, requests))
    server.stopped = False
    async with batch_teacher(server.url, ledger) as teacher:
        done = await answers(teacher, [*requests[:2], ask("new", model=MODEL)])
        assert all(isinstance(c, Completion) for c in done)
    assert len(server.submitted) == 6, "nothing was submitted twice"
    assert ledger.totals().requests == 6, "what nobody asked for again is paid, so it is kept"
    ledger.close()


async def test_the_ledger_accounts_for_what_the_next_run_finds_out(server, ledger, ask):
    server.stopped = True
    requests = questions(ask, 5)
    async with batch_teacher(server.url, ledger) as teacher:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.gather(*map(teacher.complete, requests))
    asked = []

    async def ask_again(request):
        asked.append(request.request_hash)
        return await batches.complete(request)

    batches = BatchChat(OpenAIChat(config(), "key", server.url), ledger, config())
    assert await batches.resume(ask_again) == 1
    server.stopped = False
    while ledger.totals().requests < 5:
        await asyncio.sleep(0.02)
    await batches.close()
    assert sorted(asked) == sorted(r.request_hash for r in requests)


def budgeted(tokens: int, **teacher: Any) -> RunConfig:
    named = {"generator": MODEL, "solver": MODEL, "backfiller": MODEL, **config(**teacher).model_dump()}
    return RunConfig.model_validate({"teacher": named, "budget": {"tokens": tokens}})


async def test_a_budget_lets_out_what_fits_and_a_raised_one_goes_on(server, ledger, ask):
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url)
    requests = questions(ask, 12)
    async with open_teacher(budgeted(600), settings, ledger, build="1") as teacher:
        done = await answers(teacher, requests)
    assert {type(c) for c in done} == {Completion, BudgetError}
    assert 0 < ledger.totals().tokens <= 600
    async with open_teacher(budgeted(100_000), settings, ledger, build="1") as teacher:
        assert all(isinstance(c, Completion) for c in await answers(teacher, requests))
    assert len(server.submitted) == 12


async def test_what_an_earlier_run_has_out_counts_against_the_budget(server, ledger, ask):
    settings = Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url)
    server.stopped = True
    async with open_teacher(budgeted(100_000), settings, ledger, build="1") as teacher:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.6):
                await asyncio.gather(*map(teacher.complete, questions(ask, 4)))
    async with open_teacher(budgeted(1300), settings, ledger, build="1") as teacher:
        await asyncio.sleep(0.2)
        late = asyncio.create_task(teacher.complete(ask("late " + "x" * 300, model=MODEL)))
        await asyncio.sleep(0.2)
        assert not late.done() and len(server.submitted) == 4, "four that are out leave no room for a fifth"
        server.stopped = False
        await late
    assert ledger.totals().requests == 5


async def test_two_processes_that_ask_the_same_submit_it_once(server, place, ask):
    ledgers = [Ledger(place) for _ in range(2)]
    requests = questions(ask, 20)
    async with batch_teacher(server.url, ledgers[0]) as one, batch_teacher(server.url, ledgers[1]) as two:
        both = await asyncio.gather(answers(one, requests[:15]), answers(two, requests[5:]))
    assert both[0][5:] == both[1][:10]
    assert sorted(server.submitted) == sorted(r.request_hash for r in requests)
    for ledger in ledgers:
        ledger.close()


async def test_a_batch_that_the_endpoint_does_not_know_is_not_paid_again_before_its_time(server, ledger, ask):
    async with batch_teacher(server.url, ledger) as teacher:
        server.stopped = True
        asking = asyncio.create_task(answers(teacher, questions(ask, 2)))
        while not server.batches.batches:
            await asyncio.sleep(0.01)
        server.batches.batches.clear()
        done = await asking
        assert all(isinstance(error, TeacherError) and "does not know batch" in str(error) for error in done)
    server.stopped = False
    async with batch_teacher(server.url, ledger) as teacher:
        assert "does not know batch" in str((await answers(teacher, questions(ask, 1)))[0])
    assert not server.batches.batches


async def test_what_is_out_at_another_endpoint_is_named_and_does_not_hold_this_one_up(server, ledger, ask, caplog):
    server.stopped = True
    async with batch_teacher(server.url, ledger) as teacher:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.4):
                await teacher.complete(ask("question 0", model=MODEL))
    other = BatchServer()
    async with batch_teacher(other.start(), ledger) as teacher:
        assert isinstance((await answers(teacher, questions(ask, 1)))[0], Completion)
    other.stop()
    assert "1 requests are out in batches of another endpoint" in caplog.text


async def test_an_endpoint_without_a_batch_api_is_a_config_error_before_anything_is_sent(server):
    server.refuse = {("GET", "batches"): [404]}
    wanted = RunConfig.model_validate({"teacher": {"kind": "openai", "mode": "batch"}})
    with pytest.raises(ConfigError, match=r"has no Batch API .*teacher\.mode = 'chat'"):
        await check_teacher(wanted, Settings(OPENAI_API_KEY="k", OPENAI_BASE_URL=server.url))
    assert {method for method, _ in server.calls} == {"GET"}


async def test_the_offline_teacher_has_a_batch_api(ledger, ask):
    fast = {"mode": "batch", "batch_wait_seconds": 0.05, "batch_poll_seconds": 0.02}
    async with open_teacher(RunConfig.model_validate({"teacher": fast}), Settings(), ledger) as teacher:
        (completion,) = await answers(teacher, [ask(model=MODEL)])
    assert completion.batch
