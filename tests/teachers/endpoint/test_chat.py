"""The client against a server that misbehaves in every way that endpoints do."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from schemas.completion import Sampling
from schemas.errors import ConfigError, TeacherError
from schemas.run_config import Price, TeacherConfig
from teachers.endpoint.chat import OPENAI_URL, OpenAIChat
from teachers.endpoint.failures import retry_after_seconds
from teachers.endpoint.requests import request_body


@contextlib.asynccontextmanager
async def client(url: str, **changes: Any):
    config = TeacherConfig(**{"kind": "openai", "max_retries": 2, "timeout_seconds": 5} | changes)
    teacher = OpenAIChat(config, "key", url)
    yield teacher
    await teacher.close()


async def test_an_answer_comes_back_with_its_receipt(endpoint, ask):
    async with client(endpoint.url, prices={"m": Price(prompt=2, completion=10)}) as teacher:
        request = ask()
        completion = await teacher.complete(request)
    assert completion.reply == "Forty."
    assert completion.completion_id == request.request_hash
    assert (completion.prompt_tokens, completion.completion_tokens) == (11, 7)
    assert completion.cost_usd == pytest.approx((11 * 2 + 7 * 10) / 1e6)


async def test_every_request_carries_its_sampling_and_a_maximum(endpoint, ask):
    sampling = Sampling(temperature=0.3, top_p=0.9, max_tokens=55, seed=4, stop=("END",))
    async with client(endpoint.url) as teacher:
        await teacher.complete(ask(sampling=sampling))
    sent = endpoint.bodies[0]
    wanted = {"max_tokens": 55, "temperature": 0.3, "top_p": 0.9, "seed": 4, "stop": ["END"], "model": "m"}
    assert {name: sent[name] for name in wanted} == wanted


def test_openai_itself_is_given_max_completion_tokens_and_other_servers_max_tokens(ask):
    assert request_body(ask(), OPENAI_URL)["max_completion_tokens"] == 100
    assert "max_tokens" not in request_body(ask(), OPENAI_URL)
    assert request_body(ask(), "http://localhost:8000/v1")["max_tokens"] == 100
    assert request_body(ask(), "https://x.openai.azure.com/openai/v1")["max_completion_tokens"] == 100


def test_openais_reasoning_models_are_not_sent_a_temperature_that_they_refuse(ask):
    assert "temperature" not in request_body(ask(model="o4-mini"), OPENAI_URL)
    assert "temperature" in request_body(ask(model="gpt-4o"), OPENAI_URL)
    assert "temperature" in request_body(ask(model="o4-mini"), "http://localhost:8000/v1")


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
async def test_what_passes_is_tried_again(endpoint, ask, status):
    endpoint.script = [endpoint.refuse(status, {"retry-after-ms": "1"})]
    async with client(endpoint.url) as teacher:
        assert (await teacher.complete(ask())).reply == "Forty."
        assert teacher.sent == 2


async def test_retry_after_is_honoured(endpoint, ask, waits):
    endpoint.script = [endpoint.refuse(429, {"retry-after": "17"})]
    async with client(endpoint.url) as teacher:
        await teacher.complete(ask())
    assert (waits, len(endpoint.bodies)) == ([17.0], 2)


def test_retry_after_is_read_in_all_its_forms():
    at = datetime.now(UTC).replace(microsecond=0)
    assert retry_after_seconds({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after_seconds({"retry-after": "2"}) == 2
    assert retry_after_seconds({"retry-after": format_datetime(at - timedelta(seconds=30), usegmt=True)}) == 0
    assert retry_after_seconds({"retry-after": format_datetime(at + timedelta(days=1), usegmt=True)}) == 600, "at most"
    assert retry_after_seconds({"retry-after": "soon"}) is None
    assert retry_after_seconds({}) is None


async def test_retries_end_with_what_the_endpoint_said(endpoint, ask):
    endpoint.otherwise = endpoint.refuse(503, {"retry-after-ms": "1"})
    async with client(endpoint.url) as teacher:
        with pytest.raises(TeacherError, match=r"503: .*refused on purpose") as caught:
            await teacher.complete(ask())
    assert caught.value.transient
    assert len(endpoint.bodies) == 3


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (401, {}, "OPENAI_API_KEY"),
        (404, {"code": "model_not_found"}, "Set generator, solver"),
        (429, {"code": "insufficient_quota"}, "no credit left"),
        (400, {"code": "context_length_exceeded"}, "longer than the context of m"),
        (400, {"code": "invalid_value"}, r"Change \[teacher\]"),
    ],
)
async def test_what_lasts_is_not_tried_again_and_says_what_to_do(endpoint, ask, status, error, advice):
    endpoint.otherwise = endpoint.refuse(status, **error)
    async with client(endpoint.url) as teacher:
        with pytest.raises(TeacherError, match=advice) as caught:
            await teacher.complete(ask())
    assert not caught.value.transient
    assert len(endpoint.bodies) == 1


async def test_a_web_page_instead_of_json_points_at_the_address(endpoint, ask):
    endpoint.otherwise = endpoint.raw(b"<html>Welcome</html>", "text/html")
    async with client(endpoint.url) as teacher:
        with pytest.raises(TeacherError, match="OPENAI_BASE_URL") as caught:
            await teacher.complete(ask())
    assert not caught.value.transient


@pytest.mark.parametrize("body", [b'{"choices": [{', b'{"choices": "\xff"}', b'{"error": {"message": "overloaded"}}'])
async def test_a_broken_body_is_tried_again(endpoint, ask, body):
    endpoint.script = [endpoint.raw(body, "application/json")]
    async with client(endpoint.url) as teacher:
        assert (await teacher.complete(ask())).reply == "Forty."


async def test_json_under_another_content_type_is_read(endpoint, ask):
    endpoint.otherwise = endpoint.raw(b'{"choices":[{"message":{"content":"yes"}}]}', "text/plain")
    async with client(endpoint.url) as teacher:
        completion = await teacher.complete(ask("word " * 8))
    assert (completion.reply, completion.finish_reason) == ("yes", "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (10, 1), "estimated where usage is left out"


async def test_half_a_body_is_tried_again(endpoint, ask):
    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
        await response.prepare(request)
        await response.write(b'{"choices": [')
        assert request.transport is not None
        request.transport.close()
        return response

    endpoint.script = [break_off]
    async with client(endpoint.url) as teacher:
        assert (await teacher.complete(ask())).reply == "Forty."


async def test_a_socket_that_never_answers_is_given_up_at_the_time_out(endpoint, ask):
    async def hang(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("nothing ever wakes it")

    endpoint.otherwise = hang
    async with client(endpoint.url, timeout_seconds=0.2, max_retries=0) as teacher:
        with pytest.raises(TeacherError, match="did not answer for m in time") as caught:
            await teacher.complete(ask())
    assert caught.value.transient


async def test_an_answer_that_trickles_is_given_up_at_the_time_out(endpoint, ask):
    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    endpoint.otherwise = trickle
    async with client(endpoint.url, timeout_seconds=0.3, max_retries=0) as teacher:
        with pytest.raises(TeacherError, match="in time"):
            await teacher.complete(ask())


async def test_an_endpoint_that_is_down_is_named(ask):
    async with client("http://127.0.0.1:1/v1", max_retries=0) as teacher:
        with pytest.raises(TeacherError, match=r"cannot be reached.*Check OPENAI_BASE_URL") as caught:
            await teacher.complete(ask())
    assert caught.value.transient


async def test_one_request_that_fails_does_not_end_its_siblings(endpoint, ask):
    endpoint.script = [endpoint.refuse(400)]
    async with client(endpoint.url, concurrency=1) as teacher:
        results = await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(5)), return_exceptions=True)
    assert sum(isinstance(result, TeacherError) for result in results) == 1
    assert sum(getattr(result, "reply", "") == "Forty." for result in results) == 4


@pytest.mark.parametrize(
    ("content", "reason", "message", "expected"),
    [
        ("Forty.", "stop", {}, "stop"),
        ("Forty.", None, {}, "stop"),
        ("Forty.", "eos", {}, "stop"),
        ("For", "length", {}, "length"),
        ("", "length", {}, "length"),
        ("", "content_filter", {}, "content_filter"),
        (None, "stop", {"refusal": "I cannot"}, "content_filter"),
        (None, "stop", {}, "empty"),
        (" \n", "stop", {}, "empty"),
    ],
)
async def test_refused_cut_and_empty_replies_are_told_apart(endpoint, ask, content, reason, message, expected):
    endpoint.otherwise = endpoint.reply(content, reason, **message)
    async with client(endpoint.url) as teacher:
        assert (await teacher.complete(ask())).finish_reason == expected


async def test_no_more_requests_are_in_flight_than_configured(endpoint, ask):
    async def slowly(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return await endpoint.reply("ok")(request)

    endpoint.otherwise = slowly
    async with client(endpoint.url, concurrency=3) as teacher:
        await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(12)))
    assert endpoint.most_in_flight == 3


async def test_while_a_tenth_of_sockets_never_answer_the_others_go_on(ask):
    hung: list[asyncio.Event] = []
    meanwhile: list[int] = []
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while await reader.readline():
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                length = int(line[16:]) if line.lower().startswith(b"content-length: ") else length
            await reader.readexactly(length)
            served += 1
            if served % 10 == 0:
                hung.append(dropped := asyncio.Event())
                before = served
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{" if served % 20 == 0 else b"")
                await reader.read()
                meanwhile.append(served - before)
                dropped.set()
                return
            body = b'{"choices":[{"message":{"content":"ok"}}]}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with client(url, timeout_seconds=0.6, max_retries=5, concurrency=8) as teacher:
        answers = await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(100)))
        assert len(answers) == 100 and teacher.sent - 100 >= len(hung) >= 11
        for dropped in hung:
            await dropped.wait()
    assert any(meanwhile), "others are served while one waits"
    server.close()


async def test_a_refusal_at_random_holds_back_that_request_alone(endpoint, ask):
    endpoint.script = [endpoint.refuse(429, {"retry-after": "1"})]
    async with client(endpoint.url, concurrency=1) as teacher:
        await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(10)))
    assert len(endpoint.bodies) == 11
    assert endpoint.bodies[1] != endpoint.bodies[0], "the next one takes the slot that the refused one gave back"
    assert endpoint.bodies.count(endpoint.bodies[0]) == 2


async def test_what_is_tried_again_goes_before_what_has_not_been_sent(endpoint, ask):
    async def slowly(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.06)
        return await endpoint.reply("ok")(request)

    endpoint.script = [endpoint.refuse(500)]
    endpoint.otherwise = slowly
    async with client(endpoint.url, concurrency=1) as teacher:
        await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(12)))
    assert endpoint.bodies[0] in endpoint.bodies[1:4]


async def test_refusals_with_load_slow_the_lane_until_all_are_answered(endpoint, ask, caplog):
    """The endpoint has no room until it is left alone; how fast a lane then goes is shown on a simulated clock."""
    answer = endpoint.reply("ok")

    async def crowded(request: web.BaseRequest) -> web.StreamResponse:
        return await (endpoint.refuse(429) if teacher.lane("m").slowed_to is None else answer)(request)

    endpoint.otherwise = crowded
    caplog.set_level("INFO", "teachers")
    async with client(endpoint.url, concurrency=30, max_retries=4) as teacher:
        await asyncio.gather(*(teacher.complete(ask(str(i))) for i in range(60)))
        assert teacher.sent <= 60 + 2 * 30, "refused are those that were out when it was noticed, and no more are sent"
    said = [record.message for record in caplog.records]
    assert 1 <= sum("slowed to" in message for message in said) <= 2, "a line a change, none a request"


@pytest.mark.parametrize("where", ["what an answer says", "requests_per_minute", "tokens_per_minute"])
async def test_who_is_above_a_limit_stands_in_line(endpoint, ask, where):
    """How long is shown on a simulated clock; here it is longer than anybody waits."""
    told = {"x-ratelimit-limit-requests-day": "10", "x-ratelimit-remaining-requests-day": "0"}
    headers = told if where == "what an answer says" else None
    endpoint.otherwise = endpoint.json({"choices": [{"message": {"content": "ok"}}]}, headers=headers)
    limits = {} if headers else {"limits": {"m": {where: 1}}}
    async with client(endpoint.url, **limits) as teacher:
        await teacher.complete(ask())
        waiting = asyncio.create_task(teacher.complete(ask("another")))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done() and len(endpoint.bodies) == 1
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_half_a_surrogate_pair_in_the_answer_is_no_reason_to_ask_again(endpoint, ask):
    body = b'{"choices":[{"message":{"content":"a \\ud83d"}}]}'
    endpoint.script = [endpoint.raw(body, "application/json")]
    async with client(endpoint.url) as teacher:
        assert (await teacher.complete(ask())).reply.startswith("a ")
        assert teacher.sent == 1


async def test_check_passes_where_the_models_are_listed_and_asks_nothing(endpoint):
    async with client(endpoint.url) as teacher:
        await teacher.check(("m",))
    assert endpoint.bodies == []


async def test_check_probes_a_model_that_is_not_listed(endpoint):
    endpoint.models = endpoint.raw(b"no such page", "text/plain", 404)
    async with client(endpoint.url) as teacher:
        await teacher.check(("m",))
        assert endpoint.bodies[0]["max_tokens"] <= 16
        endpoint.otherwise = endpoint.refuse(404, code="model_not_found")
        with pytest.raises(ConfigError, match="no model 'ghost'"):
            await teacher.check(("ghost",))


async def test_check_turns_an_unreachable_teacher_into_a_config_error(endpoint):
    async with client("http://127.0.0.1:1/v1") as teacher:
        with pytest.raises(ConfigError, match="cannot be reached"):
            await teacher.check(("m",))
    endpoint.models = endpoint.refuse(401)
    async with client(endpoint.url) as teacher:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            await teacher.check(("m",))


def test_openai_without_a_key_is_a_config_error():
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIChat(TeacherConfig(kind="openai"))
