"""Where a trainer counts the loss on a row, token by token, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from formats.templates.chat_jinja import Span
from formats.templates.placement import TOOLS, PlacedPart, PlacedTexts, place_parts
from formats.templates.reading import TrainerRow
from formats.templates.spans import prefix_span
from formats.templates.template import Template, TokenizedText
from formats.templates.trainers import How

_QUOTED = 60
"""Characters of a text that a message shows."""


class Masked(NamedTuple):
    """A row in tokens, with those that carry loss."""

    placed: PlacedTexts
    tokens: TokenizedText
    trained: tuple[int, ...]
    """Places of the tokens that carry loss, ascending."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """The characters of the tokens that carry loss, neighbours joined."""
        return join_spans(self.tokens.spans[at] for at in self.trained)


def mask_row(template: Template, reading: TrainerRow, how: How) -> Masked:
    """Return where the trainer counts the loss.

    Where marks count and the template has none, TRL swaps in a template of its own that has; whole turns stand for it.

    Raises:
        TemplateRefusal: the template does not take the conversation.
        ExpectationError: the conversation cannot be marked, or the template rewrites a turn that carries loss.
    """
    messages, tools, given = reading.messages, reading.tools, reading.given
    placed = place_parts(template, messages, tools, **given)
    tokens = template.tokenize(placed.rendered.text)
    if reading.prompt is not None:
        prompt = template.render(messages[: reading.prompt], tools, prompt=True, **given).text
        before = template.tokenize(prompt).ids
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, tokens.ids, strict=False)))
        after = range(shared, len(tokens.ids))
        if all(reading.trained[reading.prompt :]):
            return Masked(placed, tokens, tuple(after))
    else:
        after = range(len(tokens.ids))
    if how == "marks" and template.is_marked:
        return Masked(placed, tokens, tuple(at for at in tokens.covering(placed.rendered.marked) if at in after))
    turns = [at for at, is_trained in enumerate(reading.trained) if is_trained]
    spans = [prefix_span(template, placed.rendered.text, messages, at, tools, **given) for at in turns]
    return Masked(placed, tokens, tokens.covering(spans))


def find_faults(masked: Masked, trained: Sequence[bool], messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what carries loss and should not, and what should and does not; `trained` says which messages should."""
    if not masked.trained:
        yield "no token carries loss"
        return
    covered = masked.spans
    for part in masked.placed.parts:
        should = part.message != TOOLS and trained[part.message]
        name = _name(part, messages)
        if should and not part.spans:
            yield f"{name} should carry loss, and the template leaves it out: {_quote(part.text)}"
        elif should and not any(_holds(covered, span) for span in part.spans):
            yield f"{name} should carry loss and does not: {_quote(part.text)}"
        elif not should and any(span.overlaps(held) for span in part.spans for held in covered):
            yield f"{name} carries loss and should not: {_quote(part.text)}"
    yield from _find_open_ends(masked, trained, messages)


def _find_open_ends(masked: Masked, trained: Sequence[bool], messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield trained turns whose end carries no loss: the model would never learn to stop."""
    text, covered = masked.placed.rendered.text, masked.spans
    begins = [*sorted(span.start for part in masked.placed.parts for span in part.spans), len(text)]
    for at in (at for at, should in enumerate(trained) if should):
        ends = [span.end for part in masked.placed.of(at) for span in part.spans if _holds(covered, span)]
        if not ends:
            continue
        end = max(ends)
        after = text[end : next(begin for begin in begins if begin >= end)]
        start = end + len(after) - len(after.lstrip())
        if after.strip() and not _holds(covered, Span(start, start + 1)):
            yield f"turn {at} ({messages[at]['role']}) carries loss, but what ends it does not: {_quote(after.strip())}"


def join_spans(spans: Iterator[Span] | Sequence[Span]) -> tuple[Span, ...]:
    """Join spans that touch or overlap; they come in order."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        elif span.end > span.start:
            joined.append(span)
    return tuple(joined)


def _holds(covered: Sequence[Span], span: Span) -> bool:
    return any(held.start <= span.start and span.end <= held.end for held in covered)


def _name(part: PlacedPart, messages: Sequence[Mapping[str, Any]]) -> str:
    if part.message == TOOLS:
        return "the tools' description"
    kind = {"content": "", "reasoning": ", its thoughts", "call": ", its call"}[part.field]
    return f"turn {part.message} ({messages[part.message]['role']}{kind})"


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")
