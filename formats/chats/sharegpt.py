"""General chat as it is found: ShareGPT and its variants, OpenAI's `messages`, Alpaca's instruction and output.

ShareGPT's row is `{"id", "model", "conversations": [{"from", "value"}]}`.
Spellings of roles, fields and models are those seen in FastChat, OpenChat, LLaMA-Factory, axolotl and OpenAI files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from formats.catalogue import LICENSE, SOURCE_MODEL, Importer
from formats.chats.chat import UNREADABLE, Chat, Said, Unreadable, normalise_model, read_chats
from formats.chats.masks import UnknownMask, row_masks
from formats.chats.told_calls import UnpairedCall, pair_calls, read_tools
from formats.chats.told_messages import MEDIA_KEYS, ROLES, names_of, read_message, shows_media
from formats.json_values import list_of
from schemas.message import Message, Role

READING = 3
"""Raised by hand when rows are read otherwise: a file that came in before is read again, and what that gives instead
supersedes what it gave. 2 = null-filled columns, masks, tool chats, media, content parts, Alpaca, cleaning. 3 = lists
that are spelled as texts of JSON, and the last rows of a packed file that is cut off."""
_LISTED = ("conversations", "messages", "conversation", "items", "dialog", "dialogue", "turns")
_PLAIN_KEYS = frozenset({"id", "model", "source_model", "conversations", "messages"})
_ASKED, _ANSWERED = ("instruction", "prompt", "question"), ("output", "response", "completion", "answer")


def read_chat(value: Any) -> Chat | Unreadable:
    """Read one row in any of the spellings; a top-level `system` becomes the first message."""
    return _read_plain(value) or _read_any(value)


def _read_plain(value: Any) -> Chat | None:
    """Read a row that holds roles and words and no more, as most do; None = it holds more, or is no such row."""
    if type(value) is not dict or not value.keys() <= _PLAIN_KEYS:
        return None
    listed = value.get("conversations", value.get("messages"))
    if type(listed) is not list or not listed:
        return None
    pairs: list[Said] = []
    for item in listed:
        if type(item) is not dict or len(item) != 2:
            return None
        name, text = (
            (item.get("from"), item.get("value")) if "from" in item else (item.get("role"), item.get("content"))
        )
        role = ROLES.get(name) if type(name) is str else None
        if role is None or type(text) is not str or shows_media(text):
            return None
        pairs.append((role, text))
    row_id = value.get("id")
    return Chat(None if row_id is None else str(row_id), _read_model(value), pairs)


def _read_any(value: Any) -> Chat | Unreadable:
    if not isinstance(value, dict):
        return Unreadable("not_an_object", f"a row is an object, this is {type(value).__name__}")
    if value.get("plugins"):  # FastChat's clean_sharegpt drops them: the replies used tools that the text hides
        return Unreadable("tool_roles", f"plugins: {str(value['plugins'])[:200]}")
    lists = (list_of(value[key]) for key in _LISTED if value.get(key))
    listed = next((one for one in lists if isinstance(one, list) and one), None)
    messages = _read_alpaca(value) if listed is None else _read_listed(value, listed)
    if isinstance(messages, Unreadable):
        return messages
    if media := [key for key in MEDIA_KEYS if value.get(key)]:
        return Unreadable("media", f"the row has {', '.join(media)}")
    try:
        masked = _mask(value, messages)
        whole = pair_calls(masked) if any(m.role == "tool" or m.tool_calls for m in masked) else masked
        tools = read_tools(value)
    except UnpairedCall as error:
        return Unreadable("tool_roles", str(error))
    except UnknownMask as error:
        return Unreadable("unknown_mask", str(error))
    row_id = value.get("id")
    return Chat(None if row_id is None else str(row_id), _read_model(value), [*map(_shortest, whole)], tools)


def _read_listed(value: Mapping[str, Any], listed: Sequence[Any]) -> list[Message] | Unreadable:
    messages = [Message(role="system", content=value["system"])] if isinstance(value.get("system"), str) else []
    for index, item in enumerate(listed):
        message = read_message(index, item)
        if isinstance(message, Unreadable):
            return message
        messages.append(message)
    return _join_calls(messages)


def _join_calls(messages: Sequence[Message]) -> list[Message]:
    """Make calls that stand in messages of their own part of the words before them: one reply, several calls."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else None
        if before and before.role == message.role == "assistant" and message.tool_calls:
            both = {
                "content": "\n\n".join(text for text in (before.content, message.content) if text),
                "tool_calls": (*before.tool_calls, *message.tool_calls),
                "train": before.train and message.train,
            }
            joined[-1] = before.model_copy(update=both)
        else:
            joined.append(message)
    return joined


def _read_alpaca(value: Mapping[str, Any]) -> list[Message] | Unreadable:
    """Read instruction, input and output, with what was said before in `history`; prompt and response as well."""
    asked = next((value[key] for key in _ASKED if isinstance(value.get(key), str) and value[key].strip()), None)
    answered = next((value[key] for key in _ANSWERED if isinstance(value.get(key), str)), None)
    if asked is None or answered is None:
        texts = [key for key in _LISTED if isinstance(value.get(key), str) and value[key]]
        there = f"{texts[0]} is a text that holds no JSON list" if texts else f"keys: {names_of(value)}"
        return Unreadable("no_messages", f"no list of messages, and no instruction with output; {there}")
    given = value.get("input")
    system = value.get("system")
    messages = [Message(role="system", content=system)] if isinstance(system, str) and system.strip() else []
    for index, pair in enumerate(value.get("history") or []):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            return Unreadable("malformed_message", f"pair {index} of history is no question with its reply")
        messages += [Message(role="user", content=pair[0]), Message(role="assistant", content=pair[1], train=True)]
    asks = "\n\n".join(text for text in (asked, given) if isinstance(text, str) and text.strip())
    return [*messages, Message(role="user", content=asks), Message(role="assistant", content=answered, train=True)]


def _mask(value: Mapping[str, Any], messages: Sequence[Message]) -> list[Message]:
    roles: list[Role] = [message.role for message in messages]
    return [
        message.model_copy(update={"train": False}) if said is False and message.train else message
        for message, said in zip(messages, row_masks(value, roles), strict=True)
    ]


def _shortest(message: Message) -> Said:
    """Return role and words where there is nothing else to say."""
    plain = Message(role=message.role, content=message.content, train=message.role == "assistant")
    return (message.role, message.content) if message == plain else message


def _read_model(value: dict[str, Any]) -> str | None:
    name = value.get("model") or value.get("source_model")
    return normalise_model(name) if isinstance(name, str) else None


IMPORTER = Importer(
    name="sharegpt",
    kind="chats",
    summary="general chat: ShareGPT, OpenAI messages or Alpaca, as JSON array, JSONL or Parquet, packed or not",
    page="mixture.md",
    options=(LICENSE, SOURCE_MODEL),
    read=lambda paths, given: read_chats(paths, read_chat),
    reasons=UNREADABLE,
    contract=READING,
)
