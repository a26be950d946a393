"""The endpoint that clients are measured against does what its modes say, whoever asks and in whatever order."""

from __future__ import annotations

import asyncio
import time
import urllib.error
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from benchmarks.mock_endpoint import Mock, started


@pytest.fixture(scope="module")
def shared() -> Iterator[Mock]:
    with started() as mock:
        yield mock


@pytest.fixture
def mock(shared: Mock) -> Mock:
    shared.reset(mode="clean", latency=0.01, seed=0)
    return shared


async def ask(mock: Mock, rows: Any, timeout: float = 5) -> dict[int, Any]:
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


async def test_a_clean_answer_is_a_chat_completion_after_the_latency(mock):
    mock.reset(latency=0.2)
    began = time.monotonic()
    status, _, body = (await ask(mock, [17]))[17]
    assert status == 200
    assert 0.2 <= time.monotonic() - began < 1
    assert body["choices"][0]["message"]["content"]
    assert 0.19 <= mock.stats()["span"] < 1


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
    mock.reset(mode="cap", per_second=30, latency=0.3)
    began = time.monotonic()
    answers = await ask(mock, range(50))
    refused = [answer for answer in answers.values() if answer[0] == 429]
    assert len(refused) == 20 == mock.stats()["refused"]
    assert not any("retry" in name or "limit" in name for _, headers, _ in refused for name in headers)
    await asyncio.sleep(max(0.0, 1.1 - (time.monotonic() - began)))
    assert {status for status, _, _ in (await ask(mock, range(100, 130))).values()} == {200}


async def test_a_share_of_the_sockets_never_answers_and_their_waits_are_measured(mock):
    mock.reset(mode="hang", hung=0.2)
    answers = await ask(mock, range(100), timeout=0.5)
    silent = [row for row, answer in answers.items() if answer is None]
    await asyncio.sleep(0.1)
    stats = mock.stats()
    assert 10 <= len(silent) == stats["hung"] <= 30
    assert stats["in_flight"] == 0
    assert 0.4 <= stats["longest_hang"] < 1


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
