"""ShareGPT, the wild format of general chat: `{"id", "model", "conversations": [{"from", "value"}]}` and its variants.

Spellings of roles, fields and models are those seen in FastChat, OpenChat, LLaMA-Factory and OpenAI files; rows with
tools are another format and told apart.
"""

from __future__ import annotations

from typing import Any

from formats.catalogue import LICENSE, SOURCE_MODEL, Importer
from formats.chats.chat import UNREADABLE, Chat, Unreadable, normalise_model, read_chats
from schemas.message import Role

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


def _keys(value: dict[str, Any]) -> str:
    return ", ".join(sorted(map(str, value)))[:200] or "none"


IMPORTER = Importer(
    name="sharegpt",
    kind="chats",
    summary="general chat, as JSON array or JSONL",
    page="mixture.md",
    options=(LICENSE, SOURCE_MODEL),
    read=lambda paths, given: read_chats(paths, read_chat),
    reasons=UNREADABLE,
)
