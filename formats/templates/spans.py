"""Which characters of a rendered conversation its turns are, and which of them should carry loss.

A turn is what the model writes: from where its prompt ends, thoughts, words and calls, to the token that ends it. The
template's own `{% generation %}` marks say it where there are any, else the rendering of what came before does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from formats.templates.chat_jinja import Rendered, Span
from formats.templates.placement import PlacedTexts, place_parts
from formats.templates.template import Chat, Template, Tools
from schemas.errors import ExpectationError


def trained_spans(
    template: Template, messages: Chat, trained: Sequence[bool], tools: Tools = None, **given: Any
) -> tuple[Rendered, tuple[Span, ...]]:
    """Render a conversation and return the characters of the turns that should be trained, in order.

    Raises:
        TemplateRefusal: the template does not take the conversation.
        ExpectationError: it rewrites a turn that should be trained once more is said; such a row is to be fanned out.
    """
    turns = [at for at, is_trained in enumerate(trained) if is_trained]
    if template.is_marked:
        placed = place_parts(template, messages, tools, **given)
        spans = marked_spans(placed, turns)
        return placed.rendered, spans
    rendered = template.render(messages, tools, **given)
    return rendered, tuple(prefix_span(template, rendered.text, messages, at, tools, **given) for at in turns)


def marked_spans(placed: PlacedTexts, turns: Sequence[int]) -> tuple[Span, ...]:
    """Return the marks around a text of one of some turns."""
    texts = [span for at in turns for part in placed.of(at) for span in part.spans]
    return tuple(mark for mark in placed.rendered.marked if any(mark.overlaps(span) for span in texts))


def prefix_span(template: Template, whole: str, messages: Chat, at: int, tools: Tools = None, **given: Any) -> Span:
    """Return one turn's characters in a rendered conversation: what its prompt lacks of itself.

    Raises:
        ExpectationError: the conversation does not begin as it stood when the turn was the last.
    """
    full = template.render(messages[: at + 1], tools, **given).text
    prompt = template.render(messages[:at], tools, prompt=True, **given).text if at else ""
    if not whole.startswith(full):
        shared = _shared(whole, full)
        raise ExpectationError(
            f"{template.name} writes turn {at} otherwise once more is said: {full[shared : shared + 40]!r} became "
            f"{whole[shared : shared + 40]!r}; train it in a row of its own (fan-out)"
        )
    return Span(_shared(prompt, full), len(full))


def _shared(first: str, second: str) -> int:
    """Count the characters that two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
