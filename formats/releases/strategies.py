"""How a release row, in which the loss counts on some replies, becomes rows for a trainer that may have no such flag.

| strategy | rows | what the trainer does with them |
|---|---|---|
| native | one | reads the flag of each message |
| fan-out | one a trained reply | trains on the last message, and on it alone |
| cut | one a run of trained replies | trains on the replies after the prompt, on none in it |
| fold | one | trains on every reply: those that are context have become text of system and user |

Pure functions. Of each, over all rows that it returns: every trained reply is trained on exactly once, with its own
words; no other word is. What follows the last trained reply teaches nothing and is not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from formats.releases.fold import fold_context
from formats.releases.release_folder import ReleaseRow
from schemas.message import Message

Strategy = Literal["native", "fan-out", "cut", "fold"]
NOTHING_TRAINED = "nothing_trained"
NOT_A_REPLY = "not_a_reply"
EMPTY_REPLY = "empty_reply"
REASONS = {
    NOTHING_TRAINED: "has no reply that the loss counts on",
    NOT_A_REPLY: "wants the loss on a message that is no reply: trainers count it on replies alone",
    EMPTY_REPLY: "wants the loss on a reply that says, thinks and calls nothing",
}


def apply_strategy(strategy: Strategy, row: ReleaseRow) -> list[ReleaseRow] | str:
    """Return the rows that a row becomes, or the reason why none can be made of it."""
    trained = [message for message in row.messages if message.train]
    if not trained:
        return NOTHING_TRAINED
    if any(message.role != "assistant" for message in trained):
        return NOT_A_REPLY
    if not all(map(says_something, trained)):
        return EMPTY_REPLY
    made = _STRATEGIES[strategy](row.messages)
    if len(made) == 1:
        return [row._replace(messages=made[0])]
    return [row._replace(id=f"{row.id}#{number}", messages=messages) for number, messages in enumerate(made, 1)]


def split_prompt(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Cut before the first trained message: the prompt, and the completion."""
    first = next(index for index, message in enumerate(messages) if message.train)
    return messages[:first], messages[first:]


def says_something(message: Message) -> bool:
    """Whether there is a word, a thought or a call in it."""
    return bool(message.content.strip() or message.tool_calls or (message.reasoning_content or "").strip())


def _native(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    return [tuple(messages[: _trained(messages)[-1] + 1])]


def _fan_out(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    return [(*_as_context(messages[:index]), messages[index]) for index in _trained(messages)]


def _cut(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    runs: list[list[int]] = []
    for index in _trained(messages):
        between = messages[runs[-1][-1] + 1 : index] if runs else ()
        if runs and all(message.role != "assistant" for message in between):
            runs[-1].append(index)
        else:
            runs.append([index])
    return [(*_as_context(messages[: run[0]]), *messages[run[0] : run[-1] + 1]) for run in runs]


def _fold(messages: Sequence[Message]) -> list[tuple[Message, ...]]:
    return [fold_context(messages[: _trained(messages)[-1] + 1])]


_STRATEGIES: Mapping[Strategy, Callable[[Sequence[Message]], list[tuple[Message, ...]]]] = {
    "native": _native,
    "fan-out": _fan_out,
    "cut": _cut,
    "fold": _fold,
}


def _trained(messages: Sequence[Message]) -> list[int]:
    return [index for index, message in enumerate(messages) if message.train]


def _as_context(messages: Iterable[Message]) -> tuple[Message, ...]:
    return tuple(message.model_copy(update={"train": False}) if message.train else message for message in messages)
