"""ms-swift: `loss` of a reply is true or false, as AgentInstruct's; calls are messages of role `tool_call`.

Read: ms-swift 4.6.0, template/base.py (_preprocess_tool_call, _get_std_messages), loss_scale/base.py. Calls in a row
are merged into one reply, on which the first one's flag decides: two replies that call, one after the other and of
different flags, cannot be told apart there. Keys other than role, content, loss are dropped by its preprocessor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, is_asked, reasons, think_aloud
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spell_call
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm
from schemas.message import Message

FLAGS_DIFFER = "flags_differ"


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row with `loss` on every reply and every call."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    messages = [made for message in _in_the_calls_order(row.messages) for made in _render(message)]
    for first, second in itertools.pairwise(messages):
        if first["role"] == second["role"] == "tool_call" and first["loss"] != second["loss"]:
            return FLAGS_DIFFER
    return {"id": row.id, "messages": messages, **({"tools": row.tools} if row.tools else {})}


def _render(message: Message) -> Iterator[dict[str, Any]]:
    if message.role != "assistant":
        role = "tool_response" if message.role == "tool" else message.role
        yield {"role": role, "content": message.content, "loss": None}
        return
    words = think_aloud(message)
    if words or not message.tool_calls:
        yield {"role": "assistant", "content": words, "loss": message.train}
    for call in message.tool_calls:
        yield {"role": "tool_call", "content": spell_call(call), "loss": message.train}


def _in_the_calls_order(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield what calls gave in the order of the calls: there it belongs to them by place, not by id."""
    order: dict[str | None, int] = {}
    for is_given, some in itertools.groupby(messages, lambda message: message.role == "tool"):
        found = list(some)
        if is_given:
            yield from sorted(found, key=lambda message: order.get(message.tool_call_id, len(order)))
        else:
            yield from found
            order = {call.call_id: number for number, call in enumerate(found[-1].tool_calls)}


TRAINER = TrainerForm(
    name="ms-swift",
    summary="ms-swift's messages with `loss` on every reply and call, and its YAML",
    read_in="ms-swift 4.6.0",
    flag="loss",
    default="fan-out",
    because="no tokenizer was given, and one reply a row is right for every template",
    packed="native",
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons={
        **reasons(BROKEN_ARGUMENTS, NO_PROMPT),
        FLAGS_DIFFER: "has calls of two replies in a row, one trained on: the first one's flag would decide for both",
    },
    configs=(Config("ms_swift.yaml"),),
)
EXPORTER = TRAINER.exporter()
