"""How exporters say a message, a call and its arguments: as chat templates take them, without our flags.

Empty arguments are `{}`, as servers have a call of a tool that takes none. Arguments that are no object are told as
broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

from formats.chats.tool_calls import write_call
from schemas.message import Message, ToolCall

BROKEN_ARGUMENTS = "broken_arguments"
"""The reason of every export that parses arguments."""


def speak(message: Message, *, parsed: bool = True) -> dict[str, Any]:
    """Say a message, what is empty left out; `parsed`: arguments as objects, not as JSON text.

    Arguments that cannot be parsed stay the text that they are.
    """
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [_speak_call(call, parsed) for call in message.tool_calls]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    if message.reasoning_content:
        said["reasoning_content"] = message.reasoning_content
    return said


def spoken(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Say messages, arguments as objects."""
    return [speak(message) for message in messages]


def _speak_call(call: ToolCall, parsed: bool) -> dict[str, Any]:
    written = write_call(call)
    arguments = arguments_of(call) if parsed else None
    written["function"]["arguments"] = (call.arguments or "{}") if arguments is None else arguments
    return written


def spell_call(call: ToolCall) -> str:
    """Say a call that is not broken as one JSON text, `{"name", "arguments"}`: for forms without a place for calls."""
    return json.dumps({"name": call.name, "arguments": arguments_of(call)}, ensure_ascii=False)


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """Return a call's arguments; None where they are no JSON object, or hold an integer beyond 64 bits.

    Such an integer is read as a number near it, which the model did not write.
    """
    text = call.arguments or "{}"
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and found == json.loads(text) else None


def has_broken_calls(messages: Iterable[Message]) -> bool:
    """Whether any call's arguments cannot be said as an object."""
    return any(arguments_of(call) is None for message in messages for call in message.tool_calls)


def tools_of(tools: str | None) -> dict[str, Any]:
    """Return the key `tools` with a row's declarations, JSON text, as objects; nothing where there are none."""
    return {"tools": orjson.loads(tools)} if tools else {}
