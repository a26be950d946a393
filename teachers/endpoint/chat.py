"""OpenAIChat: any OpenAI-compatible endpoint, asked through the openai client on its aiohttp transport.

The transport and the untyped `post` are chosen for their CPU: half of what `chat.completions.create` takes, and that
on aiohttp is already well below the client's default transport.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_none, wait_random_exponential
from tenacity.wait import wait_base

from schemas.bounded_reading import MAX_PARTS, NotJson, parse_json
from schemas.completion import Completion, CompletionRequest
from schemas.errors import ConfigError, TeacherError
from schemas.message import approximate_tokens
from schemas.redaction import guard_logs, learn_secret, secrets_in_url
from schemas.run_config import TeacherConfig
from teachers.budget.budgeted import mark_sent, renew_hold
from teachers.endpoint.abilities import Abilities
from teachers.endpoint.client import CHAT_URL, ChatClient
from teachers.endpoint.context_guard import ContextGuard
from teachers.endpoint.failures import EndpointError, explain, no_json, timed_out
from teachers.endpoint.key import OPENAI_URL, require_key
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import Reply, read_reply
from teachers.endpoint.requests import probe_body, request_body
from teachers.endpoint.samples import draw_samples
from teachers.endpoint.transport import BoundedClient, ReplyRefused
from teachers.ledger.durability import once_durable
from teachers.limits.headers import read_limits
from teachers.limits.lanes import Lane, lane_of, limits_for

_AT_ONCE = wait_none()
_WHILE_OTHERS_ARE_ANSWERED = wait_random_exponential(multiplier=0.1, max=1)
_WHILE_NOBODY_IS = wait_random_exponential(multiplier=0.1, exp_base=4, max=60)
"""Five retries are half a minute on average: enough for a server to start again."""
_CONNECT_SECONDS = 10.0
"""Even a far endpoint takes a connection sooner, or is down."""
_MOST_REFUSALS = 50
"""Refusals of one request that are put down to the lane; an endpoint that goes on refuses this request."""


_MOST_TIMES_EXPECTED = 4
"""A byte is a token at most, and four of them are expected to be one."""


class Errand:
    """One request on its way."""

    __slots__ = ("body", "failures", "is_all", "is_alone", "lane", "refusals", "tokens")

    def __init__(self, body: dict[str, Any], lane: Lane, tokens: int, is_all: bool) -> None:
        self.body = body
        self.lane = lane
        self.tokens = tokens
        """Set aside in its lane."""
        self.is_all = is_all
        """Whether its reply is all that the answer takes, so that it counts as in flight until that is durable."""
        self.failures = 0
        self.refusals = 0
        """Those that were not its own doing."""
        self.is_alone = True
        """Whether nothing else was answered while it was out the last time."""

    @property
    def attempts(self) -> int:
        """How often it was sent and failed."""
        return self.failures + self.refusals


class OpenAIChat:
    """One endpoint. Belongs to the event loop that first asks; its lanes are the process's."""

    def __init__(self, config: TeacherConfig, api_key: str | None = None, base_url: str | None = None) -> None:
        """Prepare the client; nothing is sent.

        Raises:
            ConfigError: OpenAI's own endpoint without a key.
        """
        self.url = base_url or OPENAI_URL
        require_key(self.url, api_key)
        for secret in (api_key, *secrets_in_url(self.url)):
            learn_secret(secret)
        guard_logs()
        self.sent = 0
        """HTTP requests sent, repetitions included."""
        self._config = config
        self._abilities = Abilities()
        self._context = ContextGuard()
        self.client = ChatClient(
            api_key=api_key or "none",
            base_url=self.url,
            max_retries=0,
            timeout=(timeout := _time_outs(config.timeout_seconds)),
            http_client=BoundedClient(
                config.max_reply_bytes,
                config.batch_max_reply_bytes,
                timeout=timeout,
                limits=httpx2.Limits(max_connections=0),  # none here: a wait for a connection would not be a lane's
                # no proxy of the environment stands before this machine's own ports
                trust_env=not _is_loopback(self.url),
            ),
        )
        self._key = api_key
        self._lanes: dict[str, Lane] = {}
        self._ask = AsyncRetrying(
            retry=retry_if_exception(_passes),
            wait=_wait_seconds,
            stop=self._is_spent,
            before_sleep=renew_hold,
            reraise=True,
        ).wraps(self._ask_once)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a request, trying again where that may help.

        Raises:
            TeacherError: refused, or failed after all retries.
        """
        started = time.monotonic()
        # several samples may take several calls: a slot held for one until all are here could be what another waits for
        ask = partial(self._ask_able, is_all=request.samples == 1)
        replies = await draw_samples(ask, request)
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
                await self._ask_once(Errand(probe_body(model, self.url), self.lane(model), 0, is_all=True))
        except TeacherError as error:
            raise ConfigError(str(error)) from error

    async def close(self) -> None:
        """Close connections; idempotent."""
        await self.client.close()

    async def _ask_able(self, request: CompletionRequest, is_all: bool) -> Reply:
        """Ask in the words that the endpoint takes; what it refuses is learned and worded otherwise, once a model."""
        lane = self.lane(request.model)
        while True:
            body = request_body(request, self.url, self._abilities.lacks(request.model))
            try:
                reply = await self._ask(Errand(body, lane, _size(request) if lane.counts_tokens else 0, is_all))
            except EndpointError as error:
                if not self._abilities.learn(body, error):
                    raise
            else:
                self._abilities.notice(request, reply)
                self._context.require_whole(request, reply, self.url)
                return reply

    def lane(self, model: str) -> Lane:
        """Return the lane that requests to a model take."""
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = lane_of(self.url, self._key, model, limits_for(self._config, model))
        return lane

    async def _ask_once(self, errand: Errand) -> Reply:
        """Send once; a slot is held until the answer is durable, but not while the request waits to be sent again."""
        lane, reply = errand.lane, None
        ticket = await lane.enter(errand.tokens, again=errand.attempts > 0)
        self.sent += 1
        mark_sent(errand.body.get("n", 1))
        try:
            response = await self._call(CHAT_URL, str(errand.body["model"]), errand.body)
            lane.accept(ticket, read_limits(response.headers.raw))
            reply = read_reply(_payload(response, self.url), self.url)
            return reply
        except EndpointError as error:
            if error.is_refusal and lane.refuse(ticket, error.retry_after_seconds, error.told):
                errand.refusals += 1
            else:
                errand.failures += 1
            errand.is_alone = lane.is_alone(ticket)
            raise
        finally:
            leave = partial(lane.leave, ticket, used=_used(reply, errand.tokens))
            if reply is not None and errand.is_all:
                once_durable(leave)
            else:
                leave()

    def _is_spent(self, state: RetryCallState) -> bool:
        errand: Errand = state.args[0]
        return errand.failures > self._config.max_retries or errand.refusals >= _MOST_REFUSALS

    async def _list_models(self) -> set[str]:
        """Return the models that the endpoint lists; gateways without a list name none."""
        try:
            payload = _payload(await self._call("/models", "the list of models"), self.url)
        except EndpointError as error:
            if isinstance(error.__cause__, openai.NotFoundError):
                return set()
            raise
        entries = payload.get("data") if isinstance(payload, dict) else None
        return {str(entry.get("id")) for entry in entries or () if isinstance(entry, dict)}

    async def _call(self, path: str, what: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        """Make one HTTP call and name whatever goes wrong with it; whatever stalls is dropped at the time-out."""
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                if body is None:
                    return await self.client.get(path, cast_to=httpx2.Response)
                return await self.client.post(path, cast_to=httpx2.Response, body=body)
        except TimeoutError as error:
            raise timed_out(self.url, what) from error
        except (openai.OpenAIError, aiohttp.ClientError, ReplyRefused) as error:
            raise explain(error, self.url, what) from error


def _passes(error: BaseException) -> bool:
    return isinstance(error, EndpointError) and error.transient


def _wait_seconds(state: RetryCallState) -> float:
    """Wait as long as the endpoint asked; where it did not, a moment at random, so that not all come back at once."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, EndpointError):
        return 0.0
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    return float(_backoff(state.args[0], error)(state))


def _backoff(errand: Errand, error: EndpointError) -> wait_base:
    """A first failure that is no refusal, while others are answered, is chance: nobody else comes back with it."""
    if errand.is_alone:
        return _WHILE_NOBODY_IS
    return _AT_ONCE if errand.attempts == 1 and not error.is_refusal else _WHILE_OTHERS_ARE_ANSWERED


def _size(request: CompletionRequest) -> int:
    """Estimate a request's tokens as endpoints count them: its words, and all that it may answer."""
    prompt = sum(approximate_tokens(message.content) for message in request.messages)
    return prompt + request.sampling.max_tokens * request.samples


def _used(reply: Reply | None, expected: int) -> int | None:
    """Return what a reply says that it took; much more than was expected is no reason to let the lane wait for it."""
    prompt, completion = (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply else (None, None)
    return min(prompt + completion, _MOST_TIMES_EXPECTED * expected) if prompt and completion else None


def _payload(response: httpx2.Response, url: str) -> object:
    """Return the JSON of an answer, whatever content type it came under.

    Raises:
        EndpointError: it is none.
    """
    if len(response.content) > MAX_PARTS:
        return _bounded(response.content, url)
    with contextlib.suppress(orjson.JSONDecodeError):
        payload: object = orjson.loads(response.content)
        return payload
    try:
        return json.loads(response.content)  # more lenient: half a surrogate pair, NaN
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or JSON without end
        raise no_json(url, response.content.decode("utf-8", "replace")) from error


def _bounded(body: bytes, url: str) -> object:
    """Return the JSON of a large body: a few bytes of it can stand for many in memory.

    Raises:
        EndpointError: it is none, or has too many parts.
    """
    try:
        return parse_json(body)
    except NotJson as error:
        if error.reason == "out_of_bounds":
            said = f"{url} answered with JSON that has {error}. Check OPENAI_BASE_URL"
            raise EndpointError(said, transient=False) from error
        raise no_json(url, body.decode("utf-8", "replace")) from error


def _time_outs(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
