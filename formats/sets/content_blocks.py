"""Messages of content blocks (text, thinking, tool_use, tool_result), as Anthropic's API and harnesses on it have them.

A call and what it gave are blocks among the words there, and messages of their own here. What is no such block stays
where it stood, for the reader of texts to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from formats.sets.reading import LeftOvers
from formats.sets.turns import text_of

CALLS = ("tool_use", "toolCall")
RESULT = "tool_result"
THOUGHTS = ("thinking", "redacted_thinking")


def split_blocks(said: Mapping[str, Any], losses: LeftOvers) -> Iterator[dict[str, Any]]:
    """Yield the messages that a message's blocks are, in their order; one without such blocks as it stands."""
    if not _has_blocks(said.get("content")):
        yield dict(said)
        return
    rest = {key: value for key, value in said.items() if key != "content"}
    turn = _Turn()
    for part in said["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == RESULT:
            if turn.holds_anything:
                yield turn.as_message(rest)
                turn, rest = _Turn(), {**rest, "tool_calls": None}
            losses.rest(part, ("type", "tool_use_id", "content"), "tool_result.")
            text = text_of(part.get("content"), losses, "tool_result.content")
            yield {"role": "tool", "content": text, "tool_call_id": part.get("tool_use_id")}
        else:
            turn.add(part, kind, losses)
    if turn.holds_anything:
        yield turn.as_message(rest)


class _Turn:
    """What one side says before a result stands between."""

    def __init__(self) -> None:
        self.words: list[Any] = []
        self.thoughts: list[str] = []
        self.calls: list[dict[str, Any]] = []

    @property
    def holds_anything(self) -> bool:
        return bool(self.words or self.thoughts or self.calls)

    def add(self, part: Any, kind: str | None, losses: LeftOvers) -> None:
        if kind in CALLS:
            arguments = part.get("input", part.get("arguments"))
            self.calls.append({"id": part.get("id"), "function": {"name": part.get("name"), "arguments": arguments}})
            losses.rest(part, ("type", "id", "name", "input", "arguments"), f"{kind}.")
        elif kind == "thinking" and isinstance(part.get("thinking"), str) and part["thinking"]:
            self.thoughts.append(part["thinking"])
            losses.rest(part, ("type", "thinking"), "thinking.")
        elif kind in THOUGHTS:
            losses.add(f"{kind} (no text)", part=part)
        else:
            self.words.append(part)

    def as_message(self, rest: Mapping[str, Any]) -> dict[str, Any]:
        calls = self.calls or rest.get("tool_calls")
        thought = "\n\n".join(self.thoughts) or rest.get("reasoning_content")
        return {**rest, "content": self.words, "tool_calls": calls, "reasoning_content": thought}


def _has_blocks(content: Any) -> bool:
    known = (*CALLS, RESULT, *THOUGHTS)
    return isinstance(content, list) and any(isinstance(part, dict) and part.get("type") in known for part in content)
