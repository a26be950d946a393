"""LLaMA-Factory's v0 data in the ShareGPT form: human, gpt, function_call, observation, in turns, and no flag.

Read: llamafactory 0.9.5, data/converter.py, data/formatter.py (FunctionFormatter), data/processor/supervised.py. Not
its `openai` converter: that replaces the words of a reply that calls by the call, and adds "detailed thinking off" to
system texts. `mask_history` trains on the last reply alone and renders the ones before as they are seen when the model
is used; without it every reply is trained on. A row whose roles do not alternate, or that ends with a question, is
dropped there with a warning; here it is left out for a reason.
"""

from __future__ import annotations

from typing import Any

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_QUESTION, TWO_REPLIES, reasons, take_turns, think_aloud
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spell_call
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm
from schemas.message import Message

SEVERAL_RESULTS = "several_results"
CALL_MARKS = "call_marks"
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
"""What tells words from calls in one function_call message (FunctionFormatter, `tool_call_words`)."""


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row with its system text and tools apart."""
    turns = take_turns(row.messages)
    if isinstance(turns, str):
        return turns
    system = turns[0].content if turns[0].role == "system" else None
    said = [_render(turn) for turn in turns if turn.role != "system"]
    if reason := next((one for one in said if isinstance(one, str)), None):
        return reason
    roles = [one["from"] for one in said if not isinstance(one, str)]
    if any((role in ("human", "observation")) == bool(place % 2) for place, role in enumerate(roles)):
        return SEVERAL_RESULTS
    return {"id": row.id, "conversations": said, "system": system or "", "tools": row.tools or ""}


def _render(message: Message) -> dict[str, Any] | str:
    if message.role != "assistant":
        return {"from": "observation" if message.role == "tool" else "human", "value": message.content}
    words = think_aloud(message)
    if not message.tool_calls:
        return {"from": "gpt", "value": words}
    if _OPEN in words or _CLOSE in words:
        return CALL_MARKS
    if has_broken_calls([message]):
        return BROKEN_ARGUMENTS
    written = f"[{', '.join(map(spell_call, message.tool_calls))}]"
    if _OPEN in written or _CLOSE in written:
        return CALL_MARKS
    return {"from": "function_call", "value": f"{words}{_OPEN}{written}{_CLOSE}" if words else written}


TRAINER = TrainerForm(
    name="llamafactory",
    summary="LLaMA-Factory's v0 ShareGPT form with dataset_info.json, and its YAML",
    read_in="LLaMA-Factory 0.9.5",
    flag=None,
    default="fan-out",
    because="no tokenizer was given; with mask_history one reply a row is right for every template",
    packed="fold",
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons={
        **reasons(TWO_REPLIES, NO_QUESTION, BROKEN_ARGUMENTS),
        SEVERAL_RESULTS: "has several results in a row, or a question after one: the form has one observation a call",
        CALL_MARKS: f"has {_OPEN} in its own words beside a call: there it marks where the call begins",
    },
    configs=(Config("dataset_info.json"), Config("llamafactory.yaml")),
)
EXPORTER = TRAINER.exporter()
