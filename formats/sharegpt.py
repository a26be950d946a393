"""ShareGPT, the wild format of general chat: `{"id", "model", "conversations": [{"from", "value"}]}` and its variants.

`read_rows` says what stands in the file, `read_chat` what a row means. Spellings of roles, fields and models are those
seen in FastChat, OpenChat, LLaMA-Factory and OpenAI files; rows with tools are another format and told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from formats.json_values import cut_values
from schemas.rejection import Rejection
from schemas.trajectory import Role

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_TOOL_ROLES = frozenset(
    {"function_call", "observation", "tool", "function", "tool_call", "tool_response", "function_response"}
)
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


class Chat(NamedTuple):
    """What a row says: roles are known, texts are text, nothing is repaired."""

    row_id: str | None
    model: str | None
    """Normalised name of the model that wrote the replies; None = the row does not say."""
    messages: list[tuple[Role, str]]


class Unreadable(NamedTuple):
    """Why a row is no chat."""

    reason: str
    detail: str


def read_rows(path: Path) -> Iterator[RawRow | Rejection]:
    """Yield every row of a file in its order; a row that is no JSON comes as a `not_json` or `cut_off` rejection.

    Raises:
        InputError: the file cannot be read at all.
    """
    for line, raw, fault in cut_values(path):
        source = f"{path.name}:{line}"
        if fault:
            yield Rejection.make(stage="ingest", reason="cut_off", detail=fault, source=source, raw=raw)
            continue
        try:
            yield RawRow(path.name, line, raw, orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            yield Rejection.make(stage="ingest", reason="not_json", detail=str(error), source=source, raw=raw)


def read_chat(value: Any) -> Chat | Unreadable:
    """Read one row in any of the spellings; a top-level `system` becomes the first message."""
    if not isinstance(value, dict):
        return Unreadable("not_an_object", f"a row is an object, this is {type(value).__name__}")
    listed = next((value[key] for key in ("conversations", "messages", "conversation") if key in value), None)
    if not isinstance(listed, list) or not listed:
        return Unreadable("no_messages", f"no list of messages under conversations or messages; keys: {_keys(value)}")
    if value.get("plugins"):  # FastChat's clean_sharegpt drops them: the replies used tools that the text hides
        return Unreadable("tool_roles", f"plugins: {str(value['plugins'])[:200]}")
    messages: list[tuple[Role, str]] = []
    if isinstance(value.get("system"), str):
        messages.append(("system", value["system"]))
    for index, item in enumerate(listed):
        message = _read_message(index, item)
        if isinstance(message, Unreadable):
            return message
        messages.append(message)
    row_id = value.get("id")
    return Chat(None if row_id is None else str(row_id), _read_model(value), messages)


def _read_message(index: int, item: Any) -> tuple[Role, str] | Unreadable:
    if not isinstance(item, dict):
        return Unreadable("malformed_message", f"message {index} is {type(item).__name__}, not an object")
    spelled = item.get("from", item.get("role"))
    name = spelled.strip().lower() if isinstance(spelled, str) else ""
    if name in _TOOL_ROLES or item.get("tool_calls") or item.get("function_call"):
        return Unreadable("tool_roles", f"message {index} has the role {spelled!r}; tool chats are kept apart")
    role = _ROLES.get(name)
    if role is None:
        return Unreadable("unknown_role", f"message {index} has the role {str(spelled)[:100]!r}")
    text = _read_text(item)
    if text is None:
        return Unreadable("malformed_message", f"message {index} has no text; keys: {_keys(item)}")
    return role, text


def _read_text(item: dict[str, Any]) -> str | None:
    text = next((item[key] for key in ("value", "content", "text") if item.get(key) is not None), None)
    if isinstance(text, list) and all(isinstance(p, dict) and isinstance(p.get("text"), str) for p in text):
        return "".join(part["text"] for part in text)
    return text if isinstance(text, str) else None


def _read_model(value: dict[str, Any]) -> str | None:
    name = value.get("model") or value.get("source_model")
    return normalise_model(name) if isinstance(name, str) else None


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


def _keys(value: dict[str, Any]) -> str:
    return ", ".join(sorted(map(str, value)))[:200] or "none"
