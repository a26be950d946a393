"""Finds where a template put each text of a conversation: the texts are marked and rendered, never searched for.

So the same words in a trained and an untrained turn are told apart, and words that look like the template's own do no
harm. A mark is a character of Unicode's private planes around the words of a text; white space at its ends and tags
inside stay outside the marks, since templates strip the one and split at the other. Marked and unmarked rendering must
agree, else nothing is said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from formats.templates.chat_jinja import Rendered, Span
from formats.templates.template import Chat, Template, Tools
from schemas.errors import ExpectationError

TOOLS = -1
"""Stands for the declared tools where else the number of a message does."""
_TAG = re.compile(r"(</?[A-Za-z_|｜][^<>\s]{0,60}>)")
_PLANES = ((0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))


class PlacedPart(NamedTuple):
    """A text of a conversation: what of it stands between two tags."""

    message: int
    field: str
    """content, reasoning, call, tools."""
    text: str
    spans: tuple[Span, ...]
    """Where it stands; nowhere, if the template leaves it out."""


class PlacedTexts(NamedTuple):
    """A rendered conversation whose texts are known by place."""

    rendered: Rendered
    parts: tuple[PlacedPart, ...]

    def of(self, message: int) -> tuple[PlacedPart, ...]:
        """Return a message's parts."""
        return tuple(part for part in self.parts if part.message == message)


def place_parts(template: Template, messages: Chat, tools: Tools = None, **given: Any) -> PlacedTexts:
    """Render a conversation and say where each of its texts stands.

    Raises:
        TemplateRefusal: the template does not take it.
        ExpectationError: the template writes a marked text otherwise than the text itself.
    """
    rendered = template.render(messages, tools, **given)
    marker = _Marker(messages)
    marked = template.render(
        [marker.mark_message(at, message) for at, message in enumerate(messages)],
        [marker.mark_tool(tool) for tool in tools] if tools else tools,
        **given,
    )
    text, spans = marker.take_off(marked.text)
    if text != rendered.text:
        at = next((i for i, (a, b) in enumerate(zip(text, rendered.text, strict=False)) if a != b), len(text))
        raise ExpectationError(
            f"{template.name} cannot be proven on this conversation: it writes a text otherwise once the text is "
            f"marked, from {rendered.text[max(0, at - 20) : at + 40]!r} on"
        )
    return PlacedTexts(
        rendered, tuple(PlacedPart(*part, tuple(spans.get(at, ()))) for at, part in enumerate(marker.parts))
    )


class _Marker:
    """Puts a pair of characters around every text, and takes them off again."""

    def __init__(self, messages: Chat) -> None:
        self.parts: list[tuple[int, str, str]] = []
        said = set(itertools.chain.from_iterable(_texts(list(messages))))
        free = [plane for plane in _PLANES if not any(plane[0] <= ord(one) <= plane[1] for one in said)]
        if not free:
            raise ExpectationError("a conversation that uses both of Unicode's private planes cannot be proven")
        self.first, self.last = free[0]

    def mark_message(self, at: int, message: Mapping[str, Any]) -> dict[str, Any]:
        """Mark what a message says, thinks and calls."""
        made = dict(message)
        for name in ("content", "reasoning_content", "thinking", "reasoning"):
            if made.get(name):
                made[name] = self._mark_content(at, "content" if name == "content" else "reasoning", made[name])
        if made.get("tool_calls"):
            made["tool_calls"] = [self._mark_call(at, call) for call in made["tool_calls"]]
        return made

    def mark_tool(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        """Mark what a tool says of itself; its name and schema decide how templates write it."""
        function = tool.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("description"), str):
            return dict(tool)
        said = self._mark(TOOLS, "tools", function["description"])
        return {**tool, "function": {**function, "description": said}}

    def take_off(self, marked: str) -> tuple[str, dict[int, list[Span]]]:
        """Return the text without marks, and where each part stood."""
        pattern = re.compile(f"([{chr(self.first)}-{chr(self.last)}])")
        kept: list[str] = []
        length = 0
        begun: dict[int, int] = {}
        spans: dict[int, list[Span]] = {}
        for piece in pattern.split(marked):
            if len(piece) == 1 and self.first <= ord(piece) <= self.last:
                part, is_end = divmod(ord(piece) - self.first, 2)
                if not is_end:
                    begun[part] = length
                elif part in begun:
                    spans.setdefault(part, []).append(Span(begun.pop(part), length))
            else:
                kept.append(piece)
                length += len(piece)
        return "".join(kept), spans

    def _mark_content(self, at: int, field: str, content: Any) -> Any:
        if isinstance(content, str):
            pieces = _TAG.split(content)
            return "".join(piece if odd % 2 else self._mark(at, field, piece) for odd, piece in enumerate(pieces))
        if isinstance(content, list):
            return [
                {**one, "text": self._mark_content(at, field, one["text"])}
                if isinstance(one, Mapping) and isinstance(one.get("text"), str)
                else one
                for one in content
            ]
        return content

    def _mark_call(self, at: int, call: Mapping[str, Any]) -> dict[str, Any]:
        function = call.get("function") if isinstance(call.get("function"), Mapping) else None
        held = dict(function or call)
        held |= {"name": self._mark(at, "call", held["name"]), "arguments": self._mark_value(at, held["arguments"])}
        return {**call, "function": held} if function else held

    def _mark_value(self, at: int, value: Any) -> Any:
        if isinstance(value, str):
            return self._mark(at, "call", value)
        if isinstance(value, Mapping):
            return {name: self._mark_value(at, held) for name, held in value.items()}
        return [self._mark_value(at, held) for held in value] if isinstance(value, list) else value

    def _mark(self, at: int, field: str, text: str) -> str:
        core = text.strip()
        if not core:
            return text
        number = self.first + 2 * len(self.parts)
        if number >= self.last:
            raise ExpectationError("a conversation of more than 32,000 texts cannot be proven")
        self.parts.append((at, field, core))
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return f"{before}{chr(number)}{core}{chr(number + 1)}{after}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list | tuple):
        yield from itertools.chain.from_iterable(map(_texts, value))
