"""Calls as chat templates take them: `{"id", "type": "function", "function": {"name", "arguments"}}`, both ways.

The arguments stay the JSON text that the model wrote (OpenAI's form); a template that wants an object parses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.message import ToolCall


def write_call(call: ToolCall) -> dict[str, Any]:
    """Render a call."""
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def read_call(value: Mapping[str, Any]) -> ToolCall:
    """Read what `write_call` wrote."""
    function = value["function"]
    return ToolCall(call_id=value["id"], name=function["name"], arguments=function["arguments"])
