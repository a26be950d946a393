"""Calls of tools and what they gave, as chats spell them: OpenAI's `tool_calls`, `function_call`, ShareGPT's roles.

A chat whose calls and results do not pair is told: a trainer's template would, later, and without its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from schemas.message import Message, ToolCall

CALLING = frozenset({"function_call", "tool_call", "function-call", "tool-call", "tool_calls"})
"""Roles whose text is a call, or a list of them, as JSON."""
GIVING = frozenset({"observation", "tool", "function", "tool_response", "function_response", "tool_result", "ipython"})
"""Roles whose text is what a call gave."""


class UnpairedCall(ValueError):
    """A call cannot be read, or has no result; or a result has no call. The text says which."""


def read_calls(item: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """Return the calls that a message holds beside its words.

    Raises:
        UnpairedCall: one has no name, or arguments that are neither text nor an object.
    """
    said = item.get("tool_calls") or []
    if item.get("function_call"):
        said = [*(said if isinstance(said, list) else [said]), item["function_call"]]
    return tuple(_read_call(one) for one in (said if isinstance(said, list) else [said]))


def parse_calls(text: str) -> tuple[ToolCall, ...]:
    """Return the calls that the text of a calling role holds.

    Raises:
        UnpairedCall: it is no JSON, or none of a call.
    """
    text = text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnpairedCall(f"a call is no JSON: {text[:100]!r}") from error
    found = tuple(_read_call(one) for one in (value if isinstance(value, list) else [value]))
    if not found:
        raise UnpairedCall("a calling message holds no call")
    return found


def _read_call(said: Any) -> ToolCall:
    if isinstance(said, str):
        try:
            said = orjson.loads(said)
        except orjson.JSONDecodeError:
            said = None
    inner = said.get("function") if isinstance(said, Mapping) else None
    told = inner if isinstance(inner, Mapping) else said
    name = told.get("name") if isinstance(told, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(told, Mapping) or not isinstance(name, str) or not name:
        raise UnpairedCall(f"a call has no name: {str(said)[:100]}")
    given = told.get("arguments", told.get("parameters"))
    if not isinstance(given, str | dict | None):
        raise UnpairedCall(f"the arguments of {name} are {type(given).__name__}, neither text nor an object")
    arguments = given if isinstance(given, str) else orjson.dumps(given or {}).decode()
    call_id = said.get("id")
    return ToolCall(call_id="" if call_id is None else str(call_id), name=name, arguments=arguments)


def pair_calls(messages: Sequence[Message]) -> list[Message]:
    """Give every call an id and every result the id of its call; a chat's results come right behind its calls.

    Raises:
        UnpairedCall: a call has no result, or a result no call.
    """
    paired: list[Message] = []
    waiting: list[ToolCall] = []
    for index, message in enumerate(messages):
        if message.role == "tool":
            call = _answered(message, waiting, index)
            waiting.remove(call)
            paired.append(message.model_copy(update={"tool_call_id": call.call_id}))
            continue
        if waiting:
            raise UnpairedCall(f"the call of {waiting[0].name} has no result before message {index}")
        calls = tuple(
            call if call.call_id else call.model_copy(update={"call_id": f"call_{index}_{number}"})
            for number, call in enumerate(message.tool_calls)
        )
        waiting = list(calls)
        paired.append(message.model_copy(update={"tool_calls": calls}) if calls else message)
    if waiting:
        raise UnpairedCall(f"the call of {waiting[0].name} has no result")
    return paired


def _answered(message: Message, waiting: Sequence[ToolCall], index: int) -> ToolCall:
    if not waiting:
        raise UnpairedCall(f"message {index} gives the result of no call")
    if message.tool_call_id is None:
        return waiting[0]
    found = next((call for call in waiting if call.call_id == message.tool_call_id), None)
    if found is None:
        raise UnpairedCall(f"message {index} answers the call {message.tool_call_id[:100]!r}, which nobody made")
    return found


def read_tools(value: Mapping[str, Any]) -> str | None:
    """Return a row's tools as JSON text, as chat templates take them; None where it names none.

    Raises:
        UnpairedCall: they are no list of objects.
    """
    said = next((value[key] for key in ("tools", "functions") if value.get(key)), None)
    if isinstance(said, str):
        try:
            said = orjson.loads(said)
        except orjson.JSONDecodeError as error:
            raise UnpairedCall(f"its tools are no JSON: {said[:100]!r}") from error
    if said is None or said == []:
        return None
    if isinstance(said, dict):
        said = [said]
    if not isinstance(said, list) or not all(isinstance(tool, dict) for tool in said):
        raise UnpairedCall(f"its tools are {type(said).__name__}, no list of objects")
    wrapped = [tool if "function" in tool else {"type": "function", "function": tool} for tool in said]
    return orjson.dumps(wrapped, option=orjson.OPT_SORT_KEYS).decode()
