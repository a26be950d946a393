"""Spoils rows of general chat, one way for every reason to reject a row, and some that a repair makes good.

The reasons are names only: nothing here knows how a row is judged, so a test can compare the plan with the judgement.
"""

from __future__ import annotations

import functools
import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPAIRABLE = ("dropped_leading_reply", "dropped_trailing_question", "merged_same_role", "dropped_empty_system")

_Row = dict[str, Any]
_Spoil = Callable[[_Row, random.Random], Any]


def render_row(row: _Row, *, as_messages: bool = False) -> str:
    """Render one row; `as_messages` spells it with messages, role and content."""
    if as_messages:
        roles = {"human": "user", "gpt": "assistant", "system": "system"}
        messages = [{"role": roles[m["from"]], "content": m["value"]} for m in row["conversations"]]
        row = {key: value for key, value in row.items() if key != "conversations"} | {"messages": messages}
    return json.dumps(row, ensure_ascii=False)


def spoil(row: _Row, fault: str, rng: random.Random, *, in_array: bool) -> str:
    """Render a row with what was planted in it; in an array a broken row keeps its brackets balanced."""
    if fault == "cut_off":
        text = render_row(row)
        return text[: len(text) // 2]
    if fault == "not_json":
        return f'{{"id": "{row["id"]}", "conversations": [nothing here]}}' if in_array else render_row(row)[:-20]
    spoiled = _SPOILS[fault](row, rng)
    return render_row(spoiled) if isinstance(spoiled, dict) else json.dumps(spoiled)


def _with(row: _Row, *messages: tuple[str, str]) -> _Row:
    return row | {"conversations": [{"from": name, "value": text} for name, text in messages]}


def _replace(row: _Row, index: int, **fields: Any) -> _Row:
    messages = [dict(message) for message in row["conversations"]]
    messages[index] = {**messages[index], **fields}
    return row | {"conversations": messages}


def _insert(row: _Row, index: int, name: str, text: str) -> _Row:
    messages = list(row["conversations"])
    messages.insert(index, {"from": name, "value": text})
    return row | {"conversations": messages}


def _make_foreign(row: _Row, rng: random.Random) -> _Row:
    question, reply = rng.choice(list(_load_foreign().values()))
    return _with(row, ("human", question.format(n=rng.randint(2, 9))), ("gpt", reply))


def _split_reply(row: _Row, rng: random.Random) -> _Row:
    return _insert(row, len(row["conversations"]), "gpt", "Let me know how it went.")


def _call_tool(row: _Row, rng: random.Random) -> _Row:
    return _insert(row, 1, "function_call", '{"name": "look_up", "arguments": {}}')


_SPOILS: dict[str, _Spoil] = {
    "not_an_object": lambda row, rng: rng.choice([None, rng.randint(1, 999), [row["id"]]]),
    "no_messages": lambda row, rng: {"id": row["id"], "model": row["model"], "conversations": []},
    "malformed_message": lambda row, rng: _replace(row, 1, value=rng.choice([None, 5, {"text": "hidden"}])),
    "unknown_role": lambda row, rng: _replace(row, 0, **{"from": rng.choice(["narrator", "moderator", ""])}),
    "tool_roles": _call_tool,
    "not_alternating": lambda row, rng: _insert(row, 1, "system", "You are a helpful assistant."),
    "empty_message": lambda row, rng: _replace(row, 1, value=rng.choice(["", "  ", "\n"])),
    "too_short": lambda row, rng: rng.choice(
        [_with(row, ("human", "Hi"), ("gpt", "Hello!")), _with(row, ("gpt", "?"))]
    ),
    "service_error": lambda row, rng: _replace(row, 1, value="Too many requests in 1 hour. Try again later."),
    "language": _make_foreign,
    "dropped_leading_reply": lambda row, rng: _insert(row, 0, "gpt", "Hello, what can I do for you?"),
    "dropped_trailing_question": lambda row, rng: _insert(
        row, len(row["conversations"]), "human", "And another thing:"
    ),
    "merged_same_role": _split_reply,
    "dropped_empty_system": lambda row, rng: _insert(row, 0, "system", ""),
}
FAULTS = (
    "not_json",
    "cut_off",
    *(name for name in _SPOILS if name not in REPAIRABLE),
    "duplicate",
)
"""Every reason that is planted."""


@functools.cache
def _load_foreign() -> dict[str, list[str]]:
    foreign: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("chats.toml").read_text(encoding="utf-8"))[
        "foreign"
    ]
    return foreign
