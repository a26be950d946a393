"""Sessions of coding agents as their harness wrote them: one file of events, one session.

Claude Code (`user` and `assistant` events with content blocks), Codex (`response_item` events) and the sessions of Pi
and of the hub's trace viewer (`message` events). What else a harness writes (snapshots, counts, its own words) is lost,
and told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from formats.sets.chat_rows import read_messages
from formats.sets.content_blocks import CALLS, RESULT
from formats.sets.reading import LeftOvers, NoTrajectory, RowTold
from formats.sets.session_lines import by_people_and_models, join_lines, parts_of
from formats.sets.turns import arguments_text, object_of, text_or_none

Event = Mapping[str, Any]
_HARNESSES = {
    **dict.fromkeys(("user", "assistant"), "claude_code"),
    **dict.fromkeys(("session_meta", "turn_context", "response_item", "event_msg"), "codex"),
    **dict.fromkeys(("session", "message"), "pi"),
    "session_start": "droid",
}
"""Type of an event -> the harness that writes such (as `datasets` 5.2 tells them)."""
_ROLES = {"toolResult": "tool"}
UNASKED = "replies to the harness's own words alone (not trained on)"
"""The loss of replies before which nobody asked anything."""


def is_event(value: object) -> bool:
    """Whether a value is an event of a session, and no row."""
    return isinstance(value, dict) and "messages" not in value and isinstance(value.get("type"), str)


def read_session(events: Iterable[Event], losses: LeftOvers) -> RowTold:
    """Read the events of one session.

    Raises:
        NoTrajectory: nothing in it is a turn.
    """
    turns: list[dict[str, Any]] = []
    agent = session = model = None
    is_unasked = False
    for event in join_lines(events, losses):
        payload, said = object_of(event.get("payload")), object_of(event.get("message"))
        agent = agent or text_or_none(event.get("harness")) or _HARNESSES.get(str(event.get("type")))
        session = session or _session_of(event, payload)
        kept = by_people_and_models(event, losses)
        if kept is None:
            is_unasked = is_unasked or not turns or _is_reply(turns[-1])
            continue
        model = model or text_or_none(said.get("model")) or text_or_none(payload.get("model"))
        made = list(_turns(kept, losses))
        for turn in made:
            is_unasked = is_unasked and not _is_asked(turn)
            _add(turns, {**turn, "weight": 0} if is_unasked and turn["role"] == "assistant" else turn, event)
        if is_unasked and made:
            losses.add(UNASKED)
    if not turns:
        raise NoTrajectory("no_turns", "none of its events is a turn")
    return RowTold(messages=read_messages(turns, losses), row_id=session, model=model, agent=agent)


def _is_reply(turn: Mapping[str, Any]) -> bool:
    """Whether a turn ends what was asked for: an agent's, and it waits for no result."""
    calls = (part for part in parts_of(turn.get("content")) if isinstance(part, dict) and part.get("type") in CALLS)
    return turn["role"] == "assistant" and not turn.get("tool_calls") and not any(calls)


def _is_asked(turn: Mapping[str, Any]) -> bool:
    """Whether a person says something in a turn: what calls gave stands under the same role."""
    parts = parts_of(turn.get("content"))
    return turn["role"] == "user" and any(not isinstance(one, dict) or one.get("type") != RESULT for one in parts)


def _add(turns: list[dict[str, Any]], turn: dict[str, Any], event: Event) -> None:
    """Add a turn; what Codex logs of one turn of the model, item by item, is one."""
    before = turns[-1] if turns else {}
    is_same = before.get("role") == turn["role"] == "assistant" and before.get("weight") == turn.get("weight")
    if not is_same or event.get("type") != "response_item":
        turns.append(turn)
        return
    thoughts = (before.get("reasoning_content"), turn.get("reasoning_content"))
    turns[-1] = {
        **turn,
        "content": [*parts_of(before.get("content")), *parts_of(turn.get("content"))],
        "tool_calls": [*(before.get("tool_calls") or ()), *(turn.get("tool_calls") or ())],
        "reasoning_content": "\n\n".join(filter(None, thoughts)) or None,
    }


def _session_of(event: Event, payload: Mapping[str, Any]) -> str | None:
    named = text_or_none(event.get("sessionId")) or text_or_none(event.get("session_id"))
    is_first = event.get("type") in ("session", "session_start")
    of_codex = payload.get("id") if event.get("type") == "session_meta" else None
    return named or text_or_none(event.get("id") if is_first else of_codex)


def _turns(event: Event, losses: LeftOvers) -> Iterator[dict[str, Any]]:
    kind, said = event.get("type"), object_of(event.get("message"))
    if event.get("isSidechain"):
        losses.add("events of sub-agents")
    elif kind == "response_item":
        yield from _of_codex(object_of(event.get("payload")), losses)
    elif kind in ("user", "assistant", "system", "message") and said.get("role"):
        yield {
            "role": _ROLES.get(str(said["role"]), said["role"]),
            "content": said.get("content"),
            "tool_calls": said.get("toolCalls") or said.get("tool_calls"),
            "tool_call_id": said.get("toolCallId") or said.get("tool_call_id"),
        }
    else:
        losses.add(f"events of type {kind}")


def _of_codex(item: Event, losses: LeftOvers) -> Iterator[dict[str, Any]]:
    kind, call_id = item.get("type"), item.get("call_id")
    if kind == "message":
        yield {"role": item.get("role"), "content": item.get("content")}
    elif kind in ("function_call", "custom_tool_call"):
        arguments = item.get("arguments") if kind == "function_call" else {"input": item.get("input")}
        call = {"id": call_id, "function": {"name": item.get("name"), "arguments": arguments}}
        yield {"role": "assistant", "content": "", "tool_calls": [call]}
    elif kind in ("function_call_output", "custom_tool_call_output"):
        output = item.get("output")
        text = output if isinstance(output, str | list) else arguments_text(output)
        yield {"role": "tool", "content": text, "tool_call_id": call_id}
    elif kind == "reasoning" and item.get("summary"):
        parts = [part.get("text") for part in item["summary"] if isinstance(part, dict)]
        yield {"role": "assistant", "content": "", "reasoning_content": "\n\n".join(filter(None, parts))}
    else:
        losses.add(f"response_item {kind}")
