"""AgentInstruct's rows: `{"id", "conversations": [{"from", "value", "loss"}]}`, both ways.

`loss` is null on human turns, false on gpt turns that are context (the one-shot example, "Ok."), true on those to train
on; checked on all 538 database rows of THUDM/AgentInstruct.

The form has no calls and no role for what they gave. A call is written as text, `name(arguments)` below the words. What
the calls of one turn gave is one human turn, a blank line between: there observations are human's, and loaders of this
form (FastChat, LLaMA-Factory) know human and gpt alone and want them in turns. Reasoning has no place and is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from schemas.errors import InputError
from schemas.message import Message, Role

# "from" is a keyword, so the class form cannot name it.
AgentInstructMessage = TypedDict("AgentInstructMessage", {"from": str, "value": str, "loss": bool | None})

_NAMES: dict[Role, str] = {"system": "system", "user": "human", "assistant": "gpt"}
_ROLES: dict[str, Role] = {name: role for role, name in _NAMES.items()}


def write_messages(messages: Iterable[Message]) -> list[AgentInstructMessage]:
    """Render messages with AgentInstruct's names; only replies carry a loss."""
    return [
        {"from": _NAMES[m.role], "value": m.spelled, "loss": m.train if m.role == "assistant" else None}
        for m in _join_what_calls_gave(messages)
    ]


def _join_what_calls_gave(messages: Iterable[Message]) -> Iterator[Message]:
    for is_given, some in itertools.groupby(messages, lambda message: message.role == "tool"):
        if is_given:
            yield Message(role="user", content="\n\n".join(message.content for message in some))
        else:
            yield from some


def read_messages(conversations: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Read AgentInstruct's messages; a reply without a loss is trained on, as ShareGPT loaders do.

    Raises:
        InputError: a message has no text or a role that AgentInstruct does not have.
    """
    return tuple(_read_message(index, item) for index, item in enumerate(conversations))


def _read_message(index: int, item: Mapping[str, Any]) -> Message:
    name, text, loss = item.get("from"), item.get("value"), item.get("loss")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None or not isinstance(text, str):
        allowed = ", ".join(_ROLES)
        raise InputError(
            f"Message {index} has from={name!r} and value {type(text).__name__}; from is one of {allowed}."
        )
    return Message(role=role, content=text, train=role == "assistant" and loss is not False)
