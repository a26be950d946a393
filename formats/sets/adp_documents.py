"""ADP 1.0 to 1.2, the Agent Data Protocol: a standardised trajectory a value. The inverse of `formats/releases/adp.py`.

Actions that follow each other without a word of their own are calls of one message. A result is that of a call where it
says so, or where the environment gave it; one that is marked as the user's stays the user's, as the set says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from formats.catalogue import LICENSE, Given, Importer
from formats.json_values import read_values
from formats.releases.adp import METADATA
from formats.sets.chat_rows import ABOUT
from formats.sets.declare import NAME, common_of
from formats.sets.reading import NO_ROWS, UNREADABLE_SET, LeftOvers, NoTrajectory, RowTold, make_row
from formats.sets.turns import call_of, link_results, object_of, read_tools, text_of, text_or_none, turns_of, world_of
from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.foreign_row import ForeignRow
from schemas.message import Message, ToolCall
from schemas.rejection import Rejection

BY_THE_AGENT = "content[].source = agent: the agent's words, marked as an observation"
_DOCUMENT = ("schema_version", "id", "content", "details")
_NAMED = ("available_custom_tools", "available_apis")
_DETAILS = (*ABOUT, "system", "task_id")
_ACTION = ("class_", "content", "description", "reasoning_content", "tool_call_id")
_CALL = (*_ACTION, "function", "kwargs", "language")
_SEEN = ("class_", "content", "source", "tool_call_id", "html", "axtree", "url")
Tools = Mapping[str, Mapping[str, Any]]


def read_trajectory(value: Mapping[str, Any], losses: LeftOvers, tools: Tools) -> RowTold:
    """Read a trajectory; `tools` are those that the set's metadata describes, by name.

    Raises:
        NoTrajectory: it is none.
    """
    details = object_of(value.get("details"))
    named = [name for key in _NAMED for name in value.get(key) or [] if isinstance(name, str)]
    for name in named:
        if name not in tools:
            losses.add("available_custom_tools[] (a name that no metadata.json describes)")
    losses.rest(value, (*_DOCUMENT, *_NAMED))
    losses.rest(details, _DETAILS, "details.")
    system = text_or_none(details.get("system"))
    messages = [Message(role="system", content=system)] if system else []
    for part in turns_of(value, "content"):
        messages = _add(messages, part, losses)
    row_id, reward, success = text_or_none(value.get("id")), details.get("reward"), details.get("success")
    return RowTold(
        messages=link_results(messages, losses),
        tools=read_tools([tools[name] for name in named if name in tools], losses),
        row_id=row_id,
        environment=text_or_none(details.get("environment")) or world_of(row_id),
        model=text_or_none(details.get("model")),
        license=text_or_none(details.get("license")),
        success=success if isinstance(success, bool) else None,
        reward=float(reward) if isinstance(reward, int | float) else None,
    )


def _add(messages: list[Message], part: Mapping[str, Any], losses: LeftOvers) -> list[Message]:
    kind = part.get("class_") or part.get("class")
    if kind in ("api_action", "code_action"):
        return _add_call(messages, part, losses)
    if kind == "message_action":
        losses.rest(part, _ACTION, "content[].")
        thought = text_or_none(part.get("reasoning_content")) or text_or_none(part.get("description"))
        said = text_of(part.get("content"), losses, "content[].content", is_agents=True)
        return [*messages, Message(role="assistant", content=said, train=True, reasoning_content=thought)]
    if kind in ("text_observation", "web_observation", "image_observation"):
        return [*messages, _seen(messages, part, losses)]
    raise NoTrajectory("unknown_role", f"a part is of class {kind!r}")


def _add_call(messages: list[Message], part: Mapping[str, Any], losses: LeftOvers) -> list[Message]:
    losses.rest(part, _CALL, "content[].")
    is_code = (part.get("class_") or part.get("class")) == "code_action"
    name, given = (
        (part.get("language"), {"code": part.get("content")}) if is_code else (part.get("function"), part.get("kwargs"))
    )
    call: ToolCall = call_of(part.get("tool_call_id"), name, given)
    words, thought = text_or_none(part.get("description")), text_or_none(part.get("reasoning_content"))
    last = messages[-1] if messages else None
    if last is not None and last.tool_calls and not words and not thought:
        return [*messages[:-1], last.model_copy(update={"tool_calls": (*last.tool_calls, call)})]
    made = Message(role="assistant", content=words or "", train=True, tool_calls=(call,), reasoning_content=thought)
    return [*messages, made]


def _seen(messages: list[Message], part: Mapping[str, Any], losses: LeftOvers) -> Message:
    losses.rest(part, _SEEN, "content[].")
    text = text_of(part.get("content") or part.get("axtree") or part.get("html"), losses, "content[].content")
    if part.get("class_") != "text_observation":
        losses.add(f"content[]: a {part.get('class_')}, of which the text is kept")
    if part.get("source") == "agent":
        losses.add(BY_THE_AGENT)
        return Message(role="assistant", content=text)
    answers = text_or_none(part.get("tool_call_id"))
    follows_calls = next((bool(m.tool_calls) for m in reversed(messages) if m.role != "tool"), False)
    if answers or (part.get("source") != "user" and follows_calls):
        return Message(role="tool", content=text, tool_call_id=answers)
    return Message(role="user", content=text)


def read_files(paths: Any, given: Given) -> Iterator[ForeignRow | Rejection]:
    """Yield every trajectory of some files; the tools that they name stand in metadata.json beside each.

    Raises:
        InputError: a file cannot be read at all.
    """
    for path in paths:
        if path.name in (*NO_ROWS, METADATA):
            continue
        read = partial(read_trajectory, tools=_described(path.parent / METADATA))
        for row in read_values(path):
            yield make_row(path.name, row, common_of("adp", given), read)


def _described(path: Path) -> Tools:
    try:
        found = parse_json(read_file(path)) if path.is_file() else {}
    except NotJson:
        return {}
    custom = object_of(found).get("custom_tools")
    functions = [tool for tool in custom if isinstance(tool, dict)] if isinstance(custom, list) else []
    return {str((object_of(tool.get("function")) or tool).get("name")): tool for tool in functions}


IMPORTER = Importer(
    name="adp",
    kind="sets",
    summary="ADP 1.0 to 1.2 (Agent Data Protocol): a standardised trajectory a value",
    page="foreign-sets.md",
    options=(NAME, LICENSE),
    read=read_files,
    reasons=UNREADABLE_SET,
)
