"""AgentInstruct's rows: `{"id", "conversations": [{"from", "value", "loss"}]}`, both ways.

`loss` is null on human turns, false on gpt turns that are context (the one-shot example, "Ok."), true on those to train
on; checked on all 538 database rows of THUDM/AgentInstruct.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from schemas.errors import InputError
from schemas.trajectory import Message, Role

# "from" is a keyword, so the class form cannot name it.
AgentInstructMessage = TypedDict("AgentInstructMessage", {"from": str, "value": str, "loss": bool | None})

_NAMES: dict[Role, str] = {"system": "system", "user": "human", "assistant": "gpt"}
_ROLES: dict[str, Role] = {name: role for role, name in _NAMES.items()}


def write_messages(messages: Iterable[Message]) -> list[AgentInstructMessage]:
    """Render messages with AgentInstruct's names; only replies carry a loss."""
    return [
        {"from": _NAMES[m.role], "value": m.content, "loss": m.train if m.role == "assistant" else None}
        for m in messages
    ]


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
