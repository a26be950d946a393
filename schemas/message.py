"""Message: one turn of speech, in a request and in a training row alike; and the calls that a message can hold.

JSON that somebody else defines (a tool's parameters, a call's arguments) stays text: it is hashed, stored and sent as
it was written.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import orjson

from schemas.record import Record, canonical_json, first_form, later_defaults

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(Record):
    """One call that a model made."""

    call_id: str
    name: str
    arguments: str
    """JSON text as the model wrote it; it may be broken."""


class Tool(Record):
    """A function that a model may call."""

    name: str
    description: str
    parameters: str
    """JSON Schema of the arguments."""


class Message(Record):
    role: Role
    content: str
    train: bool = False
    """Whether the loss counts on it: the solver's own turns, never the one-shot example or an acknowledgement."""
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant called in this message."""
    tool_call_id: str | None = None
    """The call that a message of role `tool` answers."""
    reasoning_content: str | None = None
    """What the assistant thought before it spoke, where it is kept apart from the content."""

    @property
    def asked(self) -> dict[str, Any]:
        """What counts of it in a request's id: as requests were first stored, before a row was the same record.

        Calls counted even where there were none; whether a row trains on it never did.
        """
        calls = [first_form(call) for call in self.tool_calls]
        asked = {"role": self.role, "content": self.content, "tool_calls": calls, "tool_call_id": self.tool_call_id}
        for name, default in _later_fields():
            if (value := getattr(self, name)) != default:
                asked[name] = value
        return asked

    @property
    def spelled(self) -> str:
        """Return it as plain text: the words, then each call as `name(arguments)`."""
        calls = [f"{call.name}({call.arguments})" for call in self.tool_calls]
        return "\n\n".join(part for part in (self.content, "\n".join(calls)) if part)

    @property
    def tokens(self) -> int:
        """Estimate its tokens: words, reasoning and calls."""
        calls = (text for call in self.tool_calls for text in (call.name, call.arguments))
        return sum(map(approximate_tokens, (self.content, self.reasoning_content or "", *calls)))


@functools.cache
def _later_fields() -> tuple[tuple[str, Any], ...]:
    """Return the fields that messages of requests have gained since requests were first stored, with their defaults."""
    later = later_defaults(Message).keys() - {"tool_calls", "tool_call_id"}
    return tuple((name, Message.model_fields[name].get_default(call_default_factory=True)) for name in sorted(later))


def describe_tools(tools: Sequence[Tool]) -> str:
    """Return tools as JSON text, in the form that chat templates and trainers take."""
    return canonical_json(
        [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": orjson.loads(tool.parameters),
                },
            }
            for tool in tools
        ]
    ).decode()


def approximate_tokens(text: str) -> int:
    """Estimate tokens as UTF-8 bytes / 4, rounded up: stable, tokenizer-free, within about 20 % for English."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
