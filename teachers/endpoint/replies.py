"""The chat-completions protocol, inward: what is read of an answer, and how it ended."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ValidationError, model_validator

from schemas.completion import FinishReason
from schemas.invalid_values import explain
from teachers.endpoint.failures import EndpointError, head_of, no_json
from teachers.endpoint.mending import mend

_CUT = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "repetition", "incomplete"}
)
"""model_length: Mistral and TGI, the context was full; repetition: vLLM stopped a loop (vllm/v1/engine/__init__.py)."""
_FILTERED = frozenset({"content_filter", "content_filtered", "safety", "recitation", "prohibited_content", "refusal"})
_BROKEN_OFF = {
    "abort": "broke the reply off",  # vLLM, when its engine drops a request
    "error": "failed while writing",  # vLLM and OpenRouter
    "insufficient_system_resource": "had no room to finish",  # DeepSeek
    "load": "only loaded the model",  # Ollama
    "unload": "only unloaded the model",
}
"""Ends that are the endpoint's, not the model's: such a reply is no answer and is asked for again."""
_MOST_TOKENS = 10_000_000
"""No model reads or writes more in one call; a usage beyond it is no usage."""


def _as_count(value: object) -> int | None:
    """Read a number of tokens; None = none was told that can be true."""
    if isinstance(value, str):
        value = float(value) if re.fullmatch(r"\s*[0-9]{1,12}(?:\.0*)?\s*", value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value <= _MOST_TOKENS and value == int(value) else None  # NaN is neither


def _as_text(value: object) -> str | None:
    """Read a text, in parts or in an object that holds one: `{"text": ...}`, `[{"type": "text", "text": ...}, ...]`."""
    if isinstance(value, str):
        return mend(value)
    if isinstance(value, list):
        parts = [part for part in map(_as_text, value) if part is not None]
        return "".join(parts) if parts else None
    if isinstance(value, dict):
        return next((text for key in _TEXT_KEYS if (text := _as_text(value.get(key))) is not None), None)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


_TEXT_KEYS = ("text", "content", "value", "thinking", "reasoning", "summary")


def _as_name(value: object) -> str:
    return mend(value) if isinstance(value, str) else ""


def _as_record(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _as_arguments(value: object) -> str | dict[str, Any] | None:
    return mend(value) if isinstance(value, str) else value if isinstance(value, dict) else None


def _as_calls(value: object) -> list[object]:
    """Keep the calls that name a function; without one there is nothing to call."""
    calls = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    flat = [{"function": call, **call} if isinstance(call, dict) and "name" in call else call for call in calls]
    return [call for call in flat if isinstance(call, dict) and _as_name(_named(call).get("name")).strip()]


def _named(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _as_word(value: object) -> str | None:
    """Read how a reply ended: a word, in any case, or an object that has one."""
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason")
    return value.strip().lower().replace("-", "_") if isinstance(value, str) and value.strip() else None


def _as_choices(value: object) -> list[object]:
    """Keep the choices that say something: a message, or the text of an older protocol."""
    choices = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    found: list[object] = []
    for choice in choices:
        if isinstance(choice, dict):
            message = choice.get("message") or choice.get("delta") or choice.get("text")
            message = {"content": message} if isinstance(message, str) else message
            if isinstance(message, dict) or _as_word(choice.get("finish_reason")) in _BROKEN_OFF:
                found.append(choice | {"message": _as_record(message)})
    return found


Text = Annotated[str | None, BeforeValidator(_as_text)]
Name = Annotated[str, BeforeValidator(_as_name)]
Count = Annotated[int | None, BeforeValidator(_as_count)]


class Details(BaseModel):
    cached_tokens: Count = None
    reasoning_tokens: Count = None


class ReplyUsage(BaseModel):
    """What a call took, as far as it can be believed."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[Details, BeforeValidator(_as_record)] = Details()
    completion_tokens_details: Annotated[Details, BeforeValidator(_as_record)] = Details()


class Called(BaseModel):
    name: Name = ""
    arguments: Annotated[str | dict[str, Any] | None, BeforeValidator(_as_arguments)] = None


class ReplyCall(BaseModel):
    id: Name = ""
    function: Annotated[Called, BeforeValidator(_as_record)]


class ReplyMessage(BaseModel):
    content: Text = None
    refusal: Text = None
    reasoning: Text = None
    reasoning_content: Text = None
    tool_calls: Annotated[list[ReplyCall], BeforeValidator(_as_calls)] = []

    @model_validator(mode="before")
    @classmethod
    def _take_apart(cls, value: Any) -> Any:
        """Take reasoning out of a content in parts (Mistral), and a call out of the older `function_call`."""
        content = value.get("content")
        if isinstance(content, list):
            thought = [part for part in content if isinstance(part, dict) and part.get("type") in _THOUGHTS]
            spoken = [part for part in content if part not in thought]
            value = value | {"content": spoken} | ({"reasoning": thought} if thought else {})
        if not value.get("tool_calls") and isinstance(value.get("function_call"), dict):
            value = value | {"tool_calls": [{"function": value["function_call"]}]}
        return value | {"refusal": value["refusal"] if isinstance(value.get("refusal"), str) else None}

    @property
    def text(self) -> str:
        """The content, whether it came whole or in parts."""
        return self.content or ""


_THOUGHTS = ("thinking", "reasoning", "reasoning.text", "redacted_thinking")


class Choice(BaseModel):
    message: ReplyMessage
    finish_reason: Annotated[str | None, BeforeValidator(_as_word)] = None


class Reply(BaseModel):
    """What is read of an answer: what nobody needs is not read, and what cannot be read is as if it were not there."""

    choices: Annotated[list[Choice], BeforeValidator(_as_choices)]
    usage: Annotated[ReplyUsage, BeforeValidator(_as_record)] = ReplyUsage()
    system_fingerprint: Text = None


def read_reply(payload: object, url: str) -> Reply:
    """Read an answer with status 200.

    Raises:
        EndpointError: it is no chat completion, an error in disguise, or was broken off by the endpoint.
    """
    if isinstance(payload, str):
        payload = _parse(payload, url)
    if isinstance(payload, list) and len(payload) == 1:
        payload = payload[0]
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
    if choice.finish_reason in _FILTERED or choice.message.refusal:
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
        said = head_of(explain(error))
        raise EndpointError(
            f"{url} answered with something that is no chat completion ({said}). Check OPENAI_BASE_URL",
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
