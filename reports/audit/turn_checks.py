"""Checks of a row's turns: what is empty, leaked, called without tools, unanswered, or under a role not its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from formats.releases.spoken import arguments_of
from formats.sets.adp_documents import BY_THE_AGENT
from formats.sets.spoken_rows import NO_CALL
from formats.sets.turns import REPEATED_ID
from reports.audit.acting import is_finishing, texts
from reports.audit.defects import AuditedRow
from schemas.message import Message

Told = Iterator[tuple[str, str]]
"""Defect and detail."""
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\[/?TOOL_CALLS\]|\[/?AVAILABLE_TOOLS\]"
)
_CALL = re.compile(r"<(/?)(function|parameter|tool_call|tool_response|function_calls|invoke|tool_use)(?:=[\w.-]+)?[ >]")
_THINKING = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_CONTROL = re.compile(r"\x1b[\[\]()PX^_=>]|\x9b[0-9;]*[A-Za-z]|\x07|\x1b$")
_MARKED: dict[str, str] = {BY_THE_AGENT: "wrong_role", NO_CALL: "wrong_role", REPEATED_ID: "repeated_call_id"}
"""Loss of a reader -> the defect that it is."""


def check_turns(row: AuditedRow) -> Told:
    """Yield what is wrong with single turns and with the links between them."""
    for at, message in enumerate(row.messages):
        silent = not message.content.strip() and not message.tool_calls and not message.reasoning_content
        if silent and message.role != "tool":
            yield "empty_turn", f"turn {at} ({message.role}) says and calls nothing"
        if message.role == "assistant" and (leak := _leak(message, row)):
            yield "leaked_markup", f"turn {at} has {leak!r} in its words"
    found = next((match for text in texts(row.messages) if (match := _CONTROL.search(text))), None)
    if found:
        yield "control_codes", f"a text holds {found[0]!r}"
    yield from _check_arguments(row)
    yield from _check_tools(row)
    yield from _check_links(row)
    yield from ((_MARKED[loss], loss) for loss in row.losses if loss in _MARKED)


def _leak(message: Message, row: AuditedRow) -> str | None:
    """Return a mark that is no word: a template's; a call's beside real calls, in a thought or alone; half a thought's.

    Mark-up that is closed again in a row without calls of another form is how that row calls.
    """
    said = message.content
    if found := _TEMPLATE.search(said) or _TEMPLATE.search(message.reasoning_content or ""):
        return found[0]
    if found := _CALL.search(message.reasoning_content or ""):
        return found[0]
    marks = _CALL.findall(said)
    has_calls = row.tools is not None or any(one.tool_calls for one in row.messages)
    if marks and (has_calls or sum(not closing for closing, _ in marks) != len(marks) / 2):
        return _first(_CALL, said)
    thoughts = _THINKING.findall(said)
    return _first(_THINKING, said) if 2 * sum(not closing for closing in thoughts) != len(thoughts) else None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[0] if found else None


def _check_arguments(row: AuditedRow) -> Told:
    for at, message in enumerate(row.messages):
        for call in message.tool_calls:
            if arguments_of(call) is None:
                yield "broken_arguments", f"turn {at} calls {call.name} with {call.arguments[:80]!r}"


def _check_tools(row: AuditedRow) -> Told:
    called = {call.name for message in row.messages for call in message.tool_calls}
    if not called:
        return
    declared = {tool.get("function", {}).get("name") for tool in orjson.loads(row.tools)} if row.tools else set()
    if unknown := sorted(called - declared):
        has = f"it declares {', '.join(sorted(map(str, declared)))}" if declared else "it declares no tools"
        yield "calls_without_tools", f"calls {', '.join(unknown[:5])}; {has}"


def _check_links(row: AuditedRow) -> Told:
    waiting: dict[str, int] = {}
    for at, message in enumerate(row.messages):
        if message.role == "tool":
            if waiting.pop(message.tool_call_id or "", None) is None:
                yield "stray_result", f"turn {at} answers no call before it"
            continue
        if waiting:
            if message.role == "user":
                yield "wrong_role", f"turn {at} follows a call and is marked as the user's"
            else:
                yield "unanswered_call", f"the call of turn {max(waiting.values())} has no result"
        waiting = {call.call_id: at for call in message.tool_calls}
    last = row.messages[-1] if row.messages else None
    if waiting and last is not None and not (last.role == "assistant" and (is_finishing(last) or row.claims_success)):
        yield "unanswered_call", f"the row ends with the call of turn {max(waiting.values())}, unanswered"
