"""Tool calls written into the text, in the mark-ups of the model families, where no server has parsed them.

Hermes and Qwen, Qwen3-Coder and GLM (tags with parameters), Llama (`<function=`, `<|python_tag|>`), Mistral, DeepSeek,
Kimi, Granite and Phi, Command R and A, Gemini (`tool_code`), gpt-oss (commentary channel), Anthropic's and MiniMax's
`<invoke>`. One scan reads them all: a mark says that a call begins; then come a name and JSON, JSON that has the name,
tags with parameters, or a Python call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from environments.dialects.lenient_json import json_span, read_json

_MARK = re.compile(
    r"<\|?(?:tool_calls?|function_calls?|tool_use|tool_calls_section_begin|START_ACTION|python_tag|tool_call_begin)\|?>"
    r"|<(?:\w+:)?(?:tool_call|function_calls|invoke)\b[^>\n]*>|<function=|\[TOOL_CALLS\]|functools(?=\[)"
    r"|<｜tool▁calls?▁begin｜>|(?:<\|start\|>assistant)?<\|channel\|>commentary to="
    r"|(?:assistant)?commentary to=functions\."
    r"|```tool_code[ \t]*\n(?=\s*(?:print\()?[\w.]+\(\w+=)",
    re.IGNORECASE,
)
_TAGGED = re.compile(
    r"<(?:function=|(?:\w+:)?invoke name=)[\"']?(?P<name>[\w.:-]+)[\"']?>(?P<body>.*?)"
    r"(?:</(?:function|(?:\w+:)?invoke)>|\Z)",
    re.DOTALL,
)
_GLM = re.compile(r"<tool_call>\s*(?P<name>[\w.:-]+)\s*(?P<body><arg_key>.*?)(?:</tool_call>|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<(?:parameter=|(?:\w+:)?parameter name=)[\"']?(?P<key>\w+)[\"']?[^>]*>(?P<value>.*?)</(?:\w+:)?parameter>"
    r"|<arg_key>(?P<glm_key>.*?)</arg_key>\s*<arg_value>(?P<glm_value>.*?)</arg_value>",
    re.DOTALL,
)
_NAMED = re.compile(
    r"(?:functions?[. ]?|default_api\.|<｜tool▁sep｜>)*(?P<name>[A-Za-z][\w.-]*)(?::\d+)?"
    r"(?:[ \t\n]*(?:<[|｜][^<>]*[|｜]>|\[ARGS\]|\[CALL_ID\]\w+|```json|```|json)[ \t]*)*[ \t\n]*(?=\{)"
)
_NAMES = ("name", "tool_name", "tool", "function", "recipient_name", "function_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "kwargs", "action_input")


@dataclass(frozen=True)
class WrittenCall:
    """A call as it stands in a text."""

    name: str
    arguments: str | dict[str, Any] = field(default_factory=dict)
    """As text where it is no JSON that can be read."""


def written_calls(text: str) -> tuple[str, tuple[WrittenCall, ...]] | None:
    """Return what stands before the first mark of a call, and the calls made out; None = there is no mark."""
    mark = _MARK.search(text)
    if mark is None:
        return None
    return text[: mark.start()].strip(), tuple(_calls_in(text[mark.start() :]))


def call_of(value: Any) -> WrittenCall | None:
    """Return the call that a JSON object says."""
    if not isinstance(value, dict):
        return None
    if isinstance(inner := value.get("function"), dict):
        return call_of(inner)
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    if name is None:
        return None
    given = next((value[key] for key in _ARGUMENTS if isinstance(value.get(key), dict | str)), None)
    rest = {key: one for key, one in value.items() if key not in (*_NAMES, *_ARGUMENTS, "type", "id")}
    return WrittenCall(plain_name(name), rest if given is None else given)


def calls_of(value: Any) -> tuple[WrittenCall, ...]:
    """Return the calls of a JSON object or list; none where something in it is no call."""
    listed = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
    calls = [call_of(one) for one in listed]
    return tuple(call for call in calls if call is not None) if None not in calls else ()


def plain_name(name: str) -> str:
    """Return a tool's name without what families hang on to it: functions.bash:0, default_api.bash, bash<|channel|>."""
    name = re.sub(r"(?:<\||:\d).*", "", name.strip())
    return name.rpartition(".")[2] or name


def _calls_in(text: str) -> Iterator[WrittenCall]:
    tagged = list(_TAGGED.finditer(text)) or list(_GLM.finditer(text))
    if tagged:
        for found in tagged:
            yield WrittenCall(plain_name(found["name"]), _parameters(found["body"]))
        return
    at = _MARK.match(text).end()  # type: ignore[union-attr]
    while True:
        start, name = _next_value(text, at)
        if start is None:
            break
        end = json_span(text, start)
        whole = text[start : end or len(text)]
        yield from _calls_of_text(name, whole)
        at = end or len(text)
    if at == _MARK.match(text).end():  # type: ignore[union-attr]
        yield from python_calls(re.split(r"```|<[|/]", text[at:])[0] if at else text)


def _next_value(text: str, at: int) -> tuple[int | None, str]:
    """Return where the next object or list begins, and the name before it."""
    opening = re.compile(r"[{\[](?!ARGS|CALL_ID|TOOL)").search(text, at)
    if opening is None:
        return None, ""
    named = _NAMED.search(text, at, opening.start() + 1)
    is_named = named is not None and named.end() == opening.start()
    is_python = re.compile(r"\[\s*[A-Za-z_.]+\(").match(text, opening.start())
    if is_python or re.compile(r"\s*(?:print\()?[A-Za-z_.]+\(").match(text, at):
        return None, ""
    return opening.start(), plain_name(named["name"]) if named is not None and is_named else ""


def _calls_of_text(name: str, text: str) -> Iterator[WrittenCall]:
    try:
        value = read_json(text)
    except ValueError:
        guessed = re.search(r'"(?:tool_)?name"\s*:\s*"([\w.-]+)"', text)
        if name or guessed:
            yield WrittenCall(name or plain_name(guessed[1] if guessed else ""), text)
        return
    if name and isinstance(value, dict) and call_of(value) is None:
        yield WrittenCall(name, value)
    else:
        yield from calls_of(value)


def _parameters(body: str) -> str | dict[str, Any]:
    """Return the parameters between tags; else the body, which is JSON."""
    found = {
        (one["key"] or one["glm_key"]).strip(): _value(one["value"] if one["key"] else one["glm_value"])
        for one in _PARAMETER.finditer(body)
    }
    if found:
        return found
    body = body.strip()
    try:
        value = read_json(body)
    except ValueError:
        return body
    return value if isinstance(value, dict) else body


def _value(text: str) -> str:
    return text.removeprefix("\n").removesuffix("\n")


def python_calls(text: str) -> tuple[WrittenCall, ...]:
    """Read `bash(command="ls")`, in a list or printed as well; none where it is anything else."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ()
    nodes = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    calls = [_python_call(one) for one in nodes]
    return tuple(call for call in calls if call is not None) if None not in calls else ()


def _python_call(node: ast.expr) -> WrittenCall | None:
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func)
    if name == "print" and len(node.args) == 1:
        return _python_call(node.args[0])
    try:
        given = {one.arg: ast.literal_eval(one.value) for one in node.keywords if one.arg}
        alone = [ast.literal_eval(one) for one in node.args]
    except ValueError:
        return None
    name = name.removesuffix(".call")
    if len(alone) == 1 and not given and isinstance(alone[0], str):
        return WrittenCall(plain_name(name), alone[0])
    return WrittenCall(plain_name(name), given) if not alone else None
