"""Words an agent row as native tool calls, whatever wording it was collected and curated in.

The row says what was thought (thoughts that were filled in stand nowhere else), its episode's turns say what was done
and seen, the world's `tools` dialect says how that is worded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from environments.base import Dialect
from environments.registry import Worlds
from schemas.episode import Turn
from schemas.errors import ConfigError
from schemas.message import Message, describe_tools
from schemas.task_spec import TaskSpec

DIALECT = "tools"
ROUND = "round"
LEFT_OUT = {
    "no_world": "their world is not part of this configuration, or not installed",
    "no_tools": "their world has no tools dialect",
    "no_turns": "their episode's turns are not those that the row was made of",
    "no_such_tool": "an action of theirs is none that the world's tools can do",
    "recorded_words": "they were recorded elsewhere in words, without a call",
    "hidden": "placeholders stand in them for secrets or personal data, and their turns are as they were",
    ROUND: "they are a later round of an episode that stands there whole",
}
"""Reason -> why rows are not there as calls."""
_MARK = "\u0001thought\u0001"


def word_as_calls(
    worlds: Worlds, spec: TaskSpec, dialect: str, said: Sequence[Message], turns: Sequence[Turn]
) -> tuple[tuple[Message, ...], str] | str:
    """Return a row's messages as calls and its tools' JSON text, or why it cannot be.

    Args:
        dialect: of the row.
        said: what it trains on, in order; where an episode is several rows, of all of them.
        turns: those of its episode that were understood, in order.
    """
    try:
        own = worlds.dialect(spec.environment, dialect)
    except ConfigError:
        return "no_world"
    try:
        calling = worlds.dialect(spec.environment, DIALECT)
    except ConfigError:
        return "no_tools"
    thought = _with_thoughts(own, said, turns)
    if not thought:
        return "no_turns"
    (messages,) = calling.conversations(spec, thought)
    known = {tool.name for tool in calling.tools()}
    if any(call.name not in known or not _is_object(call.arguments) for m in messages for call in m.tool_calls):
        return "no_such_tool"
    return tuple(map(_think_apart, messages)), describe_tools(calling.tools())


def _with_thoughts(own: Dialect, said: Sequence[Message], turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns with the thoughts that the row has; none where it was made of others."""
    if len(said) != len(turns):
        return []
    found = [_with_thought(own, message, turn) for message, turn in zip(said, turns, strict=True)]
    return [turn for turn in found if turn] if all(found) else []


def _with_thought(own: Dialect, message: Message, turn: Turn) -> Turn | None:
    """Return the turn with the thought that its message was worded from: its own, one filled in, or none."""
    reasoned = turn.model_copy(update={"reasoning": message.reasoning_content})
    for thought in _thoughts(own, message, reasoned):
        made = reasoned if thought == reasoned.thought else reasoned.model_copy(update={"thought": thought})
        if own.write(made) == message:
            return made
    return None


def _thoughts(own: Dialect, message: Message, turn: Turn) -> Iterator[str | None]:
    """Yield what a message may have been worded from; the last is looked for where the others were not it."""
    yield turn.thought
    yield None
    before, _, after = own.write(turn.model_copy(update={"thought": _MARK})).content.partition(_MARK)
    yield message.content[len(before) : len(message.content) - len(after)]


def _think_apart(message: Message) -> Message:
    """Let what was said beside a call stand as the thought that it is; beside reasoning it stays what was said."""
    if message.role != "assistant" or message.reasoning_content or not message.content:
        return message
    return message.model_copy(update={"content": "", "reasoning_content": message.content})


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False
