"""An endpoint, or a proxy before it, that says our key back: it is in no message, log, traceback or ledger."""

from __future__ import annotations

import base64
import html
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from schemas.errors import ConfigError, TeacherError
from schemas.run_config import BudgetConfig, Price, TeacherConfig
from teachers.budget.budgeted import Budgeted, caps_of, losses_of
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.failure_notes import FailureNotes
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered

KEY = "Wq9-echo/of+ours_4711xyz"
PRICES = {"m": Price(prompt=1, completion=2)}


def written(key: str) -> Iterator[str]:
    """All ways in which these tests write a key, in small letters."""
    yield key
    yield quote(key, safe="")
    yield json.dumps(key).replace("/", "\\/")
    yield "".join(f"\\u{ord(c):04x}" for c in key)
    yield "".join(f"&#{ord(c)};" for c in key)
    for shift in range(3):
        yield base64.b64encode(b"x" * shift + key.encode()).decode()


def said_back(request: web.BaseRequest) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return headers + "\n" + "\n".join(form for one in written(KEY) for form in (one, one.upper(), one.swapcase()))


def page(request: web.BaseRequest, status: int) -> web.Response:
    url = f"https://user:{KEY}@proxy.example/v1?key={KEY}"
    body = f"<html><h1>No</h1><pre>{html.escape(said_back(request))}</pre><a href='{url}'>{url}</a></html>"
    return web.Response(status=status, text=body, content_type="text/html")


def problem(request: web.BaseRequest, status: int) -> web.Response:
    said = {"message": f"Incorrect API key provided: {KEY}", "code": KEY, "param": said_back(request)}
    return web.json_response({"error": said | {"headers": dict(request.headers)}}, status=status, reason=f"No {KEY}")


def reply(**message: Any) -> Callable[[web.BaseRequest], web.Response]:
    def answer(request: web.BaseRequest) -> web.Response:
        told = {name: json.loads(json.dumps(value).replace("ECHO", KEY)) for name, value in message.items()}
        usage = {"prompt_tokens": 9, "completion_tokens": 9}
        return web.json_response({"choices": [{"message": told}], "usage": usage, "system_fingerprint": KEY})

    return answer


CALL = [{"id": "ECHO", "function": {"name": "ECHO", "arguments": '{"key": "ECHO"}'}}]
ECHOES: dict[str, Callable[[web.BaseRequest], web.Response]] = {
    **{f"an error, {status}": lambda r, s=status: problem(r, s) for status in (400, 401, 403, 404, 413, 429, 500, 529)},
    **{f"a page, {status}": lambda r, s=status: page(r, s) for status in (200, 401, 407, 502)},
    "an error that comes as 200": lambda r: web.json_response({"error": {"message": said_back(r), "code": 400}}),
    "half a JSON": lambda r: web.Response(
        text='{"choices": ' + json.dumps(said_back(r)), content_type="application/json"
    ),
    "no completion": lambda r: web.json_response({"choices": {KEY: KEY}, "usage": KEY}),
    "a redirect": lambda r: web.Response(status=307, headers={"Location": f"https://u:{KEY}@a.example/?k={KEY}"}),
    "an odd packing": lambda r: web.Response(body=b"{}", headers={"Content-Encoding": KEY}),
    "an odd end": lambda r: web.json_response({"choices": [{"message": {}, "finish_reason": "error"}], "x": KEY}),
    "a header without end": lambda r: web.Response(body=b"{}", headers={"X-Echo": KEY * 9_000}),
    "what it says": reply(content="Your key is ECHO."),
    "what it thinks": reply(content="4", reasoning="The key is ECHO."),
    "what it calls": reply(content="", tool_calls=CALL),
}


def found(text: str) -> list[str]:
    lower = text.lower()
    forms = list(written(KEY))
    forms[-3:] = [form[4:-4] for form in forms[-3:]]  # the ends of base64 hold other bytes, too
    return [form for form in forms if form.lower() in lower]


@pytest.mark.parametrize("name", ECHOES)
async def test_a_key_that_is_said_back_is_kept_nowhere(name, endpoint, ask, tmp_path, caplog):
    async def echo(request: web.BaseRequest) -> web.Response:
        return ECHOES[name](request)

    endpoint.otherwise = echo
    caplog.set_level(logging.DEBUG, "teachers")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    config = TeacherConfig(kind="openai", max_retries=0, timeout_seconds=5, prices=PRICES)
    chat, budget = OpenAIChat(config, KEY, endpoint.url), BudgetConfig(usd=1)
    asked = Budgeted(chat, caps_of(ledger, "1", budget), PRICES, losses_of(ledger, "1"))
    teacher = Ledgered(asked, ledger, FailureNotes(ledger.engine, "1"))
    told = ""
    try:
        told = (await teacher.complete(ask())).model_dump_json()
    except TeacherError as error:
        told = "".join(traceback.format_exception(error))
        logging.getLogger("teachers").exception("it failed with %s", KEY)
    await teacher.close()
    ledger.close()
    assert len(endpoint.bodies) == 1 and len(told) > 50
    assert found(told) == []
    assert found(caplog.text) == []
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert found(kept.decode("latin-1")) == []


@pytest.mark.parametrize("where", ["http://user:{key}@{host}/v1", "http://{host}/v1?api_key={key}"])
async def test_a_key_in_the_address_is_not_said(where, endpoint):
    endpoint.models = endpoint.raw(b"no", "text/plain", 500)
    url = where.format(key="pa55-word-1234", host=endpoint.url.split("/")[2])
    with pytest.raises(ConfigError) as caught:
        chat = OpenAIChat(TeacherConfig(kind="openai", max_retries=0, timeout_seconds=5, prices=PRICES), "none", url)
        try:
            await chat.check(("m",))
        finally:
            await chat.close()
    told = "".join(traceback.format_exception(caught.value))
    assert "pa55-word-1234" not in told and "[hidden]" in str(caught.value)
