"""The server as a client sees it: through our own, through plain HTTP, and as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from schemas.completion import CompletionRequest, Sampling
from schemas.errors import ConfigError
from schemas.message import Message
from schemas.run_config import TeacherConfig
from teachers.endpoint.chat import OpenAIChat

NEEDS = "make test-eft needs torch and transformers: pip install 'torch>=2.8,<3' 'transformers>=4.56,<6'"
pytest.importorskip("torch", reason=NEEDS)
pytest.importorskip("transformers", reason=NEEDS)

from eft.chat_server import ChatServer  # noqa: E402
from eft.emulator import EmulatedReply, Emulator  # noqa: E402
from eft.load import load  # noqa: E402

pytestmark = pytest.mark.eft
HELLO = [{"role": "user", "content": "how many?"}]


@asynccontextmanager
async def serving(emulator: Emulator) -> AsyncIterator[str]:
    runner = web.AppRunner(ChatServer(emulator, "eft").application(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


@pytest.fixture
async def url(folders: tuple[Path, Path, Path]) -> AsyncIterator[str]:
    async with serving(load(folders)) as address:
        yield address


async def post(url: str, **body: Any) -> tuple[int, dict[str, Any]]:
    asked = {"model": "eft", "messages": HELLO, "max_tokens": 12} | body
    async with aiohttp.ClientSession() as session, session.post(f"{url}/chat/completions", json=asked) as answer:
        return answer.status, await answer.json()


def ask(**changes: Any) -> CompletionRequest:
    fields: dict[str, Any] = {
        "purpose": "collect_episodes",
        "teacher": "t",
        "model": "eft",
        "messages": (Message(role="user", content="how many?"),),
        "sampling": Sampling(max_tokens=12, temperature=1.0, seed=3),
    }
    return CompletionRequest(**fields | changes)


def client(url: str) -> OpenAIChat:
    return OpenAIChat(TeacherConfig(kind="openai", max_retries=0, prices={"eft": "free"}), None, url)  # type: ignore[dict-item]


async def test_our_openai_teacher_is_answered(url: str) -> None:
    teacher = client(url)
    await teacher.check(("eft",))
    first, again = [await teacher.complete(ask()) for _ in range(2)]
    other = await teacher.complete(ask(sampling=Sampling(max_tokens=12, temperature=1.0, seed=4)))
    await teacher.close()
    assert first.reply == again.reply != other.reply
    assert first.prompt_tokens == len("how many?") + 2 and 0 < first.completion_tokens <= 12
    assert first.finish_reason in ("stop", "length")


async def test_a_model_it_does_not_have_is_named_before_a_build(url: str) -> None:
    teacher = client(url)
    with pytest.raises(ConfigError, match="knows no model 'gpt-9'"):
        await teacher.check(("gpt-9",))
    await teacher.close()


async def test_log_probabilities_come_where_they_are_asked_for(url: str) -> None:
    status, answer = await post(url, logprobs=True, top_logprobs=3, temperature=0)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert status == 200 and len(entries) == answer["usage"]["completion_tokens"]
    for entry in entries:
        assert entry["logprob"] == entry["top_logprobs"][0]["logprob"] <= 0
        assert [other["logprob"] for other in entry["top_logprobs"]] == sorted(
            (other["logprob"] for other in entry["top_logprobs"]), reverse=True
        )


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"temperature": 3}, 400, "'temperature' is 3; it takes a number from 0 to 2"),
        ({"max_tokens": "many"}, 400, "'max_tokens' is 'many'"),
        ({"messages": []}, 400, "'messages' must be a list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "a message has a role"),
        ({"messages": [*HELLO, {"role": "system", "content": "x"}]}, 400, "refuses these messages: system comes first"),
        ({"messages": [{"role": "user", "content": "a" * 300}]}, 400, "maximum context length is 256"),
        ({"n": 2}, 400, "'n' is not supported"),
        ({"response_format": {"type": "json_object"}}, 400, "'response_format' is not supported"),
        ({"stream": True}, 400, "'stream' is not supported"),
        ({"model": "gpt-9"}, 404, "The model `gpt-9` does not exist; this server has `eft`"),
    ],
)
async def test_what_it_does_not_do_it_refuses_in_words(url: str, body: dict[str, Any], status: int, said: str) -> None:
    got, answer = await post(url, **body)
    assert got == status and said in answer["error"]["message"]


async def test_requests_at_once_are_answered_one_by_one_each_as_if_alone(url: str) -> None:
    alone = [await post(url, seed=seed) for seed in range(6)]
    together = await asyncio.gather(*(post(url, seed=seed) for seed in range(6)))
    assert [a["choices"] for _, a in alone] == [a["choices"] for _, a in together]


async def test_nobody_is_written_for_who_no_longer_waits(folders: tuple[Path, Path, Path]) -> None:
    written: list[EmulatedReply] = []

    class Watched(Emulator):
        def write(self, *asked: Any) -> EmulatedReply:
            written.append(super().write(*asked))
            return written[-1]

    loaded = load(folders)
    async with serving(Watched(loaded.models, loaded.tokenizer, [])) as url:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await post(url, max_tokens=240)
        status, answer = await post(url, max_tokens=2)
    assert (status, answer["usage"]["completion_tokens"]) == (200, 2)
    assert [len(reply.drawn) < 240 for reply in written] == [True, True]


def command(folders: tuple[Path, Path, Path], *more: str) -> list[str]:
    roles = ("--large-base", "--small-tuned", "--small-base")
    return [sys.executable, "-m", "eft", *(str(x) for pair in zip(roles, folders, strict=True) for x in pair), *more]


async def test_the_command_serves_on_loopback_and_says_where(folders: tuple[Path, Path, Path]) -> None:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command(folders, "--port", "0"), stdout=subprocess.PIPE, text=True, env=environment
    ) as served:
        try:
            assert served.stdout is not None
            found = re.search(r"model eft at (http://127\.0\.0\.1:\d+/v1)", served.stdout.readline())
            assert found is not None
            status, answer = await post(found[1], seed=1)
        finally:
            served.terminate()
    assert status == 200 and answer["choices"][0]["message"]["role"] == "assistant"


def test_the_command_says_what_is_wrong_and_ends_with_2(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    done = subprocess.run(command((tmp_path, *folders[1:])), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and re.match(r"eft: --large-base .* holds no model", done.stderr)
