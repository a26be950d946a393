"""The offline teacher's endpoint: the OpenAI protocol on loopback, in a daemon thread that dies with the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import orjson
from aiohttp import BodyPartReader, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from rehearsals.base import Rehearsal
from rehearsals.batches import OfflineBatches
from rehearsals.plan import MODELS
from rehearsals.refusal import BadRequest
from rehearsals.replies import respond, text_of
from schemas.message import Message, approximate_tokens
from schemas.run_config import FaultsConfig

_MAX_BYTES = 256 << 20
_ROLES = {"system", "user", "assistant", "tool"}


class OfflineServer:
    """Serves `/v1/chat/completions`, `/v1/models`, `/v1/files` and `/v1/batches`; holds its batches and a counter."""

    def __init__(
        self, rehearsals: Sequence[Rehearsal], faults: FaultsConfig | None = None, *, styled: bool = False
    ) -> None:
        self.answered = 0
        """Chat completions given."""
        self.batches = OfflineBatches(self._complete)
        self._rehearsals = tuple(rehearsals)
        self._faults, self._styled = faults or FaultsConfig(), styled
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def start(self) -> str:
        """Listen on a free port of 127.0.0.1 and return the base URL (some milliseconds)."""
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="offline-teacher", daemon=True)
        self._thread.start()
        return ready.result()

    def stop(self) -> None:
        """Stop listening; idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()

    def _run(self, ready: Future[str]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            ready.set_exception(error)

    async def _serve(self, ready: Future[str]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = web.Server(self._handle, request_factory=_roomy_request, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        await self._stopping.wait()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        try:
            if (request.method, request.path) == ("POST", "/v1/files"):
                answer: dict[str, Any] | bytes = self.batches.upload(**await _read_form(request))
            else:
                answer = self._answer(request.method, request.path, request.query, await request.read())
            status = 200
        except BadRequest as refusal:
            answer, status = {"error": refusal.error}, refusal.status
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/octet-stream")
        return web.Response(body=orjson.dumps(answer), status=status, content_type="application/json")

    def _answer(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> dict[str, Any] | bytes:
        match method, *path.removeprefix("/v1/").split("/"):
            case "GET", "models":
                models = [{"id": name, "object": "model", "created": 0, "owned_by": "trajmill"} for name in MODELS]
                return {"object": "list", "data": models}
            case "POST", "chat", "completions":
                return self._complete(raw)
            case "GET", "files", file_id, "content":
                return self.batches.content(file_id)
            case "DELETE", "files", file_id:
                return self.batches.delete(file_id)
            case "POST", "batches":
                return self.batches.create(_read_json(raw))
            case "GET", "batches":
                return self.batches.listed(query.get("after"), int(query.get("limit", 20)))
            case "GET", "batches", batch_id:
                return self.batches.look(batch_id)
        raise BadRequest(f"Invalid URL ({method} {path})", status=404)

    def _complete(self, raw: bytes) -> dict[str, Any]:
        body = read_body(raw)
        completion = complete(body, respond(body, self._rehearsals, self._faults, styled=self._styled))
        self.answered += 1
        return completion


def _roomy_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make a request that may be as large as a batch's file; aiohttp's own limit is 1 MiB."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BYTES)


async def _read_form(request: web.BaseRequest) -> dict[str, Any]:
    """Read an upload: its purpose, and the file with its name."""
    form: dict[str, Any] = {"name": "", "purpose": "", "content": b""}
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "file":
            form |= {"name": part.filename or "", "content": bytes(await part.read())}
        elif isinstance(part, BodyPartReader) and part.name == "purpose":
            form["purpose"] = await part.text()
    return form


def _read_json(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadRequest("We could not parse the JSON body of your request.") from None
    return body if isinstance(body, dict) else {}


def read_body(raw: bytes) -> dict[str, Any]:
    """Parse and check a request body as OpenAI does.

    Raises:
        BadRequest: with OpenAI's words.
    """
    body = _read_json(raw)
    if not isinstance(body.get("model"), str):
        raise BadRequest("you must provide a model parameter", param="model")
    if body["model"] not in MODELS:
        message = f"The model `{body['model']}` does not exist or you do not have access to it."
        raise BadRequest(message, status=404, param="model", code="model_not_found")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    for index, message in enumerate(messages):
        _check_message(message, index)
    _check_options(body)
    return body


def complete(body: dict[str, Any], reply: Message) -> dict[str, Any]:
    """Word a reply as a chat completion, its text cut where the request says; a call is never cut."""
    text = reply.content
    for stop in _stops(body):
        text = text.partition(stop)[0]
    finish_reason = "tool_calls" if reply.tool_calls else "stop"
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and approximate_tokens(text) > limit and not reply.tool_calls:
        text, finish_reason = text.encode()[: 4 * limit].decode("utf-8", "ignore"), "length"
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]
    message = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    prompt = sum(approximate_tokens(text_of(message.get("content"))) for message in body["messages"])
    used = approximate_tokens(text + "".join(call.name + call.arguments for call in reply.tool_calls))
    return {
        "id": "chatcmpl-offline",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": used, "total_tokens": prompt + used},
    }


def _stops(body: dict[str, Any]) -> list[str]:
    stop = body.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


def _check_message(message: Any, index: int) -> None:
    at = f"messages[{index}]"
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        role = message.get("role") if isinstance(message, dict) else message
        raise BadRequest(f"Invalid value: {role!r}. Supported values are: {sorted(_ROLES)}.", param=f"{at}.role")
    content = message.get("content")
    parts = isinstance(content, list) and all(isinstance(part, dict) for part in content)
    calls = message.get("tool_calls")
    if calls is not None and (message["role"] != "assistant" or not _are_calls(calls)):
        raise BadRequest(f"Invalid value for '{at}.tool_calls': expected the calls of an assistant.", param=at)
    if message["role"] == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise BadRequest(f"Missing required parameter: '{at}.tool_call_id'.", param=f"{at}.tool_call_id")
    if not isinstance(content, str) and not parts and not (content is None and calls):
        raise BadRequest(f"Invalid type for '{at}.content': expected a string or parts.", param=f"{at}.content")


def _are_calls(calls: Any) -> bool:
    """Whether these are tool calls as OpenAI words them, one at least."""
    return (
        isinstance(calls, list)
        and bool(calls)
        and all(isinstance(call, dict) and isinstance(call.get("id"), str) for call in calls)
        and all(_is_function(call, "name", "arguments") for call in calls)
    )


def _is_function(item: Any, *fields: str) -> bool:
    function = item.get("function") if isinstance(item, dict) else None
    return isinstance(function, dict) and all(isinstance(function.get(field), str) for field in fields)


def _check_options(body: dict[str, Any]) -> None:
    for name, kind, low, high in (
        ("temperature", (int, float), 0, 2),
        ("top_p", (int, float), 0, 1),
        ("max_tokens", int, 1, 1 << 31),
        ("max_completion_tokens", int, 1, 1 << 31),
        ("seed", int, -(1 << 63), (1 << 63) - 1),
        ("n", int, 1, 1),
    ):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high):
            raise BadRequest(f"Invalid '{name}': expected a value from {low} to {high}, but got {value!r}.", param=name)
    tools = body.get("tools")
    if tools is not None and not (isinstance(tools, list) and all(_is_function(tool, "name") for tool in tools)):
        raise BadRequest("Invalid value for 'tools': expected a list of functions with names.", param="tools")
    if not isinstance(body.get("stop"), (str, list, type(None))):
        raise BadRequest("Invalid type for 'stop': expected a string or a list of strings.", param="stop")
    if body.get("stream"):
        raise BadRequest("This endpoint does not stream; leave out 'stream'.", param="stream")
