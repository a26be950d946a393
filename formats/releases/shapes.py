"""Brings rows into the narrower shapes that some trainers read: no calls, no thoughts apart, replies in turns.

What a shape has no place for is said in words where that keeps every word, else the row is left out for a reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from formats.releases.release_folder import ReleaseRow
from formats.releases.spoken import BROKEN_ARGUMENTS
from schemas.message import Message

REASONING = "reasoning"
TWO_REPLIES = "two_replies"
NO_QUESTION = "no_question"
NO_PROMPT = "no_prompt"
REASONS = {
    REASONING: "keeps thoughts apart from the reply: the form has no place for them",
    TWO_REPLIES: "has two replies in a row, one of them trained on: the form wants question and reply in turns",
    NO_QUESTION: "begins with a reply: the form wants a question first",
    NO_PROMPT: "begins with what is trained on: there is nothing to answer",
    BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object: the trainer's reader stops there",
}
_TOOLS = "Functions that may be called, as name(arguments) with the arguments in JSON:"
_ASKING = ("user", "tool")


def reasons(*names: str) -> dict[str, str]:
    """Return some of the reasons with what they say."""
    return {name: REASONS[name] for name in names}


def spell_calls(row: ReleaseRow) -> ReleaseRow | str:
    """Say calls in words: `name(arguments)` below the reply, results as the user's, tools in the system text."""
    if any(message.reasoning_content for message in row.messages):
        return REASONING
    if not row.has_calls:
        return row
    system = [Message(role="system", content=f"{_TOOLS}\n{row.tools}")] if row.tools else []
    said = [_spell(message) for message in row.messages]
    at = 1 if said and said[0].role == "system" else 0
    return row._replace(messages=(*said[:at], *system, *said[at:]), tools=None)


def _spell(message: Message) -> Message:
    if message.role == "tool":
        return Message(role="user", content=message.content)
    return Message(role=message.role, content=message.spelled, train=message.train)


def take_turns(messages: Iterable[Message]) -> tuple[Message, ...] | str:
    """Return one system message at most, then questions and replies in turns, or the reason why they cannot be.

    Joined are texts of one side in a row, a blank line between, unless the loss counts on one of them. A system message
    that comes later is the user's.
    """
    turns: list[Message] = []
    for message in messages:
        last = turns[-1] if turns else None
        if message.role == "system" and last is not None and last.role != "system":
            message = Message(role="user", content=message.content)
        if last is None or last.role != message.role or message.role == "tool":
            turns.append(message)
        elif last.train or message.train:
            return TWO_REPLIES
        else:
            turns[-1] = _join(last, message)
    first = next((message for message in turns if message.role != "system"), None)
    return NO_QUESTION if first is None or first.role not in _ASKING else tuple(turns)


def _join(first: Message, second: Message) -> Message:
    text = "\n\n".join(part for part in (first.content, second.content) if part)
    return first.model_copy(update={"content": text, "tool_calls": (*first.tool_calls, *second.tool_calls)})


def trained_of(messages: Sequence[Message]) -> list[Message]:
    """Return the messages that the loss counts on."""
    return [message for message in messages if message.train]


def is_asked(messages: Sequence[Message]) -> bool:
    """Whether something is asked before the first message that the loss counts on."""
    before = itertools.takewhile(lambda message: not message.train, messages)
    return any(message.role in _ASKING for message in before)


def think_aloud(message: Message) -> str:
    """Return a reply's words, its thoughts before them in think tags, where a form has no other place for these."""
    if not message.reasoning_content:
        return message.content
    return f"<think>\n{message.reasoning_content.strip()}\n</think>\n\n{message.content}"
