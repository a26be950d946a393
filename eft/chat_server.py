"""The emulator behind the OpenAI protocol: `/v1/models` and `/v1/chat/completions`, one reply at a time."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web
from jinja2 import TemplateError

from eft.emulator import EmulatedReply, EmulatedSampling, Emulator
from eft.errors import RequestError

_UNKNOWN = ("tools", "response_format", "stream", "functions")
"""What chat completions may ask and this server does not do."""
_LARGEST_BODY_BYTES = 64 << 20


class ChatServer:
    """Answers requests in the order in which they came: the three models fill the machine with one."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self._emulator, self._name = emulator, name
        self._one_at_a_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eft")

    def application(self) -> web.Application:
        """Return the application; run it with `handler_cancellation`, so that nobody writes for one who has left."""
        application = web.Application(client_max_size=_LARGEST_BODY_BYTES, middlewares=[_refuse_in_json])
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/chat/completions", self._complete)
        return application

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self._name, "object": "model", "owned_by": "eft"}]})

    async def _complete(self, request: web.Request) -> web.Response:
        body = read_body(await request.read(), self._name)
        sampling, prompt = read_sampling(body), self._prompt(body["messages"])
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            reply = await loop.run_in_executor(self._one_at_a_time, self._emulator.write, prompt, sampling, given_up)
        finally:
            given_up.set()
        return web.json_response(self._word(reply, len(prompt), bool(body.get("logprobs"))))

    def _prompt(self, messages: list[dict[str, Any]]) -> list[int]:
        """Render a conversation with the tuned model's template; all three models read these tokens."""
        tokenizer = self._emulator.tokenizer
        try:
            text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            raise RequestError(f"the chat template refuses these messages: {error}", param="messages") from error
        tokens: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return tokens

    def _word(self, reply: EmulatedReply, prompt_tokens: int, with_logprobs: bool) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text},
            "finish_reason": reply.finish_reason,
            "logprobs": {"content": self._logprobs(reply)} if with_logprobs else None,
        }
        written = len(reply.drawn)
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self._name,
            "choices": [choice],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": written,
                "total_tokens": prompt_tokens + written,
            },
        }

    def _logprobs(self, reply: EmulatedReply) -> list[dict[str, Any]]:
        return [
            self._entry(one.token, one.logprob) | {"top_logprobs": [self._entry(*other) for other in one.likeliest]}
            for one in reply.drawn
        ]

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._emulator.tokenizer.decode([token])
        return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode())}


def read_body(raw: bytes, name: str) -> dict[str, Any]:
    """Parse a request's body.

    Raises:
        RequestError: it is no chat completion request, or asks what this server does not do.
    """
    try:
        body = json.loads(raw)
    except ValueError:
        raise RequestError("We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise RequestError("the body is no JSON object")
    if body.get("model") != name:
        message = f"The model `{body.get('model')}` does not exist; this server has `{name}`."
        raise RequestError(message, status=404, param="model", code="model_not_found")
    for field in _UNKNOWN:
        if body.get(field):
            raise RequestError(f"'{field}' is not supported by emulated fine-tuning; leave it out.", param=field)
    if body.get("n", 1) not in (1, None):
        raise RequestError("'n' is not supported by emulated fine-tuning; ask again with another seed.", param="n")
    body["messages"] = [_read_message(message) for message in _list_of(body, "messages")]
    return body


def read_sampling(body: Mapping[str, Any]) -> EmulatedSampling:
    """Read how a reply is to be drawn.

    Raises:
        RequestError: a value outside its range.
    """
    stop = body.get("stop") or ()
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return EmulatedSampling(
        max_tokens=int(_number({"max_tokens": limit}, "max_tokens", 1024, 1, 1 << 20)),
        temperature=_number(body, "temperature", 1.0, 0, 2),
        top_p=_number(body, "top_p", 1.0, 0, 1),
        seed=None if body.get("seed") is None else int(_number(body, "seed", 0, -(2**63), 2**63)),
        stop=tuple([stop] if isinstance(stop, str) else stop),
        top_logprobs=int(_number(body, "top_logprobs", 0, 0, 20)),
    )


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high or math.isnan(value):
        raise RequestError(f"'{name}' is {value!r}; it takes a number from {low:g} to {high:g}.", param=name)
    return value


def _list_of(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise RequestError(f"'{name}' must be a list that is not empty.", param=name)
    return value


def _read_message(message: object) -> dict[str, str]:
    if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant"):
        raise RequestError("a message has a role (system, user or assistant) and a content.", param="messages")
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return {"role": message["role"], "content": str(content)}


@web.middleware
async def _refuse_in_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Word refusals as OpenAI does."""
    try:
        response: web.StreamResponse = await handler(request)
    except RequestError as refusal:
        return web.json_response({"error": refusal.error}, status=refusal.status)
    return response
