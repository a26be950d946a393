"""A call as text and as JSON: `get_neighbors(#0, travel.ship.captain)`; and an action's arguments, whoever made it.

Names may hold commas and brackets (AgentBench cuts at the first of either and fails): what is read is the whole of the
outer brackets, and of two arguments the last comma parts them, since relations hold none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from environments.base import Action
from environments.kg.tools import TOOLS
from schemas.record import canonical_json

MOST_CHARS = 20_000
"""Of a line that is looked at: the longest names of Freebase have some hundred."""
OTHER = "call"
"""Kind of an action that calls what is no tool; its text is the call."""
_CALL = re.compile(r"\b([A-Za-z_]\w*)[ \t]*\(")
_KEY = re.compile(r"\A\s*(\w+)\s*[=:]\s*(?=\S)")
_QUOTES = ("'", '"', "`", "“”", "‘’")


class SaidCall(NamedTuple):
    """A call that stands in a text."""

    name: str
    arguments: tuple[str, ...]
    said: str
    """Its words."""


def find_call(line: str) -> SaidCall | None:
    """Return the first call of a line, of a tool if there is one; None = there is none whose brackets close."""
    line = line[:MOST_CHARS]
    ends, other = _closings(line), None
    for match in _CALL.finditer(line):
        end = ends.get(match.end() - 1)
        if end is not None and match[1].lower() in TOOLS:
            return _call_between(line, match, match[1].lower(), end)
        other = other or (None if end is None else (match, end))
    return _call_between(line, other[0], other[0][1], other[1]) if other else None


def _call_between(line: str, match: re.Match[str], name: str, end: int) -> SaidCall:
    return SaidCall(name, split_arguments(name, line[match.end() : end]), line[match.start() : end + 1])


def _closings(line: str) -> dict[int, int]:
    """Return where each bracket closes that does."""
    ends, opened = dict[int, int](), list[int]()
    for found in re.finditer(r"[()]", line):
        if found[0] == "(":
            opened.append(found.start())
        elif opened:
            ends[opened.pop()] = found.start()
    return ends


def split_arguments(name: str, inner: str) -> tuple[str, ...]:
    """Part what stands in a tool's brackets into as many arguments as it takes, where there are so many."""
    wanted = len(TOOLS[name].parameters) if name in TOOLS else 1
    parts = inner.rsplit(",", wanted - 1) if wanted > 1 else [inner]
    return tuple(_bare(part, name) for part in parts)


def _bare(text: str, name: str) -> str:
    """Take an argument's key and quotation marks off."""
    keys = TOOLS[name].parameters if name in TOOLS else ()
    key = _KEY.match(text)
    if key and (key[1] in keys or key[1] in ("var", "entity", "rel")):
        text = text[key.end() :]
    text = text.strip()
    for marks in _QUOTES:
        if len(text) > 1 and text[0] == marks[0] and text[-1] == marks[-1]:
            return text[1:-1].strip()
    return text


def action_of(call: SaidCall) -> Action:
    """Return a written call as an action; what is no tool is kept as it stands."""
    if call.name not in TOOLS:
        return Action(OTHER, call.said)
    return make_action(call.name, call.arguments)


def make_action(name: str, arguments: Sequence[str]) -> Action:
    """Return a tool's call: its one argument as text, two as JSON."""
    parameters = TOOLS[name].parameters
    if len(parameters) == 1:
        return Action(name, arguments[0])
    return Action.of(name, dict(zip(parameters, arguments, strict=False)))


def arguments_of(action: Action) -> tuple[str, ...]:
    """Return what a tool was called with, in its order; what is missing is missing, and no text is said as JSON."""
    parameters = TOOLS[action.kind].parameters
    if len(parameters) == 1:
        return (action.text.strip(),)
    given = action.arguments if action.arguments is not None else _object(action.text)
    return tuple(_text(given[name]) for name in parameters if name in given)


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else canonical_json(value).decode()


def written(action: Action) -> str:
    """Word an action as a call."""
    return action.text if action.kind == OTHER else f"{action.kind}({', '.join(arguments_of(action))})"
