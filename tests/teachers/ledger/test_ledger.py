"""What every ledger does, on a real file and on a real server."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.completion import Completion, CompletionRequest
from schemas.errors import ConfigError, InputError, WarehouseError
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.ledger.tables import COMPLETIONS, line_up, open_engine
from teachers.ledger.writer import LedgerWriter, Paid, _row
from teachers.scripted import Scripted, receipt


@pytest.fixture
def ledger(place):
    ledger = Ledger(place)
    yield ledger
    ledger.close()


async def store(ledger: Ledger, *requests: CompletionRequest) -> list[Completion]:
    teacher = Ledgered(Scripted(lambda request: f"re: {request.messages[0].content}"), ledger)
    return [await teacher.complete(request) for request in requests]


async def test_a_stored_answer_comes_back_as_it_was(ledger, ask):
    (completion,) = await store(ledger, ask("é \x00 ünï"))
    assert ledger.find(completion.completion_id) == completion


async def test_an_answer_is_stored_before_it_is_used(ledger, place, ask):
    (completion,) = await store(ledger, ask())
    other = Ledger(place)
    assert other.find(completion.completion_id) == completion
    other.close()


async def test_an_answer_is_on_the_disk_before_it_is_used(tmp_path, ask):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    (completion,) = await store(ledger, ask())
    ledger.close()
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


async def test_a_reopened_ledger_knows_what_was_stored(place, ask):
    first = Ledger(place)
    stored = await store(first, ask())
    first.close()
    first.close()
    second = Ledger(place)
    assert [completion for _, completion in second.rows_after(0, 10)] == stored
    second.close()


async def test_a_file_can_be_named_by_its_url_and_its_folder_is_made(tmp_path, ask):
    ledger = Ledger(f"sqlite:///{tmp_path}/deep/ledger.sqlite")
    await store(ledger, ask())
    assert ledger.place == f"{tmp_path}/deep/ledger.sqlite"
    ledger.close()


async def test_the_words_of_requests_can_be_retired_and_their_answers_stay(ledger, ask):
    kept, retired = ask("kept"), ask("retired", purpose="generate_tasks")
    later = ask("later", purpose="generate_tasks")
    answers = await store(ledger, kept, retired, later)
    before = ledger.totals()
    last = ledger.rows_after(0, 2)[-1][0]
    assert [ledger.retire_requests("generate_tasks", last) for _ in range(2)] == [1, 0]
    assert (ledger.totals(), await store(ledger, kept, retired, later)) == (before, answers)
    assert [ledger.request(r.request_hash) for r in (kept, later)] == [kept, later]
    with pytest.raises(InputError, match="were retired by `trajmill gc`"):
        ledger.request(retired.request_hash)


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
    with pytest.raises(ConfigError, match="allowed: a file path, a sqlite"):
        Ledger("mysql://host/db")


async def test_an_answer_that_cannot_be_read_is_a_named_error_and_is_not_asked_again(ledger, ask):
    await store(ledger, ask())
    with ledger.engine.begin() as connection:
        connection.execute(sa.update(COMPLETIONS).values(completion=b'{"of": "another version"}'))
    teacher = Scripted(["again"])
    with pytest.raises(WarehouseError, match=r"cannot be read: .*completion_id: it is missing"):
        await Ledgered(teacher, ledger).complete(ask())
    assert not teacher.requests


def test_claims_that_cannot_be_kept_beside_the_ledger_are_a_config_error(tmp_path):
    (tmp_path / "ledger.sqlite-claims").mkdir()
    with pytest.raises(ConfigError, match=r"ledger\.sqlite-claims cannot be written \(Is a directory\)"):
        Ledger(tmp_path / "ledger.sqlite")


@pytest.mark.parametrize(
    "url",
    ["postgresql://who:geheim@127.0.0.1:9/db?password=geheim", "postgres://who:geheim@:x/", "oracle://who:geheim@h/d"],
)
def test_no_error_tells_the_password(url):
    with pytest.raises(ConfigError, match=r"the ledger.* cannot be") as caught:
        Ledger(url)
    assert "geheim" not in str(caught.value)


async def test_who_comes_second_uses_the_answer_that_was_stored_first(place, ask):
    """Where a claim was lost (a server restarted), two can have asked; one answer holds for both."""
    first, second = Ledger(place), Ledger(place)
    request = ask()

    class Overtaken(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            answer, _ = first.join(request.request_hash)
            first.record(request, receipt(request, "first"))
            await asyncio.wrap_future(answer)
            return receipt(request, "second")

    assert (await Ledgered(Overtaken([]), second).complete(request)).reply == "first"
    assert second.totals().requests == 1
    first.close()
    second.close()


async def test_an_answer_that_stood_before_is_told_from_a_new_one_of_the_same_group(place, ask):
    first, second = Ledger(place), Ledger(place)
    await store(first, ask("a"))
    groups: list[dict[str, object]] = []
    writer = LedgerWriter(second._engine, second._reader.find, groups.append)
    for text in "ab":
        writer.put(Paid(ask(text), receipt(ask(text), "late")))
    writer.close()
    told = {key: answer.reply for group in groups for key, answer in group.items()}
    assert told == {ask("a").request_hash: "re: a", ask("b").request_hash: "late"}
    first.close()
    second.close()


async def test_a_commit_holds_what_came_in_while_the_last_one_was_made(place, ask):
    engine, first_is_told = open_engine(place), threading.Event()
    told: list[int] = []

    def tell(outcomes: dict[str, object]) -> None:
        told.append(len(outcomes))
        first_is_told.wait(10)

    writer = LedgerWriter(engine, lambda keys: {}, tell)
    for number in range(40):
        writer.put(Paid(ask(f"{number}"), receipt(ask(f"{number}"), "x")))
        while not told:
            await asyncio.sleep(0.001)
    first_is_told.set()
    writer.close()
    assert told == [1, 39]
    engine.dispose()


@pytest.mark.engines
async def test_row_ids_are_given_in_the_order_of_commits(postgres, ask):
    """A landing takes all rows above the last: one that commits late with a lower id would never land."""
    ledger, other = Ledger(postgres), open_engine(postgres)
    with other.begin() as connection:
        line_up(connection)
        connection.execute(sa.insert(COMPLETIONS).values(**dict(_row(Paid(ask("late"), receipt(ask("late"), "x"))))))
        asked = asyncio.create_task(store(ledger, ask("early")))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        assert not done and ledger.rows_after(0, 9) == []
    await asked
    assert [c.completion_id for _, c in ledger.rows_after(0, 9)] == [ask(t).request_hash for t in ("late", "early")]
    ledger.close()
    other.dispose()


@pytest.mark.engines
async def test_a_server_that_drops_its_connections_costs_no_answer(postgres, ask):
    ledger, admin = Ledger(postgres), sa.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    drop = sa.text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    class Dropped(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            with admin.connect() as connection:
                assert connection.execute(drop).scalar_one() >= 1
            return await super().complete(request)

    teacher = Dropped(["one", "two", "three"])
    answers = [await Ledgered(teacher, ledger).complete(ask(text)) for text in "abca"]
    assert [answer.reply for answer in answers] == ["one", "two", "three", "one"]
    assert ledger.totals().requests == 3
    ledger.close()
    admin.dispose()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=20), max_size=12), page=st.integers(1, 5))
def test_every_question_is_stored_exactly_once_whatever_is_asked(place, ask, texts, page):
    ledger = Ledger(place)
    example = uuid.uuid4().hex
    requests = [ask(text, key=example) for text in texts]
    before = ledger.begin(example)
    asyncio.run(store(ledger, *requests))
    rows, last = [], before
    while found := ledger.rows_after(last, page):
        rows += found
        last = found[-1][0]
    assert {completion.completion_id for _, completion in rows} == {request.request_hash for request in requests}
    assert len(rows) == ledger.totals(after=before).requests == len(set(texts))
    ledger.close()
