"""LLaMA-Factory's v1 engine in its native form: content in blocks, and `loss_weight` on every message.

Read: llamafactory 0.9.5, v1/core/utils/rendering.py, v1/plugins/model_plugins/templates/qwen3.py,
v1/core/data_engine.py. Its sharegpt converter counts the loss on every reply, so none is named and rows are native. Its
template `qwen3` writes thoughts after the last question alone.
"""

from __future__ import annotations

from typing import Any

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, is_asked, reasons
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spell_call
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm
from schemas.message import Message


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row with a weight on every message."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    messages = [
        {"role": one.role, "content": _blocks(one), "loss_weight": 1.0 if one.train else 0.0} for one in row.messages
    ]
    return {"id": row.id, "messages": messages, **({"tools": row.tools} if row.tools else {})}


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks = [{"type": "reasoning", "value": message.reasoning_content}] if message.reasoning_content else []
    if message.content or not (blocks or message.tool_calls):
        blocks.append({"type": "text", "value": message.content})
    return [*blocks, *({"type": "tool_call", "value": spell_call(call)} for call in message.tool_calls)]


TRAINER = TrainerForm(
    name="llamafactory-v1",
    summary="LLaMA-Factory's v1 samples with `loss_weight` on every message, and its YAML",
    read_in="LLaMA-Factory 0.9.5",
    flag="loss_weight",
    default="fan-out",
    because="no tokenizer was given, and one reply a row is right for every template",
    packed="native",
    model="Qwen/Qwen3-4B-Instruct-2507",
    render=render_row,
    reasons=reasons(BROKEN_ARGUMENTS, NO_PROMPT),
    configs=(Config("dataset_info.yaml"), Config("llamafactory_v1.yaml")),
)
EXPORTER = TRAINER.exporter()
