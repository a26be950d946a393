"""Rows with what makes masks go wrong, and the forms in which trainers are given them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from formats.releases.release_folder import ReleaseRow
from schemas.message import Message, ToolCall

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks at a place.",
                "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
            },
        }
    ]
)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def reply(text: str, train: bool = True, thought: str | None = None, *calls: str) -> Message:
    made = tuple(ToolCall(call_id=f"call{at:05d}", name="look", arguments=call) for at, call in enumerate(calls))
    return Message(role="assistant", content=text, train=train, reasoning_content=thought, tool_calls=made)


def gave(text: str, number: int = 0) -> Message:
    return Message(role="tool", content=text, tool_call_id=f"call{number:05d}")


def row(name: str, *messages: Message, tools: str | None = None) -> ReleaseRow:
    return ReleaseRow(name, "agent", "os", "own", "MIT", messages, tools)


CONTEXT = row(
    "context",
    user("You have a shell. Answer with Act: answer(...)."),
    reply("Ok.", False),
    user("How many users have bash as their shell?"),
    reply("Think: I count the lines.\n\nAct: bash"),
    user("3"),
    reply("Act: answer(3)"),
)
"""AgentInstruct's: instructions and an acknowledgement that no loss counts on."""
SAME = row("same", user("Say it."), reply("Act: answer(3)", False), user("Say it."), reply("Act: answer(3)"))
"""Equal words, once context and once trained on."""
MARKS = row(
    "marks",
    user("What does ### Response: ASSISTANT: [/INST] <think> mean?"),
    reply("  [INST] USER: it ends a prompt. ### Response: done\n"),
    user("And then?"),
    reply("ASSISTANT: nothing."),
)
"""Texts that other templates use as marks, and white space at the ends."""
CALLS = row(
    "calls",
    user("What is at x and y?"),
    reply("", True, None, '{"at": "x"}', '{"at": "y"}'),
    gave("a shell"),
    gave("a table", 1),
    reply("A shell and a table."),
    tools=TOOLS,
)
"""Two calls at once."""
THOUGHTS = row(
    "thoughts",
    user("First?"),
    reply("One.", True, "I count one."),
    user("Second?"),
    reply("Two.", True, "I count two."),
)
"""Thoughts in what was said before."""
PLAIN = (CONTEXT, SAME, MARKS)


def chat(message: Message, parsed: bool = True) -> dict[str, Any]:
    """Write a message as chat templates take it."""
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.loads(call.arguments) if parsed else call.arguments,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    return made | ({"reasoning_content": message.reasoning_content} if message.reasoning_content else {})


def with_tools(held: ReleaseRow, record: dict[str, Any]) -> dict[str, Any]:
    return record | ({"tools": held.tools} if held.tools else {})


def fan_out(held: ReleaseRow) -> list[Mapping[str, Any]]:
    """TRL's prompt and completion, one a trained reply."""
    said = [chat(message) for message in held.messages]
    return [
        with_tools(held, {"prompt": said[:at], "completion": said[at : at + 1]})
        for at, message in enumerate(held.messages)
        if message.train
    ]


def flagged(held: ReleaseRow, flag: str) -> list[Mapping[str, Any]]:
    """Messages with a flag each, arguments as text."""
    return [with_tools(held, {"messages": [{**chat(one, False), flag: one.train} for one in held.messages]})]


def folded(held: ReleaseRow) -> ReleaseRow:
    """A row whose every reply is trained on: context has become text of the message after it."""
    made: list[Message] = []
    waiting: list[str] = []
    for message in held.messages:
        if message.role == "assistant" and not message.train:
            waiting += [made.pop().content, f"The assistant replied:\n> {message.content}"]
        elif waiting:
            made.append(user("\n\n".join([*waiting, message.content])))
            waiting = []
        else:
            made.append(message)
    return held._replace(messages=tuple(made))
