"""Rows of turns that speak: `from` and `value`, or `role` and `content`; AgentInstruct's, AgentTraj's and Agent-FLAN's.

Actions and observations are words there. Descendants of the form have a role for calls and one for what they gave; a
turn of the former that holds no call is kept as words, and told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from formats.chats.masks import NAMES
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

NO_CALL = "a function_call turn without a call"
"""The loss of a turn that is marked as a call and holds none."""
_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "agent", "model", "bot", "chatgpt"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "assistant"),
    **dict.fromkeys(("observation", "tool", "function", "function_response", "tool_response", "ipython"), "tool"),
}
_CALLING = ("function_call", "tool_call")
_CALLS = ("tool_calls", "toolCalls", "function_call")
_TURN = ("from", "role", "value", "content", *NAMES)
_TURNS = ("conversations", "conversation", "messages")
_KNOWN = ("id", "item_id", *_TURNS, *NAMES, "system", "tools", "model", "license", "reward", "success")
_MARKED_UP = re.compile(r"<function=([\w.-]+)>(.*?)</function>", re.S)
_PARAMETER = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.S)


def read_spoken(value: Mapping[str, Any], losses: LeftOvers) -> RowTold:
    """Read a row.

    Raises:
        NoTrajectory: it is none.
    """
    system = value.get("system")
    first = [Message(role="system", content=system)] if isinstance(system, str) and system.strip() else []
    turns = turns_of(value, *_TURNS)
    said = [_message(turn, number, losses) for number, turn in enumerate(turns)]
    trained = trained_of(value, turns, [one.role for one in said], losses)
    said = [one.model_copy(update={"train": is_trained}) for one, is_trained in zip(said, trained, strict=True)]
    losses.rest(value, _KNOWN)
    row_id = text_or_none(value.get("id")) or text_or_none(value.get("item_id"))
    success, reward = value.get("success"), value.get("reward")
    return RowTold(
        messages=link_results([*first, *said], losses),
        tools=read_tools(value.get("tools"), losses),
        row_id=row_id,
        environment=world_of(row_id),
        model=text_or_none(value.get("model")),
        license=text_or_none(value.get("license")),
        success=success if isinstance(success, bool) else None,
        reward=float(reward) if isinstance(reward, int | float) else None,
    )


def _message(turn: Mapping[str, Any], number: int, losses: LeftOvers) -> Message:
    name = turn.get("from") or turn.get("role")
    role = _ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        raise NoTrajectory("unknown_role", f"turn {number} is by {name!r}; known are {', '.join(_ROLES)}")
    content = turn.get("value") if turn.get("value") is not None else turn.get("content")
    text = text_of(content, losses, "turns[].value", is_agents=role == "assistant")
    if unread := [key for key in _CALLS if turn.get(key)]:
        raise NoTrajectory("unread_part", f"turn {number} has {unread[0]}, which this format lacks; `openai` reads it")
    losses.rest(turn, _TURN, "turns[].")
    calls: tuple[ToolCall, ...] = ()
    if str(name).lower() in _CALLING:
        text, calls = _calls(text)
        if not calls:
            losses.add(NO_CALL)
    return Message(role=role, content=text, tool_calls=calls)


def _calls(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    """Return the words of a turn that is marked as a call, and its calls; none where it holds none."""
    found = _MARKED_UP.findall(text)
    if found:
        calls = tuple(call_of("", name, dict(_PARAMETER.findall(inside))) for name, inside in found)
        return _MARKED_UP.sub("", text).strip(), calls
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text, ()
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in given):
        return text, ()
    return "", tuple(call_of(one.get("id"), one["name"], one.get("arguments", one.get("parameters"))) for one in given)
