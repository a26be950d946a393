"""One message of a chat, in any of the spellings: its role, its words, its calls, and whether it is trained on.

A field that is null or empty says nothing: tables fill every column that one row has, and so do their exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from formats.chats.chat import Unreadable
from formats.chats.masks import UnknownMask, read_mask
from formats.chats.told_calls import CALLING, GIVING, UnpairedCall, parse_calls, read_calls
from schemas.message import Message, Role

ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "system": "system",
    "developer": "system",
}
_ROLE_KEYS = ("from", "role", "speaker")
_TEXT_KEYS = ("value", "content", "text", "markdown")
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
MEDIA_KEYS = ("images", "image", "videos", "video", "audios", "audio")
_MEDIA_TOKEN = re.compile(r"\A\s*<(?:image|video|audio)>|<(?:image|video|audio)>\s*\Z", re.IGNORECASE)
_MEDIA_PART = re.compile(r"image|video|audio|file|document")


def read_message(index: int, item: Any) -> Message | Unreadable:
    """Read one message; its place is named where it cannot be."""
    if not isinstance(item, dict):
        return Unreadable("malformed_message", f"message {index} is {type(item).__name__}, not an object")
    spelled = first_said(item, _ROLE_KEYS)
    name = spelled.strip().lower() if isinstance(spelled, str) else ""
    role: Role | None = "assistant" if name in CALLING else "tool" if name in GIVING else ROLES.get(name)
    if role is None:
        return Unreadable("unknown_role", f"message {index} has the role {str(spelled)[:100]!r}")
    if any(item.get(key) for key in MEDIA_KEYS):
        return Unreadable("media", f"message {index} has {_names(item, MEDIA_KEYS)}")
    text = _read_text(index, item)
    if isinstance(text, Unreadable):
        return text
    try:
        return _worded(index, item, name, role, text)
    except UnpairedCall as error:
        return Unreadable("tool_roles", f"message {index}: {error}")
    except UnknownMask as error:
        return Unreadable("unknown_mask", f"message {index}: {error}")


def first_said(item: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the first of some fields that says something; else the first that is not null."""
    present = [item[key] for key in keys if item.get(key) is not None]
    return next((one for one in present if one not in ("", [], {})), present[0] if present else None)


def shows_media(text: str) -> bool:
    """Whether a text begins or ends with a place for an image, video or sound."""
    if "<" not in text:
        return False
    return _MEDIA_TOKEN.search(text[:100]) is not None or _MEDIA_TOKEN.search(text[-100:]) is not None


def _worded(index: int, item: Mapping[str, Any], name: str, role: Role, text: str | None) -> Message | Unreadable:
    calls = read_calls(item) if role == "assistant" else ()
    if name in CALLING and not calls:
        calls, text = parse_calls(text or ""), ""
    if text is None and not calls and role != "tool":
        return Unreadable("malformed_message", f"message {index} has no text; keys: {names_of(item)}")
    if role != "assistant":
        answered = item.get("tool_call_id") if role == "tool" else None
        return Message(role=role, content=text or "", tool_call_id=None if answered is None else str(answered))
    reasoning = first_said(item, _REASONING_KEYS)
    return Message(
        role=role,
        content=text or "",
        train=read_mask(item) is not False,
        tool_calls=calls,
        reasoning_content=reasoning if isinstance(reasoning, str) and reasoning.strip() else None,
    )


def _read_text(index: int, item: Mapping[str, Any]) -> str | Unreadable | None:
    said = first_said(item, _TEXT_KEYS)
    if isinstance(said, list):
        return _join_parts(index, said)
    if isinstance(said, str):
        if shows_media(said):
            return Unreadable("media", f"message {index} begins or ends with a place for an image, video or sound")
        return said
    if said is None:
        return None
    return Unreadable("malformed_message", f"message {index} has {type(said).__name__} for its text")


def _join_parts(index: int, parts: list[Any]) -> str | Unreadable:
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
        if isinstance(kind, str) and _MEDIA_PART.search(kind):
            return Unreadable("media", f"message {index} has a part of the type {kind[:100]!r}")
        if kind not in (None, "text", "input_text", "output_text") or not isinstance(text, str):
            what = f"the type {str(kind)[:100]!r}" if kind else f"{type(part).__name__} without text"
            return Unreadable("malformed_message", f"message {index} has a part that is no text: {what}")
        texts.append(text)
    return "".join(texts)


def _names(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return ", ".join(key for key in keys if item.get(key))


def names_of(value: Mapping[str, Any]) -> str:
    """Name the keys of an object for people, cut short."""
    return ", ".join(sorted(map(str, value)))[:200] or "none"
