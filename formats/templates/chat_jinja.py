"""Renders chat templates as transformers does, without transformers (5.24.0, utils/chat_template_utils.py).

tests/trainers/test_templates.py compares the two over every template that TRL packages. A template is a stranger's
program: it runs in Jinja's immutable sandbox, and what it sees is plain JSON.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

_REASONING = ("reasoning_content", "thinking", "reasoning")
"""What a message's thoughts are called; a template is given the first name, and gpt-oss's, `thinking`, as well."""


class Span(NamedTuple):
    """Characters of a text, from `start` up to `end`."""

    start: int
    end: int

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


class Rendered(NamedTuple):
    """A conversation as its template writes it."""

    text: str
    marked: tuple[Span, ...]
    """What the template puts between `{% generation %}` and `{% endgeneration %}`."""


class _Tracker(jinja2.ext.Extension):
    """Notes where each `{% generation %}` block begins and ends."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def __init__(self, environment: jinja2.Environment) -> None:
        super().__init__(environment)
        self._seen: ContextVar[tuple[list[str], list[Span]] | None] = ContextVar("generation", default=None)
        environment.extend(track_generation=self.track)

    def parse(self, parser: Any) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("note"), [], [], body).set_lineno(line)

    def note(self, caller: Any) -> str:
        """Return the block's text; while somebody tracks, note its place."""
        text = str(caller())
        if (seen := self._seen.get()) is not None:
            blocks, spans = seen
            start = sum(map(len, blocks))
            spans.append(Span(start, start + len(text)))
        return text

    @contextmanager
    def track(self, blocks: list[str], spans: list[Span]) -> Iterator[None]:
        """Let `note` see the blocks that came before."""
        token = self._seen.set((blocks, spans))
        try:
            yield
        finally:
            self._seen.reset(token)


class _Namespace(jinja2.utils.Namespace):
    """Jinja's `namespace` without underscored names, the sandbox's way out."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        held = dict(*rest, **kwargs)
        for name in held:
            _Namespace._look_at(name)
        jinja2.utils.Namespace.__init__(self, held)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._look_at(name)
        super().__setitem__(name, value)

    @staticmethod
    def _look_at(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a chat template cannot keep {name!r} in a namespace")


class _Dict:
    """`dict(...)` for templates, without the class's other attributes."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


@functools.lru_cache(maxsize=64)
def compile_template(source: str) -> jinja2.Template:
    """Compile a chat template.

    Raises:
        jinja2.TemplateSyntaxError: it is none.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Tracker, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": _now,
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return environment.from_string(source)


def render_chat(source: str, messages: Sequence[Mapping[str, Any]], **given: Any) -> Rendered:
    """Render messages; `given` are the template's other variables: tools, special tokens, add_generation_prompt.

    Raises:
        jinja2.TemplateError: the template is none, or refuses these messages.
    """
    template = compile_template(source)
    blocks: list[str] = []
    spans: list[Span] = []
    heard = [_name_reasoning({key: value for key, value in one.items() if value is not None}) for one in messages]
    with template.environment.track_generation(blocks, spans):  # type: ignore[attr-defined]
        for block in template.generate(messages=heard, **({"tools": None, "documents": None} | given)):
            blocks.append(block)
    return Rendered("".join(blocks), tuple(spans))


def _name_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    thought = next((message[name] for name in _REASONING if message.get(name) is not None), None)
    return message if thought is None else {"thinking": thought, **message, "reasoning_content": thought}
