"""What a call means to the tools that a prompt declares: its arguments, mended where they can mean one thing alone.

Mended are double encoding, a bare text for the one argument, one wrong key, and what `lenient_json` mends. The rest
is unreadable, with a reason that the model can act on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from environments.dialects.forms import command_of
from environments.dialects.lenient_json import read_json
from environments.dialects.written_calls import WrittenCall, calls_of, plain_name, written_calls
from schemas.message import ToolCall
from schemas.record import canonical_json

_OPENING = re.compile(r"^(?P<label>[^\n]*?)```(?:json|tool_call)?[ \t]*\n(?=\s*[\[{])", re.I | re.M)
_ACTION = re.compile(r"\bactions?\b", re.I)
_CLOSING = re.compile(r"\n[ \t]*```")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
"""JSON Schema's names of types."""


def find_tool(declared: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """Return the tool of this name, however a family writes it: functions.bash:0, Bash, default_api.bash."""
    plain = plain_name(name).lower()
    exact = (tool for tool in declared if tool["name"] == name)
    near = (tool for tool in declared if plain in (tool["name"].lower(), tool.get("kind", "").lower()))
    return next(exact, None) or next(near, None)


def arguments_of(
    tool: Mapping[str, Any], text: str, declared: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any] | str:
    """Return a call's arguments, or what keeps them from being the tool's; `declared` are the other tools beside it."""
    name = tool["name"]
    try:
        given = read_json(text or "{}")
        if isinstance(given, str) and given.lstrip().startswith("{"):
            given = read_json(given)
    except ValueError as error:
        if not _takes_one_text(tool) or text.lstrip()[:1] in ("{", "[", '"', "'"):
            return f"the arguments of {name} are no JSON: {error}"
        given = text.strip()
    if isinstance(given, str) and _takes_one_text(tool):
        given = {tool["text"]: given}
    if not isinstance(given, dict):
        return f"the arguments of {name} are no object"
    given = _renamed(tool, given, {key for other in declared for key in _properties(other)})
    words = given.get(tool.get("text", ""))
    if isinstance(words, list) and words and tool.get("kind") == "bash" and all(isinstance(w, str) for w in words):
        given = given | {tool["text"]: command_of(words)}
    return _problem(tool, given) or given


def calls_in(text: str, declared: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[ToolCall, ...]]:
    """Return the words and the calls of a text in which a server has left them."""
    before, written = _written(text)
    if written and not any(find_tool(declared, call.name) for call in written) and before is None:
        return text, ()
    calls = tuple(
        ToolCall(
            call_id=f"call_{number}",
            name=call.name,
            arguments=call.arguments if isinstance(call.arguments, str) else canonical_json(call.arguments).decode(),
        )
        for number, call in enumerate(written)
    )
    return (text if not calls else before or ""), calls


def _written(text: str) -> tuple[str | None, tuple[WrittenCall, ...]]:
    """Return the words before, and the calls; no words where the text may be something else than calls."""
    if (marked := written_calls(text)) and marked[1]:
        return marked
    start, said = _labelled(text) or (0, text)
    if not said.lstrip().startswith(("{", "[")):
        return text, ()
    try:
        calls = calls_of(read_json(said))
    except ValueError:
        return text, ()
    return text[:start].strip() or None, calls


def _labelled(text: str) -> tuple[int, str] | None:
    """Return the JSON of the first code block under the label of an action or none, and where the label begins."""
    for opening in _OPENING.finditer(text):
        if opening["label"].strip() and not _ACTION.search(opening["label"]):
            continue
        closing = _CLOSING.search(text, opening.end())
        return (opening.start(), text[opening.end() : closing.start()]) if closing else None
    return None


def _properties(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = tool["parameters"].get("properties", {})
    return properties


def _takes_one_text(tool: Mapping[str, Any]) -> bool:
    properties = _properties(tool)
    return list(properties) == [tool.get("text")] and properties[tool["text"]].get("type") == "string"


def _renamed(tool: Mapping[str, Any], given: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Give the one argument that is lacking the one value that stands under a key that is no tool's."""
    lacking = [key for key in tool["parameters"].get("required", ()) if key not in given]
    strange = [key for key in given if key not in known and key not in _properties(tool)]
    if len(lacking) != 1 or len(strange) != 1:
        return given
    return {lacking[0] if key == strange[0] else key: value for key, value in given.items()}


def _problem(tool: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Say what keeps arguments from being the tool's; the one that is the action's text may be of any type."""
    lacking = [key for key in tool["parameters"].get("required", ()) if key not in arguments]
    if lacking:
        return f"the call of {tool['name']} lacks {', '.join(lacking)}"
    declared, text = _properties(tool), tool.get("text")
    for key, value in arguments.items():
        wanted = declared.get(key, {}).get("type")
        if key != text and wanted in _TYPES and not _is(value, wanted):
            return f"{key} of {tool['name']} is to be of type {wanted}, this is {canonical_json(value).decode()}"
    if text and tool.get("kind", tool["name"]) != "answer" and not text_of(arguments[text]).strip():
        return f"the {text} of {tool['name']} is empty"
    return ""


def _is(value: Any, wanted: str) -> bool:
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def text_of(value: Any) -> str:
    """Return the action's text: what is none is said as JSON, as a list of answers is."""
    return value if isinstance(value, str) else "" if value is None else canonical_json(value).decode()
