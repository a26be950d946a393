"""Messages as chat templates take them, without our flags: role, content, and what else a message has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from formats.chats.tool_calls import write_call
from schemas.message import Message, ToolCall


def spoken(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Render messages, what is empty left out; arguments of calls are objects, as templates print them."""
    return [_speak(message) for message in messages]


def arguments_of_call(call: ToolCall) -> dict[str, Any] | None:
    """Return a call's arguments; None where they are no JSON object."""
    try:
        found = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def has_broken_calls(messages: Iterable[Message]) -> bool:
    """Whether any call's arguments are no JSON object."""
    return any(arguments_of_call(call) is None for message in messages for call in message.tool_calls)


def tools_of(tools: str | None) -> dict[str, Any]:
    """Return the key `tools` where there are any."""
    return {"tools": orjson.loads(tools)} if tools else {}


def _speak(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        calls = [(write_call(call), arguments_of_call(call)) for call in message.tool_calls]
        said["tool_calls"] = [call | {"function": call["function"] | {"arguments": given}} for call, given in calls]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    if message.reasoning_content:
        said["reasoning_content"] = message.reasoning_content
    return said
