"""What a chat format reads: rows of a file, each a chat or the reason why it is none. tasks/ingest judges what comes.

A format of JSON rows says what one value means and leaves the rest to `read_chats`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from schemas.message import Message, Role
from schemas.rejection import Rejection

UNREADABLE: Mapping[str, str] = {
    **UNREADABLE_VALUE,
    "not_an_object": "is a number, a list, null",
    "no_messages": "has no list of messages, or an empty one",
    "malformed_message": "has a message that is no object, or whose content is no text",
    "unknown_role": "has a role that none of the known formats has",
    "tool_roles": "calls tools in a way that cannot be paired: a call without its result, a result without a call",
    "media": "shows images, videos or sounds, which no row can hold",
    "unknown_mask": "has a mask of training that says neither yes nor no",
}
"""Reasons for which a row is no chat, in the order in which they are looked for."""
_GPT = re.compile(r"gpt-?(3\.?5|4)((?:-turbo|-\d+k|-\d{4}(?:-\d{2}-\d{2})?)*)(?![\w.-])")


class RawRow(NamedTuple):
    """One row as it stood in the file."""

    file: str
    """File name, without its folder."""
    line: int
    """Line (one object a line) or position (array), from 1."""
    raw: bytes
    value: Any
    """The parsed JSON, of whatever type."""

    @property
    def source(self) -> str:
        """File and line, as rejections name them."""
        return f"{self.file}:{self.line}"


Said = tuple[Role, str] | Message
"""A pair is all that there is of most messages, and a reply is then trained on; a message says more: calls and what
they gave, reasoning, a reply that is not trained on."""


def as_message(said: Said) -> Message:
    """Return a message of either."""
    if isinstance(said, Message):
        return said
    role, text = said
    return Message(role=role, content=text, train=role == "assistant")


class Chat(NamedTuple):
    """What a row says: roles are known, texts are text, nothing is repaired."""

    row_id: str | None
    model: str | None
    """Normalised name of the model that wrote the replies; None = the row does not say."""
    messages: Sequence[Said]
    """In order."""
    tools: str | None = None
    """JSON text of the tools that its calls may use; None = it names none."""


class Unreadable(NamedTuple):
    """Why a row is no chat."""

    reason: str
    detail: str


class ChatRow(NamedTuple):
    """One row, read."""

    file: str
    line: int
    raw: bytes
    chat: Chat | Unreadable

    @property
    def source(self) -> str:
        """File and line, as rejections name them."""
        return f"{self.file}:{self.line}"


def read_chats(paths: Iterable[Path], read: Callable[[Any], Chat | Unreadable]) -> Iterator[ChatRow | Rejection]:
    """Yield every row of some files of JSON values, `read` one by one.

    Raises:
        InputError: a file cannot be read at all.
    """
    for path in paths:
        for row in read_rows(path):
            yield row if isinstance(row, Rejection) else ChatRow(row.file, row.line, row.raw, read(row.value))


def read_rows(path: Path) -> Iterator[RawRow | Rejection]:
    """Yield every row of a file in its order; one that cannot be read comes as a rejection of stage `ingest`.

    Raises:
        InputError: the file cannot be read at all.
    """
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "ingest")
        else:
            yield RawRow(path.name, *row)


def normalise_model(name: str) -> str | None:
    """Return one name a model: `Model: GPT-4`, `gpt4` and `gpt-4-0314` are `gpt-4`; None where nothing is said.

    >>> [normalise_model(n) for n in ("Model: GPT-4", "Default (GPT-3.5)", "gpt-3.5-turbo-0301", "")]
    ['gpt-4', 'gpt-3.5', 'gpt-3.5-turbo', None]
    """
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower().removeprefix("model:")).strip("-.")
    if match := _GPT.search(slug):
        version = "4" if match[1] == "4" else "3.5"
        return f"gpt-{version}{'-turbo' if '-turbo' in match[2] else ''}"
    return slug or None
