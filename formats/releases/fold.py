"""Folds context into system and user messages, for trainers that train every assistant message and know no flag.

AgentInstruct's rows hold context as turns: instructions, "Ok.", the one-shot example. `assistant_only_loss` (TRL),
verl, OpenRLHF and most others would train on them. Folded, what stands before the task is in the system message, what
stands later in the user message after it, as quoted text under labels that are no chat template's marks; no word is
lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from schemas.message import Message, Role

_LABELS: dict[Role, str] = {
    "system": "The instructions were:",
    "user": "The user wrote:",
    "assistant": "The assistant replied:",
    "tool": "The tool gave:",
}
"""Not `User:`, `ASSISTANT:`, `Human:`, `### Response:`: templates and mask finders have these for marks."""
_THOUGHT = "The assistant thought:"


def fold_context(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages in which every assistant message is trained on, and every word of the others still stands.

    Roles are as chat templates want them: one system message at most, first; then user and assistant in turns, with
    what calls gave after the message that called. Messages that have no context among them come back as they are.
    """
    if not any(_is_context(messages, index) for index in range(len(messages))):
        return tuple(messages)
    system = [messages[0]] if messages[0].role == "system" else []
    folded: list[Message] = []
    waiting: list[Message] = []
    for message in messages[len(system) :]:
        if not message.train or message.role != "assistant":
            waiting.append(message)
            continue
        folded += _between(waiting, folded) if folded else _opening(system, waiting)
        folded = [*folded[:-1], _join(folded[-1], message)] if _is_reply(folded[-1:]) else [*folded, message]
        waiting = []
    return (*folded, *(_between(waiting, folded) if folded else _opening(system, waiting)))


def _is_context(messages: Sequence[Message], index: int) -> bool:
    """Whether a message cannot stand as it is: an untrained reply, or a role where no template takes it."""
    before, message = messages[index - 1] if index else None, messages[index]
    if message.role == "assistant":
        return not message.train or before is None or before.role in ("system", "assistant")
    if message.role == "tool":
        return before is None or not (before.role == "tool" or before.tool_calls)
    return before is not None and (message.role == "system" or before.role == "user")


def _opening(system: Sequence[Message], said: Sequence[Message]) -> list[Message]:
    """Fold what stands before the first trained reply: the task is the user's, all before it the system's."""
    before, own, after = _around_the_task(said)
    if not system and before and before[0].role == "user":  # how AgentInstruct gives its instructions
        system, before = before[:1], before[1:]
    told = _paragraphs([*(one.content for one in system), *_quote(before)])
    asked = _paragraphs([*(one.content for one in own), *_quote(after)])
    if not asked:
        return [Message(role="user", content=told)] if told else []
    return [*([Message(role="system", content=told)] if told else []), Message(role="user", content=asked)]


def _between(said: Sequence[Message], folded: Sequence[Message]) -> list[Message]:
    """Fold what stands after a trained reply: what its calls gave stays, the rest is one user message."""
    calls = _is_reply(folded[-1:]) and folded[-1].tool_calls
    given = next((n for n, one in enumerate(said) if one.role != "tool"), len(said)) if calls else 0
    before, own, after = _around_the_task(said[given:])
    text = _paragraphs([*_quote(before), *(one.content for one in own), *_quote(after)])
    return [*said[:given], *([Message(role="user", content=text)] if text else [])]


def _around_the_task(said: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message], Sequence[Message]]:
    """Cut at the last messages of the user in a row: what stands before them, they, what stands after."""
    runs = [list(run) for _, run in groupby(said, lambda message: message.role == "user")]
    at = next((n for n in reversed(range(len(runs))) if runs[n][0].role == "user"), len(runs))
    return _flat(runs[:at]), _flat(runs[at : at + 1]), _flat(runs[at + 1 :])


def _flat(runs: Iterable[Sequence[Message]]) -> list[Message]:
    return [message for run in runs for message in run]


def _quote(said: Iterable[Message]) -> Iterator[str]:
    for message in said:
        if message.reasoning_content:
            yield f"{_THOUGHT}\n{_quoted(message.reasoning_content)}"
        if message.spelled or not message.reasoning_content:
            yield f"{_LABELS[message.role]}\n{_quoted(message.spelled)}"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip(" ") if not line.strip() else f"> {line}" for line in text.split("\n"))


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _is_reply(last: Sequence[Message]) -> bool:
    return bool(last) and last[0].role == "assistant"


def _join(first: Message, second: Message) -> Message:
    """Make one of two replies that nothing stands between."""
    thoughts = _paragraphs([first.reasoning_content or "", second.reasoning_content or ""])
    joined = {
        "content": _paragraphs([first.content, second.content]),
        "tool_calls": (*first.tool_calls, *second.tool_calls),
        "reasoning_content": thoughts or None,
    }
    return first.model_copy(update=joined)
