"""The chat-completions protocol, inward: what is read of an answer, and how it ended."""

from __future__ import annotations

import json
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ValidationError

from schemas.completion import FinishReason
from teachers.endpoint.failures import EndpointError, head_of, no_json
from teachers.endpoint.mending import mend

_CUT = ("length", "max_tokens", "model_length", "repetition")
"""model_length: Mistral and TGI, the context was full; repetition: vLLM stopped a loop (vllm/v1/engine/__init__.py)."""
_BROKEN_OFF = {
    "abort": "broke the reply off",  # vLLM, when its engine drops a request
    "error": "failed while writing",  # vLLM and OpenRouter
    "insufficient_system_resource": "had no room to finish",  # DeepSeek
    "load": "only loaded the model",  # Ollama
    "unload": "only unloaded the model",
}
"""Ends that are the endpoint's, not the model's: such a reply is no answer and is asked for again."""


Text = Annotated[str, AfterValidator(mend)]


class Details(BaseModel):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class ReplyUsage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class Called(BaseModel):
    name: Text = ""
    arguments: Text | dict[str, Any] | None = None


class ReplyCall(BaseModel):
    id: Text | None = None
    function: Called


class Part(BaseModel):
    text: Text | None = None


class ReplyMessage(BaseModel):
    content: Text | list[Part] | None = None
    refusal: Text | None = None
    reasoning: Text | None = None
    reasoning_content: Text | None = None
    tool_calls: list[ReplyCall] | None = None

    @property
    def text(self) -> str:
        """The content, whether it came whole or in parts."""
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class Choice(BaseModel):
    message: ReplyMessage
    finish_reason: str | None = None


class Reply(BaseModel):
    """What is read of an answer; endpoints add fields of their own."""

    choices: list[Choice]
    usage: ReplyUsage | None = None
    system_fingerprint: str | None = None


def read_reply(payload: object, url: str) -> Reply:
    """Read an answer with status 200.

    Raises:
        EndpointError: it is no chat completion, an error in disguise, or was broken off by the endpoint.
    """
    if isinstance(payload, str):
        payload = _parse(payload, url)
    if isinstance(payload, dict) and (payload.get("error") or payload.get("object") == "error"):
        raise _told_in_200(payload, url)
    reply = _validated(payload, url)
    if not reply.choices:
        raise EndpointError(f"{url} answered without a choice", transient=True)
    for choice in reply.choices:
        if choice.finish_reason in _BROKEN_OFF:
            did = _BROKEN_OFF[choice.finish_reason]
            raise EndpointError(
                f"{url} {did} (finish_reason {choice.finish_reason!r}). It is asked again", transient=True
            )
    return reply


def finish_reason(choice: Choice, text: str, *, calls: bool = False) -> FinishReason:
    """Say how a reply with this text, its reasoning apart, ended; refused, cut or empty is never an answer."""
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return "content_filter"
    if choice.finish_reason in _CUT:
        return "length"
    if calls:
        return "tool_calls"
    return "stop" if text.strip() else "empty"


def _told_in_200(payload: dict[str, Any], url: str) -> EndpointError:
    told = payload.get("error") or payload
    code = told.get("code") if isinstance(told, dict) else None
    lasting = isinstance(code, int) and 400 <= code < 500 and code not in (408, 409, 429)
    said = told.get("message", told) if isinstance(told, dict) else told
    return EndpointError(f"{url} answered 200 with an error: {head_of(str(said))}", transient=not lasting)


def _validated(payload: object, url: str) -> Reply:
    try:
        return Reply.model_validate(payload)
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise EndpointError(
            f"{url} answered with something that is no chat completion ({fields}). Check OPENAI_BASE_URL",
            transient=False,
        ) from error


def as_text(arguments: str | dict[str, Any] | None) -> str:
    """Return a call's arguments as JSON text; some servers send them parsed."""
    if isinstance(arguments, str):
        return arguments
    return mend(json.dumps(arguments or {}, ensure_ascii=False))


def _parse(text: str, url: str) -> object:
    """Read JSON from a server that sent it under another content type."""
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise no_json(url, text) from error
    return parsed
