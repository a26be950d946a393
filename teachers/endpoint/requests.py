"""The chat-completions protocol, outward: how a request is worded. `replies` reads the answers.

Endpoints differ (docs/teacher.md, "What endpoints differ in"); what one cannot do is said in `lacks`, by the name of
the request's field.
"""

from __future__ import annotations

from typing import Any

import orjson

import prompts
from schemas.completion import AnswerSchema, CompletionRequest
from schemas.errors import ConfigError
from schemas.message import Message, Tool
from teachers.endpoint.key import is_openai

_FIXED_SAMPLING = ("o1", "o3", "o4", "gpt-5")
"""Model families that refuse a temperature, top_p or stop of the caller's (OpenAI guide, Reasoning models)."""
SCHEMA_PROMPT = "answer_schema"


def request_body(request: CompletionRequest, url: str, lacks: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Word a request for an endpoint, without the fields that it `lacks`.

    OpenAI's own hosts take `max_completion_tokens` for every chat model (`max_tokens` is deprecated there, and
    refused by reasoning models); all other servers know `max_tokens`, except those that refuse it. A schema that
    cannot be sent is said in the prompt; a number of samples that cannot be sent is left out.

    Raises:
        ConfigError: a tool's parameters or the answer's schema are no JSON.
    """
    sampling, schema = request.sampling, request.answer_schema
    body: dict[str, Any] = {"model": request.model, "messages": [_worded(message) for message in request.messages]}
    body[_limit_name(url, lacks)] = sampling.max_tokens
    if not (is_openai(url) and request.model.startswith(_FIXED_SAMPLING)):
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.stop and "stop" not in lacks:
            body["stop"] = list(sampling.stop)
    if sampling.seed is not None and "seed" not in lacks:
        body["seed"] = sampling.seed
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.samples > 1 and "n" not in lacks:
        body["n"] = request.samples
    if schema and "response_format" not in lacks:
        body["response_format"] = _response_format(schema)
    elif schema:
        _say_schema(body["messages"], schema)
    return body


def probe_body(model: str, url: str) -> dict[str, Any]:
    """Word the cheapest request that proves that a model is served."""
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], _limit_name(url, frozenset()): 16}


def _limit_name(url: str, lacks: frozenset[str]) -> str:
    return "max_completion_tokens" if is_openai(url) or "max_tokens" in lacks else "max_tokens"


def _worded(message: Message) -> dict[str, Any]:
    worded: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        worded["tool_calls"] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        worded["tool_call_id"] = message.tool_call_id
    return worded


def _tool(tool: Tool) -> dict[str, Any]:
    parameters = _schema(tool.parameters, f"the parameters of tool {tool.name!r}")
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _response_format(schema: AnswerSchema) -> dict[str, Any]:
    shape = _schema(schema.json_schema, f"the schema {schema.name!r}")
    return {"type": "json_schema", "json_schema": {"name": schema.name, "schema": shape, "strict": True}}


def _schema(text: str, what: str) -> object:
    try:
        parsed: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{what} are no JSON ({error}): {text[:80]!r}. Give a JSON Schema as text") from error
    return parsed


def _say_schema(messages: list[dict[str, Any]], schema: AnswerSchema) -> None:
    """Put the schema into the last question: chat templates take no two questions in a row, nor a late system one."""
    words = prompts.load(SCHEMA_PROMPT).render(json_schema=schema.json_schema)
    if messages and messages[-1]["role"] == "user":
        messages[-1] |= {"content": f"{messages[-1]['content']}\n\n{words}"}
    else:
        messages.append({"role": "user", "content": words})
