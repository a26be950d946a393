"""Rows of OpenAI's messages: `messages` with `tool_calls` and results, `tools`, `weight` on replies.

The older form of one `function_call` a reply is read, too, and so are Anthropic's: content blocks, and a `system`
beside the messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from formats.chats.masks import NAMES
from formats.sets.content_blocks import split_blocks
from formats.sets.reading import LeftOvers, NoTrajectory, RowTold
from formats.sets.turns import (
    call_of,
    link_results,
    read_tools,
    text_of,
    text_or_none,
    trained_of,
    turns_of,
    world_of,
)
from schemas.message import Message, Role, ToolCall

ABOUT = ("id", "model", "license", "reward", "success", "environment", "agent")
"""Keys of a row that say something of the whole."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
_IDS = ("tool_call_id", "toolCallId")
_CALLS = ("tool_calls", "toolCalls")
_SAID = ("role", "content", *NAMES)
_READ: Mapping[Role, tuple[str, ...]] = {
    "system": _SAID,
    "user": _SAID,
    "assistant": (*_SAID, "function_call", *_CALLS, *_THOUGHTS),
    "tool": (*_SAID, *_IDS),
}
"""Keys of a message that are read, by who says it."""
_CALL = ("id", "type", "index", "function")
_ARGUMENTS = ("arguments", "input", "args", "parameters")
_ROW = ("messages", "system", "tools", "functions", "parallel_tool_calls", *NAMES, *ABOUT)
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def read_chat_row(value: Mapping[str, Any], losses: LeftOvers) -> RowTold:
    """Read a row.

    Raises:
        NoTrajectory: it is none.
    """
    losses.rest(value, _ROW)
    return told_of(value, losses)


def told_of(value: Mapping[str, Any], losses: LeftOvers) -> RowTold:
    """Read what a row has of OpenAI's keys, and leave the others alone."""
    reward, success = value.get("reward"), value.get("success")
    row_id = text_or_none(value.get("id"))
    system = text_of(value.get("system"), losses, "system")
    first = (Message(role="system", content=system),) if system.strip() else ()
    return RowTold(
        messages=(*first, *read_messages(turns_of(value, "messages"), losses, value)),
        tools=read_tools(value.get("tools") or value.get("functions"), losses),
        row_id=row_id,
        environment=text_or_none(value.get("environment")) or world_of(row_id),
        model=text_or_none(value.get("model")),
        agent=text_or_none(value.get("agent")),
        license=text_or_none(value.get("license")),
        success=success if isinstance(success, bool) else None,
        reward=float(reward) if isinstance(reward, int | float) else None,
    )


def read_messages(
    turns: Sequence[Mapping[str, Any]], losses: LeftOvers, row: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Message, ...]:
    """Read messages, their calls and results linked; the row may have masks of its own.

    Raises:
        NoTrajectory: one is no message.
    """
    made: list[Message] = []
    trained = trained_of(row, turns, [_role(turn, number) for number, turn in enumerate(turns)], losses)
    for number, (turn, is_trained) in enumerate(zip(turns, trained, strict=True)):
        said = [_message(one, number, losses) for one in split_blocks(turn, losses)]
        made += [one.model_copy(update={"train": is_trained and one.role == "assistant"}) for one in said]
    return link_results(made, losses)


def _role(turn: Mapping[str, Any], number: int) -> Role:
    name = turn.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise NoTrajectory("unknown_role", f"message {number} is by {name!r}; known are {', '.join(_ROLES)}")
    return role


def _message(turn: Mapping[str, Any], number: int, losses: LeftOvers) -> Message:
    role = _role(turn, number)
    if turn["role"] == "developer":
        losses.add("messages[].role = developer")
    losses.rest(turn, _READ[role], "messages[].")
    thought = next((turn[key] for key in _THOUGHTS if turn.get(key)), None)
    if thought is not None and not isinstance(thought, str):
        losses.add("messages[].reasoning (no text)")
    answers = next((turn[key] for key in _IDS if turn.get(key)), None)
    return Message(
        role=role,
        content=text_of(turn.get("content"), losses, "messages[].content", is_agents=role == "assistant"),
        tool_calls=_calls(turn, number, losses) if role == "assistant" else (),
        tool_call_id=text_or_none(answers) if role == "tool" else None,
        reasoning_content=thought if isinstance(thought, str) and role == "assistant" else None,
    )


def _calls(turn: Mapping[str, Any], number: int, losses: LeftOvers) -> tuple[ToolCall, ...]:
    given: Any = next((turn[key] for key in _CALLS if turn.get(key)), [])
    if isinstance(turn.get("function_call"), dict):
        given = [*given, {"function": turn["function_call"]}]
    if not isinstance(given, list) or not all(isinstance(call, dict) for call in given):
        raise NoTrajectory("malformed_turn", f"the calls of message {number} are no list of objects")
    made = []
    for call in given:
        function = call["function"] if isinstance(call.get("function"), dict) else call
        losses.rest(call, (*_CALL, *(("name", *_ARGUMENTS) if function is call else ())), "tool_calls[].")
        arguments = next((function[key] for key in _ARGUMENTS if function.get(key) is not None), None)
        made.append(call_of(call.get("id"), function.get("name"), arguments))
    return tuple(made)
