"""OpenAIChat: any OpenAI-compatible endpoint, asked through the openai client on its aiohttp transport.

The transport and the untyped `post` are chosen for their CPU: half of what `chat.completions.create` takes, and that
on aiohttp is already well below the client's default transport.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from schemas.completion import Completion, CompletionRequest
from schemas.errors import ConfigError, TeacherError
from schemas.run_config import TeacherConfig
from teachers.abilities import Abilities
from teachers.budget import mark_sent, renew_hold
from teachers.chat_protocol import is_openai, probe_body, request_body
from teachers.chat_reply import Reply, read_reply
from teachers.context_guard import ContextGuard
from teachers.failures import EndpointError, explain, no_json, timed_out
from teachers.pace import Pace
from teachers.receipts import make_receipt
from teachers.samples import draw_samples

OPENAI_URL = "https://api.openai.com/v1"
_BACKOFF = wait_random_exponential(multiplier=0.5, max=60)


class OpenAIChat:
    """One endpoint. Belongs to the event loop that first asks."""

    def __init__(self, config: TeacherConfig, api_key: str | None = None, base_url: str | None = None) -> None:
        """Prepare the client; nothing is sent.

        Raises:
            ConfigError: OpenAI's own endpoint without a key.
        """
        self.url = base_url or OPENAI_URL
        if is_openai(self.url) and not api_key:
            raise ConfigError(f"{self.url} needs a key; set OPENAI_API_KEY, or teacher.kind = 'offline' to try without")
        self.sent = 0
        """HTTP requests sent, repetitions included."""
        self._config = config
        self._abilities = Abilities()
        self._context = ContextGuard()
        self.client = AsyncOpenAI(
            api_key=api_key or "none",
            base_url=self.url,
            max_retries=0,
            timeout=config.timeout_seconds,
            # no proxy of the environment stands before this machine's own ports
            http_client=DefaultAioHttpClient(timeout=config.timeout_seconds, trust_env=not _is_loopback(self.url)),
        )
        self._in_flight = asyncio.Semaphore(config.concurrency)
        self._pace = Pace(config.requests_per_minute)
        self._ask = AsyncRetrying(
            retry=retry_if_exception(_passes),
            wait=_wait_seconds,
            stop=stop_after_attempt(config.max_retries + 1),
            before_sleep=renew_hold,
            reraise=True,
        ).wraps(self._ask_once)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a request, trying again where that may help.

        Raises:
            TeacherError: refused, or failed after all retries.
        """
        started = time.monotonic()
        replies = await draw_samples(self._ask_able, request)
        return make_receipt(request, replies, time.monotonic() - started, self._config.prices)

    async def check(self, models: tuple[str, ...]) -> None:
        """Make sure that the endpoint answers and serves the models, before anything is spent.

        The list of models is free; a model that it does not name is asked for a few tokens.

        Raises:
            ConfigError: unreachable, wrong key, unknown model.
        """
        try:
            listed = await self._list_models()
            for model in sorted(set(models) - listed):
                await self._ask_once(probe_body(model, self.url))
        except TeacherError as error:
            raise ConfigError(str(error)) from error

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self.client.close()

    async def _ask_able(self, request: CompletionRequest) -> Reply:
        """Ask in the words that the endpoint takes; what it refuses is learned and worded otherwise, once a model."""
        while True:
            body = request_body(request, self.url, self._abilities.lacks(request.model))
            try:
                reply = await self._ask(body)
            except EndpointError as error:
                if not self._abilities.learn(body, error):
                    raise
            else:
                self._abilities.notice(request, reply)
                self._context.require_whole(request, reply, self.url)
                return reply

    async def _ask_once(self, body: dict[str, Any]) -> Reply:
        """Send once; a slot is held only while the request is out, not while it waits to be sent again."""
        async with self._in_flight:
            await self._pace.wait()
            self.sent += 1
            mark_sent(body.get("n", 1))
            return read_reply(await self._call("post", "/chat/completions", str(body["model"]), body), self.url)

    async def _list_models(self) -> set[str]:
        """Return the models that the endpoint lists; gateways without a list name none."""
        try:
            payload = await self._call("get", "/models", "the list of models")
        except EndpointError as error:
            if isinstance(error.__cause__, openai.NotFoundError):
                return set()
            raise
        entries = payload.get("data") if isinstance(payload, dict) else None
        return {str(entry.get("id")) for entry in entries or () if isinstance(entry, dict)}

    async def _call(self, verb: str, path: str, what: str, body: dict[str, Any] | None = None) -> object:
        """Make one HTTP call and name whatever goes wrong with it."""
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                if verb == "get":
                    return await self.client.get(path, cast_to=object)
                return await self.client.post(path, cast_to=object, body=body)
        except TimeoutError as error:
            raise timed_out(self.url, what) from error
        except (openai.OpenAIError, aiohttp.ClientError) as error:
            raise explain(error, self.url, what) from error
        except (
            ValueError,
            RecursionError,
        ) as error:  # bytes that are no UTF-8, text that is no JSON, or JSON without end
            raise no_json(self.url, error.doc if isinstance(error, json.JSONDecodeError) else str(error)) from error


def _passes(error: BaseException) -> bool:
    return isinstance(error, EndpointError) and error.transient


def _wait_seconds(state: RetryCallState) -> float:
    """Wait as long as the endpoint asked, plus a little so that not all come back at once; else ever longer."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_seconds if isinstance(error, EndpointError) else None
    backoff = float(_BACKOFF(state))
    return backoff if asked is None else asked + min(backoff, 1.0)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
