"""The chat-completions protocol: what is sent, and what is read of the answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from schemas.completion import CompletionRequest, FinishReason
from teachers.failures import EndpointError, no_json

_OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com")
_FIXED_SAMPLING = ("o1", "o3", "o4", "gpt-5")
"""Model families that refuse a temperature, top_p or stop of the caller's (OpenAI guide, Reasoning models)."""


class Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None


class Reply(BaseModel):
    """What is read of an answer; endpoints add fields of their own."""

    choices: list[Choice]
    usage: Usage | None = None


def is_openai(url: str) -> bool:
    """Whether an address is OpenAI's own, or Azure's."""
    return (urlsplit(url).hostname or "").endswith(_OPENAI_HOSTS)


def request_body(request: CompletionRequest, url: str) -> dict[str, Any]:
    """Word a request for an endpoint.

    OpenAI's own hosts take `max_completion_tokens` for every chat model (`max_tokens` is deprecated there, and
    refused by reasoning models); all other servers know `max_tokens`.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        _limit_name(url): sampling.max_tokens,
    }
    if not (is_openai(url) and request.model.startswith(_FIXED_SAMPLING)):
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.stop:
            body["stop"] = list(sampling.stop)
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    return body


def probe_body(model: str, url: str) -> dict[str, Any]:
    """Word the cheapest request that proves that a model is served."""
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], _limit_name(url): 16}


def read_reply(payload: object, url: str) -> Reply:
    """Read an answer with status 200.

    Raises:
        EndpointError: it is no chat completion.
    """
    if isinstance(payload, str):
        payload = _parse(payload, url)
    if isinstance(payload, dict) and payload.get("error"):
        raise EndpointError(f"{url} answered 200 with an error: {str(payload['error'])[:200]}", transient=True)
    try:
        reply = Reply.model_validate(payload)
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise EndpointError(
            f"{url} answered with something that is no chat completion ({fields}). Check OPENAI_BASE_URL",
            transient=False,
        ) from error
    if not reply.choices:
        raise EndpointError(f"{url} answered without a choice", transient=True)
    return reply


def finish_reason(choice: Choice) -> FinishReason:
    """Say how a reply ended; what was refused, cut or empty is never taken for an answer."""
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return "content_filter"
    if choice.finish_reason in ("length", "max_tokens"):
        return "length"
    return "stop" if (choice.message.content or "").strip() else "empty"


def _limit_name(url: str) -> str:
    return "max_completion_tokens" if is_openai(url) else "max_tokens"


def _parse(text: str, url: str) -> object:
    """Read JSON from a server that sent it under another content type."""
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise no_json(url, text) from error
    return parsed
