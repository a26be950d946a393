"""Chat requests are built once by the openai client, and what differs between two of them is the body."""

from __future__ import annotations

import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient
from openai._models import FinalRequestOptions

from teachers.endpoint.client import CHAT_URL, ChatClient

URL = "https://user.example:8443/api/v1/?deployment=a%20b"


def options(path: str = CHAT_URL, **body: object) -> FinalRequestOptions:
    return FinalRequestOptions.construct(method="post", url=path, json_data=body)


@pytest.fixture
def both(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    told = {"api_key": "key", "base_url": URL, "max_retries": 0, "timeout": openai.Timeout(7, connect=3)}
    return ChatClient(**told, http_client=DefaultAioHttpClient()), AsyncOpenAI(**told)


@pytest.mark.parametrize("path", [CHAT_URL, "/models"])
async def test_a_later_request_is_word_for_word_what_the_openai_client_builds(both, path):
    ours, theirs = both
    ours._build_request(options(path, model="first", messages=["something longer"]))
    ours._client.cookies.set("cf", "1", domain="user.example")
    theirs._client.cookies.set("cf", "1", domain="user.example")
    body = {"model": "m", "messages": [{"role": "user", "content": "é \u2028 \x00"}], "temperature": 0.3}
    built, wanted = (one._build_request(options(path, **body)) for one in (ours, theirs))
    assert (built.method, str(built.url), built.content) == (wanted.method, str(wanted.url), wanted.content)
    assert built.extensions == wanted.extensions
    assert dict(built.headers) == dict(wanted.headers)
    assert built.headers["cookie"] == "cf=1" and built.headers["openai-organization"] == "org"
    assert orjson.loads(built.content) == body
