"""A double of the servers that people run themselves: the offline endpoint with the quirks of vLLM, Ollama and others.

Each quirk is a function of the request or the answer, and names where it was seen. docs/own-model.md lists them with
what Trajmill does about each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
from aiohttp import web

from rehearsals.base import Rehearsal
from rehearsals.refusal import BadRequest
from rehearsals.replies import text_of
from rehearsals.server import OfflineServer
from schemas.message import approximate_tokens
from schemas.run_config import FaultsConfig

CONTEXT = 1024
"""Approximate tokens that the double's models hold where a quirk gives them a short context."""
THOUGHT = "Let me think this through."
_HALF = "\ue000"
"""Stands for half a surrogate pair until the answer is bytes: JSON can say one, and no encoder will."""

Body = dict[str, Any]
Asked = Callable[[Body, int], Body]
"""Changes a request, or refuses it; the number counts requests from 1."""
Answered = Callable[[Body, Body, int], Body]
"""Changes the completion of a request."""
Told = Callable[[Body], Body]
"""Changes the payload of a refusal or of the list of models."""


class Quirk(NamedTuple):
    server: str
    source: str
    """Issue, pull request or page that shows it."""
    asked: Asked | None = None
    answered: Answered | None = None
    told: Told | None = None


class QuirkyServer(OfflineServer):
    """An offline server with some quirks."""

    def __init__(
        self,
        *quirks: str,
        reply: str | None = None,
        rehearsals: Sequence[Rehearsal] = (),
        faults: FaultsConfig | None = None,
    ) -> None:
        """Take quirks by their names in QUIRKS; with a `reply`, every answer is that text."""
        super().__init__(rehearsals, faults)
        self.bodies: list[Body] = []
        """What was asked, in order."""
        self._quirks = [QUIRKS[name] for name in quirks]
        self._reply = reply

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        response = await super()._handle(request)
        raw = response.body
        assert isinstance(raw, bytes)
        if response.status == 200 and not request.path.endswith("/models"):
            body = raw.replace(_HALF.encode(), b"\\ud83d")
            return web.Response(body=body, content_type=response.content_type)
        payload = orjson.loads(raw)
        for quirk in self._quirks:
            payload = quirk.told(payload) if quirk.told else payload
        return web.Response(body=orjson.dumps(payload), status=response.status, content_type="application/json")

    def _complete(self, raw: bytes) -> Body:
        body = orjson.loads(raw)
        self.bodies.append(dict(body))
        for quirk in self._quirks:
            body = quirk.asked(body, len(self.bodies)) if quirk.asked else body
        completion = super()._complete(orjson.dumps(body))
        if self._reply is not None:
            completion["choices"][0]["message"]["content"] = self._reply
        for quirk in self._quirks:
            completion = quirk.answered(body, completion, len(self.bodies)) if quirk.answered else completion
        return completion


def _refuse(status: int, message: str, *, once: bool = False, **told: str) -> Asked:
    def refuse(body: Body, number: int) -> Body:
        if number == 1 or not once:
            raise BadRequest(message.format(model=body["model"]), status=status, **told)
        return body

    return refuse


def _refuse_field(field: str, message: str) -> Asked:
    def refuse(body: Body, number: int) -> Body:
        if field in body and body[field] != 1:
            raise BadRequest(message)
        return body

    return refuse


def _drop(*fields: str) -> Asked:
    return lambda body, number: {key: value for key, value in body.items() if key not in fields}


def _message(change: Callable[[str], Body], finish_reason: str | None = None) -> Answered:
    """Change the message by its text."""

    def answer(body: Body, completion: Body, number: int) -> Body:
        choice = completion["choices"][0]
        choice["message"] |= change(choice["message"]["content"])
        choice["finish_reason"] = finish_reason or choice["finish_reason"]
        return completion

    return answer


def _refuse_long(body: Body, number: int) -> Body:
    sent = _prompt_tokens(body)
    if sent > CONTEXT:
        raise BadRequest(
            f"This model's maximum context length is {CONTEXT} tokens. However, you requested {sent} tokens in the "
            "messages. Please reduce the length of the messages or completion."
        )
    return body


def _truncate(body: Body, completion: Body, number: int) -> Body:
    completion["system_fingerprint"] = "fp_ollama"
    completion["usage"]["prompt_tokens"] = min(_prompt_tokens(body), CONTEXT)
    return completion


def _prompt_tokens(body: Body) -> int:
    return sum(approximate_tokens(text_of(message["content"])) for message in body["messages"])


def _call_in_text(body: Body, completion: Body, number: int) -> Body:
    call = {"name": body["tools"][0]["function"]["name"], "arguments": {"path": "/srv"}}
    text = f"<tool_call>\n{orjson.dumps(call).decode()}\n</tool_call>"
    completion["choices"][0]["message"] |= {"content": text, "tool_calls": []}
    return completion


def _call_as_object(body: Body, completion: Body, number: int) -> Body:
    call = {"function": {"name": body["tools"][0]["function"]["name"], "arguments": {"path": "/srv"}}}
    completion["choices"][0] |= {"message": {"role": "assistant", "content": "", "tool_calls": [call]}}
    return completion


def _end_first(finish_reason: str, share: float) -> Answered:
    """End the first reply so, after a share of its text."""

    def answer(body: Body, completion: Body, number: int) -> Body:
        if number == 1:
            choice = completion["choices"][0]
            text = choice["message"]["content"]
            choice["message"]["content"] = text[: int(len(text) * share)]
            choice["finish_reason"] = finish_reason
        return completion

    return answer


def _list_adapter(payload: Body) -> Body:
    base = payload["data"][0] if "data" in payload else {}
    adapter = base | {"id": "my-adapter", "root": "/adapters/my-adapter", "parent": base.get("id")}
    return payload | {"data": [*payload["data"], adapter]} if base else payload


def _serve_adapter(body: Body, number: int) -> Body:
    return body | {"model": "offline-a"} if body["model"] == "my-adapter" else body


def _flatten(payload: Body) -> Body:
    error = payload.get("error")
    return {"object": "error", "type": "BadRequestError", "code": 400} | error if isinstance(error, dict) else payload


def _bare_text(payload: Body) -> Body:
    return {"error": payload["error"]["message"]} if "error" in payload else payload


def _no_usage(body: Body, completion: Body, number: int) -> Body:
    return {key: value for key, value in completion.items() if key != "usage"}


_VLLM, _OLLAMA = "https://github.com/vllm-project/vllm", "https://github.com/ollama/ollama"
_OLLAMA_FIELDS = "https://docs.ollama.com/api/openai-compatibility"
QUIRKS: dict[str, Quirk] = {
    "reasoning_content": Quirk(
        "vLLM, DeepSeek", f"{_VLLM}/issues/12468", answered=_message(lambda text: {"reasoning_content": THOUGHT})
    ),
    "reasoning": Quirk(
        "vLLM, Ollama, OpenRouter", f"{_VLLM}/pull/27752", answered=_message(lambda text: {"reasoning": THOUGHT})
    ),
    "think_tags": Quirk(
        "vLLM without a reasoning parser",
        f"{_VLLM}/issues/21130",
        answered=_message(lambda text: {"content": f"<think>\n{THOUGHT}\n</think>\n\n{text}"}),
    ),
    "lost_think_tag": Quirk(
        "DeepSeek-R1's chat template",
        "https://github.com/deepseek-ai/DeepSeek-R1/issues/352",
        answered=_message(lambda text: {"content": f"{THOUGHT}\n</think>\n\n{text}"}),
    ),
    "answer_as_reasoning": Quirk(
        "vLLM with a reasoning parser",
        f"{_VLLM}/issues/17349",
        answered=_message(lambda text: {"content": None, "reasoning_content": text}),
    ),
    "flat_errors": Quirk("vLLM before 0.10", f"{_VLLM}/issues/12886", told=_flatten),
    "short_context": Quirk("vLLM", f"{_VLLM}/issues/12886", asked=_refuse_long),
    "abort": Quirk("vLLM", f"{_VLLM}/blob/main/vllm/v1/engine/__init__.py", answered=_end_first("abort", 0.5)),
    "engine_dead": Quirk("vLLM", f"{_VLLM}/issues/5901", asked=_refuse(500, "Internal Server Error", once=True)),
    "calls_in_text": Quirk("vLLM without the right tool parser", f"{_VLLM}/issues/17161", answered=_call_in_text),
    "no_calls": Quirk(
        "vLLM",
        f"{_VLLM}/issues/53255",
        answered=_message(lambda text: {"tool_calls": []}, finish_reason="tool_calls"),
    ),
    "adapters": Quirk("vLLM with LoRA", f"{_VLLM}/issues/7260", asked=_serve_adapter, told=_list_adapter),
    "no_usage": Quirk("gateways", "https://github.com/simonw/llm/issues/1697", answered=_no_usage),
    "ignores_n": Quirk("Ollama, llama.cpp", "https://github.com/MadcowD/ell/issues/240", asked=_drop("n")),
    "truncates": Quirk("Ollama", f"{_OLLAMA}/issues/17889", answered=_truncate),
    "not_pulled": Quirk(
        "Ollama", f"{_OLLAMA}/issues/11401", asked=_refuse(404, 'model "{model}" not found, try pulling it first')
    ),
    "busy": Quirk(
        "Ollama",
        f"{_OLLAMA}/pull/4144",
        asked=_refuse(503, "server busy, please try again.  maximum pending requests exceeded", once=True),
    ),
    "only_loads": Quirk("Ollama", "https://github.com/can1357/oh-my-pi/issues/7465", answered=_end_first("load", 0)),
    "calls_as_objects": Quirk(
        "Ollama, llama.cpp", "https://github.com/ggml-org/llama.cpp/issues/20198", answered=_call_as_object
    ),
    "white_space": Quirk(
        "Ollama's JSON mode",
        f"{_OLLAMA}/issues/2577",
        answered=_message(lambda text: {"content": text + " \n" * 400}, finish_reason="length"),
    ),
    "thinks_to_the_end": Quirk(
        "Ollama",
        f"{_OLLAMA}/issues/15288",
        answered=_message(lambda text: {"content": "", "reasoning": THOUGHT}, finish_reason="length"),
    ),
    "only_max_tokens": Quirk("Ollama", _OLLAMA_FIELDS, asked=_drop("max_completion_tokens")),
    "half_surrogates": Quirk(
        "Ollama, OpenRouter",
        "https://github.com/NousResearch/hermes-agent/pull/5176",
        answered=_message(lambda text: {"content": text + _HALF}),
    ),
    "refuses_schema": Quirk(
        "LM Studio, DeepSeek",
        "https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/189",
        asked=_refuse_field("response_format", "'response_format.type' must be 'text' or 'json_object'"),
        told=_bare_text,
    ),
    "ignores_schema": Quirk(
        "older Ollama and llama.cpp",
        "https://github.com/callstackincubator/fabrice-ai/pull/118",
        answered=_message(lambda text: {"content": f"Here it is:\n```json\n{text}\n```"}),
    ),
    "refuses_n": Quirk(
        "Groq", "https://console.groq.com/docs/api-reference", asked=_refuse_field("n", "'n' must be at most 1")
    ),
}
