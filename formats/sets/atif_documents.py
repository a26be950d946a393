"""ATIF 1.0 to 1.8 (Harbor's trajectory format, RFC 0001): a document a value. The inverse of `formats.releases.atif`.

Trained on are an agent's steps, but for copied context (`is_copied_context`) and scripted ones (`llm_call_count` 0).
Ids of calls may repeat from step to step; then they are numbered anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from formats.sets.chat_rows import ABOUT
from formats.sets.declare import set_importer
from formats.sets.reading import LeftOvers, NoTrajectory, RowTold
from formats.sets.turns import call_of, link_results, object_of, read_tools, text_of, text_or_none, turns_of, world_of
from schemas.message import Message, Role

_VERSION = re.compile(r"ATIF-v1\.\d+")
_DOCUMENT = ("schema_version", "session_id", "trajectory_id", "agent", "steps", "extra")
_AGENT = ("name", "model_name", "tool_definitions")
_EXTRA = (*ABOUT, "task_id")
_STEP = (
    *("step_id", "source", "message", "reasoning_content", "tool_calls", "observation", "is_copied_context"),
    "llm_call_count",
)
_SOURCES: Mapping[str, Role] = {"system": "system", "user": "user", "agent": "assistant"}


def read_document(value: Mapping[str, Any], losses: LeftOvers) -> RowTold:
    """Read a document.

    Raises:
        NoTrajectory: it is none.
    """
    version = value.get("schema_version")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise NoTrajectory("unknown_version", f"schema_version is {version!r}; ATIF-v1.0 to ATIF-v1.8 are read")
    agent, extra = (object_of(value.get(key)) for key in ("agent", "extra"))
    losses.rest(value, _DOCUMENT)
    losses.rest(agent, _AGENT, "agent.")
    losses.rest(extra, _EXTRA, "extra.")
    messages = [said for step in turns_of(value, "steps") for said in _messages(step, losses)]
    row_id = text_or_none(value.get("trajectory_id")) or text_or_none(value.get("session_id"))
    reward, success = extra.get("reward"), extra.get("success")
    return RowTold(
        messages=link_results(messages, losses),
        tools=read_tools(agent.get("tool_definitions"), losses, "agent.tool_definitions"),
        row_id=row_id,
        environment=text_or_none(extra.get("environment")) or world_of(row_id),
        model=text_or_none(agent.get("model_name")),
        agent=text_or_none(agent.get("name")),
        license=text_or_none(extra.get("license")),
        success=success if isinstance(success, bool) else None,
        reward=float(reward) if isinstance(reward, int | float) else None,
    )


def _messages(step: Mapping[str, Any], losses: LeftOvers) -> Iterator[Message]:
    """Yield what a step says, and what its calls gave; without a call, what was seen is the user's."""
    role = _SOURCES.get(str(step.get("source")))
    if role is None:
        raise NoTrajectory("unknown_role", f"step {step.get('step_id')} is by {step.get('source')!r}")
    losses.rest(step, _STEP, "steps[].")
    given = step.get("tool_calls") or []
    if not isinstance(given, list) or not all(isinstance(call, dict) for call in given):
        raise NoTrajectory("malformed_turn", f"the tool_calls of step {step.get('step_id')} are no list of objects")
    calls = tuple(call_of(c.get("tool_call_id"), c.get("function_name"), c.get("arguments")) for c in given)
    is_model_s = not step.get("is_copied_context") and step.get("llm_call_count") != 0
    yield Message(
        role=role,
        content=text_of(step.get("message"), losses, "steps[].message", is_agents=role == "assistant"),
        train=role == "assistant" and is_model_s,
        tool_calls=calls if role == "assistant" else (),
        reasoning_content=text_or_none(step.get("reasoning_content")) if role == "assistant" else None,
    )
    for result in object_of(step.get("observation")).get("results") or []:
        losses.rest(object_of(result), ("source_call_id", "content"), "steps[].observation.results[].")
        text = text_of(object_of(result).get("content"), losses, "steps[].observation.results[].content")
        answers = text_or_none(object_of(result).get("source_call_id"))
        yield Message(role="tool" if calls else "user", content=text, tool_call_id=answers if calls else None)


IMPORTER = set_importer("atif", "ATIF 1.0 to 1.8 (Harbor): a trajectory a value", read_document)
