"""Proves rows that are tokens already: they are what the template writes of the row, and their labels are its turns."""

from __future__ import annotations

from collections.abc import Sequence

from formats.releases.release_folder import ReleaseRow
from formats.releases.spoken import spoken, tools_of
from formats.templates.mask import Masked, find_faults
from formats.templates.placement import place_parts
from formats.templates.reading import Record
from formats.templates.template import Template
from schemas.errors import ExpectationError

IGNORED = -100


def prove_labels(row: ReleaseRow, records: Sequence[Record], template: Template) -> list[Masked]:
    """Return the mask of each record of a row; over all of them each trained turn carries loss once.

    Raises:
        TemplateRefusal: the template does not take the row.
        ExpectationError: a record is not what the template writes, or its labels are others than the turns' tokens.
    """
    carried: list[int] = []
    masks = []
    for record in records:
        masked = mask_labels(row, record, template)
        turns = [at for at, message in enumerate(row.messages) if message.train and _is_covered(masked, at)]
        said = [{"role": message.role} for message in row.messages]
        if faults := list(find_faults(masked, [at in turns for at in range(len(said))], said)):
            raise ExpectationError("; ".join(faults[:3]))
        carried += turns
        masks.append(masked)
    should = [at for at, message in enumerate(row.messages) if message.train]
    if sorted(carried) != should:
        raise ExpectationError(f"turns {carried} carry loss, turns {should} should, each once")
    return masks


def mask_labels(row: ReleaseRow, record: Record, template: Template) -> Masked:
    """Return the mask that a record's labels are; the record is the row, or its beginning.

    Raises:
        TemplateRefusal: the template does not take the row.
        ExpectationError: its labels are not its tokens, or its tokens not what the template writes.
    """
    messages, tools = spoken(row.messages), tools_of(row.tools).get("tools")
    ids, labels = list(record["input_ids"]), list(record["labels"])
    wrong = [at for at, (one, label) in enumerate(zip(ids, labels, strict=False)) if label not in (IGNORED, one)]
    if wrong or len(ids) != len(labels):
        raise ExpectationError(f"its labels are not its tokens, from {min([*wrong, len(ids), len(labels)])} on")
    for end in range(len(messages), 0, -1):
        if messages[end - 1]["role"] != "assistant" and end < len(messages):
            continue
        tokens = template.tokenize(template.render(messages[:end], tools).text)
        if list(tokens.ids) == ids:
            trained = tuple(at for at, label in enumerate(labels) if label != IGNORED)
            return Masked(place_parts(template, messages[:end], tools), tokens, trained)
    raise ExpectationError("its tokens are not what the template writes of the row, or of its beginning")


def _is_covered(masked: Masked, turn: int) -> bool:
    return any(span.overlaps(held) for part in masked.placed.of(turn) for span in part.spans for held in masked.spans)
