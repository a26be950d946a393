"""Tool calls as a reply holds them: in their own field, or left in the text by a server without a tool parser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from schemas.message import Tool, ToolCall
from teachers.endpoint.replies import ReplyMessage, as_text

_TAGGED = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)
"""As Hermes and Qwen models write calls."""


def split_calls(message: ReplyMessage, text: str, tools: Sequence[Tool]) -> tuple[str, tuple[ToolCall, ...]]:
    """Return (text, calls); calls are looked for in the text only where tools were offered and the field is empty."""
    if message.tool_calls:
        calls = [
            ToolCall(
                call_id=call.id or f"call_{i}", name=call.function.name, arguments=as_text(call.function.arguments)
            )
            for i, call in enumerate(message.tool_calls)
        ]
        return text, tuple(calls)
    return _left_in_text(text, {tool.name for tool in tools}) if tools else (text, ())


def _left_in_text(text: str, names: set[str]) -> tuple[str, tuple[ToolCall, ...]]:
    tagged = _TAGGED.findall(text)
    if tagged:
        calls = [_read(written, names, index) for index, written in enumerate(tagged)]
        rest = _TAGGED.sub("", text).strip()
    else:
        calls, rest = [_read(text, names, 0)], ""
    read = tuple(call for call in calls if call is not None)
    return (rest, read) if len(read) == len(calls) else (text, ())


def _read(written: str, names: set[str], index: int) -> ToolCall | None:
    """Read `{"name": ..., "arguments": {...}}` (Llama writes `parameters`); None = it is no call of an offered tool."""
    try:
        call: Any = orjson.loads(written)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(call, dict) or call.get("name") not in names:
        return None
    arguments = call.get("arguments", call.get("parameters"))
    if not isinstance(arguments, str | dict | None):
        return None
    return ToolCall(call_id=f"call_{index}", name=call["name"], arguments=as_text(arguments))
