"""What the turns of all foreign formats share: texts in parts, flags of the loss, calls and tools as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from formats.chats.masks import UnknownMask, read_mask, row_masks
from formats.json_values import list_of
from formats.sets.reading import LeftOvers, NoTrajectory
from schemas.message import Message, Role, ToolCall
from schemas.record import canonical_json

UNKNOWN_MASK = "a mask that says neither yes nor no (its replies are not trained on)"
"""The loss of a weight between 0 and 1, and of a list of another length."""
REPEATED_ID = "calls[].id (stands twice; numbered anew)"
"""The loss of ids of calls that name several."""
_TEXTS = ("text", "input_text", "output_text")
_OF_A_WORLD = re.compile(r"([A-Za-z][A-Za-z0-9-]*(?:_[A-Za-z][A-Za-z0-9-]*)*)_\d+")


def turns_of(value: Mapping[str, Any], *names: str) -> Sequence[Mapping[str, Any]]:
    """Return the turns under the first of some names that holds any; a list may be spelled as a text of JSON.

    Raises:
        NoTrajectory: there are none, or one is no object.
    """
    turns = list_of(next((value[name] for name in names if value.get(name)), None))
    if not isinstance(turns, list):
        there = ", but a text that holds no JSON list" if isinstance(turns, str) else ""
        raise NoTrajectory("no_turns", f"there is no list under {' or '.join(names)}{there}")
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict):
            raise NoTrajectory("malformed_turn", f"turn {number} is a {type(turn).__name__}, no object")
    return turns


def text_of(content: Any, losses: LeftOvers, place: str, *, is_agents: bool = False) -> str:
    """Return a content's text; parts that are no text are lost, and told by their type.

    Raises:
        NoTrajectory: it is neither text nor a list of parts; or an agent's, and a part is no text: what an agent did is
            trained on whole or not at all.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise NoTrajectory("malformed_turn", f"{place} is a {type(content).__name__}, no text")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in _TEXTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, dict) else type(part).__name__
            if is_agents:
                raise NoTrajectory("unread_part", f"{place}: a part of type {kind!r} is not read")
            losses.add(f"{place}[{kind}]", part=part)
    return "\n\n".join(texts)


def trained_of(
    value: Mapping[str, Any], turns: Sequence[Mapping[str, Any]], roles: Sequence[Role], losses: LeftOvers
) -> list[bool]:
    """Say of each turn whether the loss counts it: replies, but for those that their turn or the row takes out.

    Where nothing is said a reply is trained on, as loaders of such rows do; what is said and means nothing is told, and
    not trained on.
    """
    try:
        of_row = row_masks(value, roles)
    except UnknownMask:
        losses.add(UNKNOWN_MASK)
        of_row = [False] * len(roles)
    made = []
    for turn, role, mask in zip(turns, roles, of_row, strict=True):
        try:
            trained = role == "assistant" and mask is not False and read_mask(turn) is not False
        except UnknownMask:
            losses.add(UNKNOWN_MASK)
            trained = False
        made.append(trained)
    return made


def read_tools(value: Any, losses: LeftOvers, place: str = "tools") -> str | None:
    """Return declared tools as JSON text, a list of functions in OpenAI's form; None where there are none."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value) if value.strip() else None
        except orjson.JSONDecodeError:
            losses.add(f"{place} (no JSON)")
            return None
    if not value:
        return None
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        losses.add(f"{place} (no list of functions)")
        return None
    return canonical_json([tool if "function" in tool else _as_function(tool) for tool in value]).decode()


def _as_function(tool: Mapping[str, Any]) -> dict[str, Any]:
    parameters = tool.get("parameters") or tool.get("input_schema") or tool.get("inputSchema") or {}
    about = {"name": tool.get("name"), "description": tool.get("description") or "", "parameters": parameters}
    return {"type": "function", "function": about}


def arguments_text(value: Any) -> str:
    """Return a call's arguments as JSON text, as they were written where they were."""
    return value if isinstance(value, str) else orjson.dumps({} if value is None else value).decode()


def link_results(messages: Sequence[Message], losses: LeftOvers) -> tuple[Message, ...]:
    """Give every call an id of its own and every result that of its call; formats repeat ids, or have none.

    A result without a name takes the first call of the message before it that still waits.
    """
    calls = [call.call_id for message in messages for call in message.tool_calls]
    if len(set(calls)) == len(calls) and "" not in calls:
        return _name_results(messages)
    if any(count > 1 for id_, count in Counter(calls).items() if id_):
        losses.add(REPEATED_ID)
    numbered, made, waiting = 0, list[Message](), list[tuple[str, str]]()
    for message in messages:
        if message.role == "tool":
            at = next((n for n, (old, _) in enumerate(waiting) if message.tool_call_id in (None, "", old)), None)
            made.append(message.model_copy(update={"tool_call_id": waiting.pop(at)[1] if at is not None else None}))
            continue
        if message.tool_calls:
            named = tuple(
                call.model_copy(update={"call_id": f"call_{numbered + n}"})
                for n, call in enumerate(message.tool_calls, 1)
            )
            numbered += len(named)
            waiting = [(old.call_id, new.call_id) for old, new in zip(message.tool_calls, named, strict=True)]
            message = message.model_copy(update={"tool_calls": named})
        made.append(message)
    return tuple(made)


def _name_results(messages: Sequence[Message]) -> tuple[Message, ...]:
    made, waiting = list[Message](), list[str]()
    for message in messages:
        waiting += [call.call_id for call in message.tool_calls]
        if message.role == "tool":
            if not message.tool_call_id and waiting:
                message = message.model_copy(update={"tool_call_id": waiting[0]})
            waiting = [id_ for id_ in waiting if id_ != message.tool_call_id]
        made.append(message)
    return tuple(made)


def call_of(call_id: Any, name: Any, arguments: Any) -> ToolCall:
    """Make a call of what a format says.

    Raises:
        NoTrajectory: it has no name.
    """
    if not isinstance(name, str) or not name:
        raise NoTrajectory("malformed_turn", f"a call has the name {name!r}")
    return ToolCall(call_id=str(call_id or ""), name=name, arguments=arguments_text(arguments))


def world_of(row_id: Any) -> str | None:
    """Return the world or subset that an id such as `shop_12` names.

    >>> [world_of(one) for one in ("shop_12", "web_shop_3", "12", "a-b", None)]
    ['shop', 'web_shop', None, None, None]
    """
    match = _OF_A_WORLD.fullmatch(row_id) if isinstance(row_id, str) else None
    return match[1] if match else None


def object_of(value: Any) -> Mapping[str, Any]:
    """Return an object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def text_or_none(value: Any) -> str | None:
    """Return a text or a number as text, anything else as None."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
