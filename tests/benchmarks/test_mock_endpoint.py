"""The endpoint that clients are measured against does what its modes say, whoever asks and in whatever order."""

from __future__ import annotations

import asyncio
import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from benchmarks.mock_endpoint import Connection, Endpoint, Habits, Mock, Run, started


@pytest.fixture(scope="module")
def shared() -> Iterator[Mock]:
    with started() as mock:
        yield mock


@pytest.fixture
def mock(shared: Mock) -> Mock:
    shared.reset(mode="clean", latency=0.01, seed=0)
    return shared


async def ask(mock: Mock, rows: Any, timeout: float = 120) -> dict[int, Any]:
    """Ask all rows at once; return status by row, None where no answer came in time."""
    answers: dict[int, Any] = {}

    async def one(session: aiohttp.ClientSession, row: int) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": f"row {row}"}], "max_tokens": 50}
        try:
            async with session.post(f"{mock.url}/chat/completions", json=body) as answer:
                answers[row] = (answer.status, {n.lower() for n in answer.headers}, await answer.json())
        except TimeoutError:
            answers[row] = None

    limit = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(one(session, row) for row in rows))
    return answers


class Hand:
    """An event loop that is wound by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.later: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        self.later.append((delay, lambda: call(*args)))


class Line(asyncio.Transport):
    """The client's end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.got = b""

    def write(self, data: Any) -> None:
        self.got += data


def connect(habits: Habits) -> tuple[Endpoint, Connection, Hand, Line]:
    """Ask one question of an endpoint in this process, on a loop that stands still."""
    endpoint, loop, line = Endpoint(habits), Hand(), Line()
    connection = Connection(endpoint, loop)  # type: ignore[arg-type]
    connection.connection_made(line)
    body = b'{"messages": [{"role": "user", "content": "row 17"}]}'
    connection.data_received(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return endpoint, connection, loop, line


async def test_a_clean_answer_is_a_chat_completion(mock):
    status, _, body = (await ask(mock, [17]))[17]
    assert status == 200
    assert body["choices"][0]["message"]["content"]
    assert mock.stats()["span"] != 0


def test_an_answer_goes_out_when_the_latency_has_passed():
    endpoint, _, loop, line = connect(Habits(latency=0.2))
    ((delay, send),) = loop.later
    assert (delay, line.got, endpoint.run.in_flight) == (0.2, b"", 1)
    send()
    assert line.got.startswith(b"HTTP/1.1 200") and endpoint.run.in_flight == 0


def test_how_long_a_client_waits_for_a_socket_that_never_answers_is_measured():
    endpoint, connection, loop, line = connect(Habits(mode="hang", hung=1))
    loop.now = 0.5
    connection.connection_lost(None)
    assert (endpoint.run.longest_hang, line.got, loop.later) == (0.5, b"", [])


async def test_requests_prompts_and_what_was_paid_twice_are_counted(mock):
    await ask(mock, range(20))
    await ask(mock, range(15))
    stats = mock.stats()
    counted = {name: stats[name] for name in ("requests", "answered", "prompts", "paid_again", "most_arrivals")}
    assert counted == {"requests": 35, "answered": 35, "prompts": 20, "paid_again": 15, "most_arrivals": 2}
    assert sum(stats["seconds"]) == 35
    assert stats["in_flight"] == 0 < stats["most_in_flight"] <= 20


async def test_a_clients_own_probe_is_answered_and_counted_apart(mock):
    mock.reset(mode="cap", per_second=1)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"{mock.url}/chat/completions", json=body) as answer:
                assert answer.status == 200
    stats = mock.stats()
    assert (stats["probes"], stats["requests"], stats["prompts"], stats["span"]) == (3, 0, 0, 0)


async def test_errors_come_at_their_rate_with_a_hint_on_refusals_alone(mock):
    mock.reset(mode="err", latency=0)
    answers = await ask(mock, range(1000))
    by_status = {status: [a for a in answers.values() if a[0] == status] for status in (200, 429, 500)}
    assert 30 <= len(by_status[429]) <= 75
    assert 30 <= len(by_status[500]) <= 75
    assert len(by_status[200]) == 1000 - len(by_status[429]) - len(by_status[500]) == mock.stats()["answered"]
    assert all("retry-after" in headers for _, headers, _ in by_status[429])
    assert not any("retry-after" in headers for _, headers, _ in by_status[500])


async def test_luck_hangs_on_seed_prompt_and_attempt_and_not_on_order(mock):
    def fates(answers: dict[int, Any]) -> dict[int, int]:
        return {row: answer[0] for row, answer in answers.items()}

    async def two_attempts(rows: Any, seed: int) -> list[dict[int, int]]:
        mock.reset(mode="err", latency=0, seed=seed)
        return [fates(await ask(mock, rows)) for _ in range(2)]

    first, second = await two_attempts(range(300), seed=1)
    assert [first, second] == await two_attempts(range(299, -1, -1), seed=1)
    assert first != second
    assert first != (await two_attempts(range(300), seed=2))[0]


async def test_above_the_cap_all_are_refused_at_once_and_nothing_says_why(mock):
    mock.reset(mode="cap", per_second=0)
    answers = await ask(mock, range(50))
    assert {status for status, _, _ in answers.values()} == {429} and mock.stats()["refused"] == 50
    assert not any("retry" in name or "limit" in name for _, headers, _ in answers.values() for name in headers)


def test_the_cap_is_of_answers_begun_in_any_second():
    now = 100.0
    run = Run(Habits(mode="cap", per_second=30), clock=lambda: now)
    assert [run.arrive(b"%d" % row) for row in range(50)] == ["answer"] * 30 + ["refuse"] * 20
    now += 0.9
    assert run.arrive(b"50") == "refuse"
    now += 0.1
    assert [run.arrive(b"%d" % row) for row in range(51, 82)] == ["answer"] * 30 + ["refuse"]


async def test_a_share_of_the_sockets_never_answers(mock):
    mock.reset(mode="hang", hung=0.2)
    answers = await ask(mock, range(100), timeout=2)
    silent = [row for row, answer in answers.items() if answer is None]
    while (stats := mock.stats())["in_flight"]:
        await asyncio.sleep(0.01)
    assert 10 <= stats["hung"] <= 30 and stats["hung"] <= len(silent)
    assert stats["longest_hang"] != 0


async def test_usage_bills_every_byte_of_the_prompt_and_the_whole_maximum(mock):
    mock.reset(mode="usage")
    _, _, body = (await ask(mock, [1234]))[1234]
    assert body["usage"]["completion_tokens"] == 50 == mock.stats()["billed_completion_tokens"]
    assert body["usage"]["prompt_tokens"] >= len("row 1234")


@pytest.mark.parametrize("query", [{"mode": "odd"}, {"colour": 1}, {"latency": "soon"}])
def test_an_unknown_habit_is_refused_and_changes_nothing(mock, query):
    with pytest.raises(urllib.error.HTTPError):
        mock.reset(**query)
    assert mock.stats()["habits"]["mode"] == "clean"
