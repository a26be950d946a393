"""The offline endpoint, asked by the real openai client and with malformed bodies."""

from __future__ import annotations

import json

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

import prompts
from environments.os.rehearsal import OsRehearsal
from rehearsals.server import OfflineServer
from schemas.run_config import FaultsConfig


@pytest.fixture
def server():
    server = OfflineServer(())
    server.url = server.start()
    yield server
    server.stop()


@pytest.fixture
async def client(server):
    async with AsyncOpenAI(api_key="any", base_url=server.url, max_retries=0) as client:
        yield client


@pytest.fixture
async def trained():
    """A client of an endpoint that knows a world."""
    server = OfflineServer([OsRehearsal()], FaultsConfig(solver=0))
    async with AsyncOpenAI(api_key="any", base_url=server.start(), max_retries=0) as client:
        yield client
    server.stop()


HELLO = [{"role": "user", "content": "Hello there"}]


async def test_the_openai_client_gets_a_typed_completion(client, server):
    completion = await client.chat.completions.create(model="offline-a", messages=HELLO)
    assert completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 3, "11 bytes / 4, rounded up"
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert server.answered == 1


async def test_it_lists_its_models(client):
    assert [model.id async for model in client.models.list()] == ["offline-a", "offline-b"]


async def test_a_reply_longer_than_the_maximum_is_cut_and_says_so(client):
    completion = await client.chat.completions.create(model="offline-a", messages=HELLO, max_tokens=4)
    assert completion.choices[0].finish_reason == "length"
    assert len(completion.choices[0].message.content or "") == 16
    assert completion.usage is not None and completion.usage.completion_tokens == 4


async def test_a_reply_ends_at_a_stop_word(client):
    completion = await client.chat.completions.create(model="offline-a", messages=HELLO, stop=["stand-in"])
    assert (completion.choices[0].message.content or "").endswith("the built-in ")


async def test_a_solver_that_is_offered_tools_calls_them_until_it_ends(trained):
    load = prompts.load("solve_os_tools")
    tools = [
        {"type": "function", "function": {"name": t["name"], "parameters": t["parameters"]}}
        for t in load.front["tools"]
    ]
    system, task = load.sections(problem="Which file in ~/atlas/budget/oak-riga-7 has mode 640?")
    messages = [{"role": "system", "content": system}, {"role": "user", "content": task}]
    called = []
    while "answer" not in called:
        completion = await trained.chat.completions.create(model="offline-a", messages=messages, tools=tools)
        (choice,) = completion.choices
        (call,) = choice.message.tool_calls
        assert (choice.finish_reason, call.id) == ("tool_calls", f"call_{len(called)}") and choice.message.content
        called.append(call.function.name)
        messages.append(choice.message.model_dump(exclude_none=True))
        messages.append({"role": "tool", "content": "640 fern.txt", "tool_call_id": call.id})
    assert called == ["bash", "bash", "answer"]
    assert json.loads(call.function.arguments) == {"answer": "640 fern.txt"}


async def test_an_unknown_model_is_refused_as_openai_does(client):
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="gpt-9", messages=HELLO)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "could not parse the JSON body"),
        (b"[]", "model parameter"),
        (b'{"model": "offline-a"}', "messages"),
        (b'{"model": "offline-a", "messages": []}', "messages"),
        (b'{"model": "offline-a", "messages": [{"role": "king", "content": "x"}]}', "Supported values"),
        (b'{"model": "offline-a", "messages": [{"role": "user"}]}', "messages[0].content"),
        (b'{"model": "offline-a", "messages": [{"role": "assistant", "tool_calls": []}]}', "messages[0].tool_calls"),
        (b'{"model": "offline-a", "messages": [{"role": "tool", "content": "x"}]}', "messages[0].tool_call_id"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "tools": [{}]}', "tools"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "temperature": 3}', "temperature"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', "max_tokens"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "seed": "a"}', "seed"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "stop": 3}', "stop"),
        (b'{"model": "offline-a", "messages": [{"role": "user", "content": "x"}], "stream": true}', "does not stream"),
    ],
)
async def test_malformed_bodies_are_refused_as_openai_does(server, body, said):
    async with aiohttp.ClientSession() as session, session.post(f"{server.url}/chat/completions", data=body) as reply:
        assert reply.status == 400
        assert said in (await reply.json())["error"]["message"]


async def test_another_address_is_not_found(server):
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/engines") as reply:
        assert reply.status == 404


async def test_it_listens_on_loopback_only_and_not_after_it_was_stopped():
    server = OfflineServer(())
    url = server.start()
    assert url.startswith("http://127.0.0.1:")
    server.stop()
    server.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{url}/models")
