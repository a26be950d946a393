"""OpenAI's fine-tuning files: `messages`, `tools`, and `weight` 0 or 1 on every reply.

The last message must be a reply; names of functions are letters, digits, `_` and `-`; thoughts have no place.
"""

from __future__ import annotations

import re
from typing import Any

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, REASONING, is_asked, reasons
from formats.releases.spoken import speak, tools_of
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm
from schemas.message import Message

FUNCTION_NAME = "function_name"
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row with a weight on every reply."""
    if any(message.reasoning_content for message in row.messages):
        return REASONING
    if not is_asked(row.messages):
        return NO_PROMPT
    tools = tools_of(row.tools)
    calls = [call for message in row.messages for call in message.tool_calls]
    named = [call.name for call in calls] + [
        tool.get("function", {}).get("name", "") for tool in tools.get("tools", ())
    ]
    if not all(_NAME.fullmatch(name) for name in named):
        return FUNCTION_NAME
    parallel = any(len(message.tool_calls) > 1 for message in row.messages)
    return {
        "messages": [_render(one) for one in row.messages],
        **tools,
        **({"parallel_tool_calls": parallel} if tools else {}),
    }


def _render(message: Message) -> dict[str, Any]:
    made = speak(message, parsed=False)
    if message.role != "assistant":
        return made
    return {**made, "content": made["content"] or None, "weight": int(message.train)}


TRAINER = TrainerForm(
    name="openai",
    summary="OpenAI's fine-tuning JSON lines with `weight` 0 or 1 on every reply, and the job that trains",
    read_in="OpenAI's API, 2026",
    flag="weight",
    default="native",
    because="the weight of each reply is read as it is",
    model="gpt-4.1-mini-2025-04-14",
    render=render_row,
    reasons={
        **reasons(REASONING, NO_PROMPT),
        FUNCTION_NAME: "names a function other than with 1 to 64 letters, digits, _ and -: the upload is refused",
    },
    configs=(Config("job.json"),),
)
EXPORTER = TRAINER.exporter()
