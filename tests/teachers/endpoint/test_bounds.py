"""What an endpoint may send back has a size, a time and a sane range: the table of what it may try instead."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any

import orjson
import pytest

from schemas.errors import TeacherError
from schemas.run_config import BudgetConfig, Price, TeacherConfig
from teachers.batch.api import BatchApi
from teachers.batch.home import BatchHome
from teachers.budget.budgeted import Budgeted, at_most, caps_of
from teachers.budget.caps import NOTHING
from teachers.endpoint.chat import OpenAIChat
from teachers.endpoint.failures import EndpointError
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply
from teachers.ledger.ledger import Ledger

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]
BOUND = 1_000_000
BOMB = 60_000_000
"""Bytes that the packed bodies hold: sixty times what may be read."""


class Wire:
    """A server that writes bytes as it likes, whatever it is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[bytes] = []
        """First lines and headers."""

    async def begin(self, speak: Speak) -> asyncio.Server:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                self.asked.append(await reader.readuntil(b"\r\n\r\n"))
                await speak(writer)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return server


@contextlib.asynccontextmanager
async def wire(speak: Speak) -> AsyncIterator[Wire]:
    told = Wire()
    server = await told.begin(speak)
    yield told
    server.close()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Speak:
    async def speak(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers, f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    return speak


def endless(head: str, piece: bytes, pause: float = 0.0) -> Speak:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return speak


def chat(url: str, **changes: Any) -> OpenAIChat:
    told = {"kind": "openai", "max_retries": 0, "timeout_seconds": 20, "max_reply_bytes": BOUND, "prices": PRICES}
    return OpenAIChat(TeacherConfig(**told | changes), "none", url)


PRICES = {"m": Price(prompt=1, completion=2)}
CHOICE = {"choices": [{"message": {"content": "4"}}]}
REPLY = orjson.dumps({"choices": [{"message": {"content": "Forty."}}], "usage": {"prompt_tokens": 9}})
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


@cache
def packed(window_bits: int, size: int = BOMB) -> bytes:
    squeeze = zlib.compressobj(1, zlib.DEFLATED, window_bits)
    parts = [squeeze.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)]
    return b"".join([*parts, squeeze.flush()])


TOO_LARGE = f"answered with more than {BOUND:,} bytes, the most that is read; raise teacher.max_reply_bytes"
GZIP, DEFLATE = "Content-Encoding: gzip", "Content-Encoding: deflate"
BRIEF = {"timeout_seconds": 0.5}
REPLIES = {
    "a gzip bomb": (lambda: whole(packed(31), GZIP), TOO_LARGE, {}),
    "a deflate bomb": (lambda: whole(packed(15), DEFLATE), TOO_LARGE, {}),
    "a bare deflate bomb": (lambda: whole(packed(-15), DEFLATE), TOO_LARGE, {}),
    "a body too long": (lambda: whole(b" " * (2 * BOUND) + REPLY), TOO_LARGE, {}),
    "an endless body": (lambda: endless(HEAD + "Transfer-Encoding: chunked\r\n\r\n", CHUNK), TOO_LARGE, {}),
    "an endless body until it closes": (lambda: endless(HEAD + "\r\n", b"x" * 65536), TOO_LARGE, {}),
    "packed bytes that hold nothing": (
        lambda: endless(HEAD + GZIP + "\r\n\r\n" + "", gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 9999),
        "not packed as it says",
        {},
    ),
    "brotli, unasked": (lambda: whole(b"\x8b\x02\x80", "Content-Encoding: br"), "packed as 'br', which was not", {}),
    "zstd, unasked": (lambda: whole(b"(\xb5/\xfd", "Content-Encoding: zstd"), "packed as 'zstd', which was not", {}),
    "gzip twice": (lambda: whole(REPLY, "Content-Encoding: gzip, gzip"), "packed as 'gzip, gzip'", {}),
    "what is no gzip": (lambda: whole(REPLY, GZIP), "not packed as it says", {}),
    "half a gzip": (lambda: whole(gzip.compress(REPLY)[:-12], GZIP), "broke its packed reply off midway", {}),
    "a slow drip": (lambda: endless(HEAD + "\r\n", b" ", 0.05), "did not answer for m in time", BRIEF),
    "an endless 100": (
        lambda: endless("", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
        "did not answer for m in time",
        BRIEF,
    ),
    "a long header": (lambda: whole(REPLY, "X-A: " + "a" * 2_000_000), "Check OPENAI_BASE_URL", {}),
    "many headers": (lambda: whole(REPLY, *(f"X-{i}: a" for i in range(20_000))), "Check OPENAI_BASE_URL", {}),
    "endless headers": (lambda: endless(HEAD, b"X-A: a\r\n" * 999), "Check OPENAI_BASE_URL", {}),
    "a long error": (lambda: whole(b"no " * BOUND, status="500 No"), "answered 500: no no no", {}),
    "an error that is a bomb": (
        lambda: whole(packed(31), GZIP, status="400 No"),
        r"refused the request for m \(400",
        {},
    ),
    "an endless error": (lambda: endless("HTTP/1.1 401 No\r\n\r\n", b"no " * 9999), "refused the key", {}),
}


@pytest.mark.parametrize("name", REPLIES)
async def test_a_reply_without_bounds_is_given_up_in_one_sentence_and_little_memory(name, ask):
    make, said, changes = REPLIES[name]
    async with wire(make()) as told:
        teacher = chat(told.url, **changes)
        tracemalloc.start()
        with pytest.raises(TeacherError, match=said) as caught:
            await teacher.complete(ask())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await teacher.close()
    assert peak < 30 * BOUND
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


async def test_a_heap_of_brackets_is_not_made_objects_of(ask):
    async with wire(whole(b"[" + b"[]," * 200_000 + b"[]]")) as told:
        teacher = chat(told.url)
        with pytest.raises(TeacherError, match="JSON that has more than 500,000 brackets"):
            await teacher.complete(ask())
        await teacher.close()


@pytest.mark.parametrize("squeeze", [gzip.compress, zlib.compress, lambda body: zlib.compress(body)[2:-4], None])
async def test_what_is_packed_as_asked_is_read(squeeze, ask):
    header = {gzip.compress: GZIP, None: "X-A: a"}.get(squeeze, DEFLATE)
    async with wire(whole(squeeze(REPLY) if squeeze else REPLY, header)) as told:
        teacher = chat(told.url)
        assert (await teacher.complete(ask())).reply == "Forty."
        await teacher.close()
    assert b"accept-encoding: gzip, deflate\r\n" in told.asked[0].lower()


async def test_the_list_of_models_has_a_bound_too():
    async with wire(whole(packed(31), GZIP)) as told:
        teacher = chat(told.url)
        with pytest.raises(Exception, match=TOO_LARGE):
            await teacher.check(("m",))
        await teacher.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://{other}/v1/chat/completions", "//{other}/x", "https://127.0.0.1/x"])
async def test_nothing_is_sent_to_another_server(status, place, ask):
    async with wire(whole(REPLY)) as other:
        host = other.url.split("/")[2]
        async with wire(whole(b"", f"Location: {place.format(other=host)}", status=f"{status} Go")) as told:
            teacher = chat(told.url)
            with pytest.raises(TeacherError, match=r"redirects to .*, which is another server; nothing was sent"):
                await teacher.complete(ask())
            await teacher.close()
    assert not other.asked and len(told.asked) == 1


async def test_a_redirect_on_the_same_server_is_followed_and_a_circle_ends(ask):
    async with wire(whole(b"", "Location: /v1/elsewhere", "Connection: close", status="307 Go")) as told:
        teacher = chat(told.url)
        with pytest.raises(TeacherError, match="cannot be reached or broke off"):
            await teacher.complete(ask())
        await teacher.close()
    assert b"POST /v1/elsewhere" in told.asked[1] and len(told.asked) < 30


USAGES = {
    "all is well": ((11, 7), (11, 7), False),
    "below nothing": ((-1_000_000, 7), None, True),
    "nothing": ((0, 0), None, True),
    "a million millions": ((10**18, 10**18), None, True),
    "beyond any float": ((10**400, 7), None, True),
    "no number": ((float("nan"), float("inf")), None, True),
    "yes and no": ((True, True), None, True),
    "a half": ((11.5, 7.5), None, True),
    "a list": (([11], {"n": 7}), None, True),
    "words": (("eleven", "7e9"), None, True),
    "digits of another script": (("١١", "٧"), None, True),
    "figures in words": (("11", "7.0"), (11, 7), False),
    "a prompt longer than it could be": ((5_000_000, 7), None, True),
    "a reply longer than any": ((11, 5_000_000), None, True),
    "beyond the maximum, as one that reasons": ((11, 5_000), (11, 5_000), False),
}


@pytest.mark.parametrize("name", USAGES)
def test_usage_is_believed_as_far_as_it_can_be(name, ask):
    (prompt, completion), kept, is_estimated = USAGES[name]
    request = ask("word " * 40)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": {"cached_tokens": -9}}
    made = make_receipt(request, [read_reply(CHOICE | {"usage": usage}, "u")], 0.1, PRICES)
    if kept:
        assert (made.prompt_tokens, made.completion_tokens) == kept
    else:
        assert 0 < made.prompt_tokens + made.completion_tokens <= at_most(request, None).tokens
    assert made.usage_estimated is is_estimated and made.cost_usd > 0


def test_a_long_prompt_that_is_said_to_be_one_token_is_estimated(ask):
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    reply = read_reply(CHOICE | {"usage": usage}, "u")
    made = make_receipt(ask("word " * 4_000), [reply], 0.1, PRICES)
    assert made.usage_estimated and made.prompt_tokens == 5_000


@pytest.mark.parametrize("tokens", [-1_000_000, 10**18, 0, None, True, 5_000_000])
async def test_no_answer_gives_a_budget_back_what_was_not_set_aside(tokens, ask, tmp_path):
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    body = json.dumps(CHOICE | {"usage": usage}).encode()
    ledger = Ledger(tmp_path / "ledger.sqlite")
    caps = caps_of(ledger, "1", BudgetConfig(tokens=1_000_000))
    async with wire(whole(body)) as told:
        teacher = Budgeted(chat(told.url), caps, PRICES)
        await teacher.complete(ask("word " * 40))
        await teacher.close()
    assert NOTHING.tokens < caps.spent.tokens <= at_most(ask("word " * 40), None).tokens
    assert caps.held == NOTHING
    ledger.close()


@pytest.mark.parametrize(
    ("speak", "said"),
    [
        (lambda: whole(packed(31), GZIP), "answered with more than 3,000,000 bytes"),
        (lambda: endless(HEAD + "\r\n", b"x" * 65536), "answered with more than 3,000,000 bytes"),
        (lambda: whole(b"", "Location: http://127.0.0.1:1/x", status="302 Go"), "which is another server"),
        (lambda: whole(b"{}", "Content-Encoding: br"), "packed as 'br'"),
    ],
)
async def test_a_batchs_file_has_bounds_of_its_own(speak, said):
    async with wire(speak()) as told:
        teacher = chat(told.url, batch_max_reply_bytes=3 * BOUND)
        with pytest.raises(EndpointError, match=said) as caught:
            await BatchApi(teacher.client, told.url).fetch("file-1")
        await teacher.close()
    assert not caught.value.transient and b"GET /v1/files/file-1/content" in told.asked[0]


async def test_a_batch_itself_has_the_bound_of_a_reply():
    async with wire(endless(HEAD + "\r\n", b"x" * 65536)) as told:
        teacher = chat(told.url)
        with pytest.raises(EndpointError, match=TOO_LARGE):
            await BatchApi(teacher.client, told.url).look("batch_1")
        await teacher.close()


async def test_a_line_of_a_batch_that_never_ends_is_not_held_in_memory(caplog, tmp_path, ask):
    """The lines around it are read."""
    long = b'{"custom_id": "b", "response": "' + b"x" * (3 * BOUND) + b'"}\n'
    lines = [b'{"custom_id": "a"}\n', long, b'{"custom_id": "c"}']
    async with wire(whole(b"".join(lines))) as told:
        teacher = chat(told.url)
        ledger = Ledger(tmp_path / "ledger.sqlite")
        config = TeacherConfig(kind="openai", max_reply_bytes=BOUND)
        api = BatchApi(teacher.client, told.url)
        home = BatchHome(api, None, ledger, config, 1.0)  # type: ignore[arg-type] (the book is not asked)
        with await api.fetch("file-1") as content, caplog.at_level(logging.WARNING):
            got = []
            while found := home._next_lines(content):
                got += found
        await teacher.close()
        ledger.close()
    assert [len(line) for line in got] == [len(lines[0]), BOUND, len(lines[2])]
    assert "longer than teacher.max_reply_bytes" in caplog.text
