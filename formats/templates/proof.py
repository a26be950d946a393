"""The proof of a mask: what a trainer would train of an export is what the release says should be trained, row by row.

Two halves. In words: the messages on which the trainer counts the loss, as it reads the exported rows, say what the
trained turns of the release's row say, no word more or less. In tokens, where there is a tokenizer: rendered through
the template and masked as the trainer masks, every text of these messages lies within the tokens that carry loss, no
other text does, and what ends a turn does as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import orjson

from formats.releases.release_folder import ReleaseRow
from formats.templates.mask import Masked, find_faults, mask_row
from formats.templates.reading import Record, TrainerRow, read_record
from formats.templates.template import Template, TemplateRefusal
from formats.templates.token_rows import mask_labels, prove_labels
from formats.templates.trainers import Trainer, find_trainer
from formats.templates.words import estimate_tokens, find_fault
from schemas.errors import ConfigError, ExpectationError

Level = Literal["tokens", "words", "rule"]
"""Proven through template and tokenizer; in words alone, for want of one; by a service's documented rule."""


class MaskProof(NamedTuple):
    """What was proven."""

    trainer: str
    level: Level
    rows: int
    """Of the release."""
    records: int
    """As exported: a fanned-out row is several."""
    tokens: int
    """Estimated, unless the level is `tokens`."""
    trained_tokens: int
    longest: int
    """Of the longest record."""
    beyond_limit: int
    """Records of which a trained token lies beyond the limit."""
    control_tokens: int
    """Records in whose words a special token's text stands; a tokenizer reads it as the token."""

    def describe(self) -> dict[str, object]:
        """Return it as it stands in `export.json`."""
        return self._asdict()


class Prover:
    """Proves an export while it is written, a row of the release after the other.

    `last_only`, `replies_only` and `limit` are the trainer's configuration: whether loss counts on the last reply alone
    where it knows no flag; of a completion on the replies alone; the tokens beyond which it cuts a record off.

    Raises:
        ConfigError: no such trainer.
    """

    def __init__(
        self,
        trainer: str,
        template: Template | None = None,
        *,
        last_only: bool = False,
        replies_only: bool = False,
        limit: int | None = None,
    ) -> None:
        self.trainer = find_trainer(trainer)
        self.last_only, self.replies_only, self.limit = last_only, replies_only, limit
        self.template = None if self.trainer.how in ("documented", "text") else template
        self._counts: Counter[str] = Counter()
        self._longest = 0

    @property
    def level(self) -> Level:
        """How far the proof goes."""
        return "rule" if self.trainer.how == "documented" else "tokens" if self.template else "words"

    @property
    def proof(self) -> MaskProof:
        """Return what was proven so far."""
        names = ("rows", "records", "tokens", "trained_tokens", "beyond_limit", "control_tokens")
        held = {name: self._counts[name] for name in names}
        return MaskProof(trainer=self.trainer.name, level=self.level, longest=self._longest, **held)

    def prove_row(self, row: ReleaseRow, records: Sequence[Record]) -> None:
        """Prove a row of the release by the records that were made of it.

        Raises:
            ExpectationError: it would be trained otherwise than its release says; the text names the row, what is
                trained and what should be.
        """
        found = list(self._prove(row, records))  # a row counts once all of it is proven
        self._counts["rows"] += 1
        for counts in found:
            self._counts.update(counts)
            self._longest = max(self._longest, counts["tokens"])

    def _prove(self, row: ReleaseRow, records: Sequence[Record]) -> Iterator[Counter[str]]:
        """Yield the counts of each record."""
        if records and all("input_ids" in record for record in records):
            yield from map(self._count_mask, self._prove_labels(row, records))
            return
        readings = [self.read(row, record) for record in records]
        if fault := find_fault(row, self.trainer, readings):
            raise _fail(row, self.trainer, fault)
        for reading in readings:
            if self.template is None:
                tokens, trained = estimate_tokens(reading)
                yield Counter(records=1, tokens=tokens, trained_tokens=trained)
            else:
                masked = prove_tokens(row, self.trainer, reading, self.template, self.limit)
                yield self._count_mask(masked) + Counter(control_tokens=_has_control_token(self.template, reading))

    def read(self, row: ReleaseRow, record: Record) -> TrainerRow:
        """Read a record of messages as the trainer does.

        Raises:
            ExpectationError: the trainer cannot.
        """
        try:
            return read_record(self.trainer, record, last_only=self.last_only, replies_only=self.replies_only)
        except ExpectationError as error:
            raise _fail(row, self.trainer, str(error)) from error
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
            what = f"its export cannot be read as {self.trainer.name} reads it: {error!r}"
            raise _fail(row, self.trainer, what) from error

    def mask(self, row: ReleaseRow, record: Record) -> Masked | None:
        """Return where loss counts on a record, right or wrong; None without a tokenizer.

        Raises:
            TemplateRefusal: the template does not take it.
            ExpectationError: it is not what the template writes, or rewrites.
        """
        if self.template is None:
            return None
        if "input_ids" in record:
            return mask_labels(row, record, self.template)
        return mask_row(self.template, self.read(row, record), self.trainer.how)

    def _prove_labels(self, row: ReleaseRow, records: Sequence[Record]) -> list[Masked]:
        if self.template is None:
            raise ConfigError("rows of tokens are proven with the tokenizer that made them; give --tokenizer DIR")
        try:
            masks = prove_labels(row, records, self.template)
        except (TemplateRefusal, ExpectationError) as error:
            raise _fail(row, self.trainer, str(error)) from error
        for masked in masks:
            _prove_limit(row, self.trainer, masked, self.limit)
        return masks

    def _count_mask(self, masked: Masked) -> Counter[str]:
        is_cut = self.limit is not None and masked.trained[-1] >= self.limit
        sizes = {"tokens": len(masked.tokens.ids), "trained_tokens": len(masked.trained)}
        return Counter(records=1, beyond_limit=int(is_cut), **sizes)


def prove(
    made: Iterable[tuple[ReleaseRow, Sequence[Record]]],
    trainer: str,
    template: Template | None = None,
    *,
    last_only: bool = False,
    replies_only: bool = False,
    limit: int | None = None,
) -> MaskProof:
    """Prove an export that is there: each row of the release with its records. See `Prover`."""
    prover = Prover(trainer, template, last_only=last_only, replies_only=replies_only, limit=limit)
    for row, records in made:
        prover.prove_row(row, records)
    return prover.proof


def prove_tokens(
    row: ReleaseRow, trainer: Trainer, reading: TrainerRow, template: Template, limit: int | None = None
) -> Masked:
    """Prove one record through the template, and return its mask.

    Raises:
        ExpectationError: as `prove`.
    """
    try:
        _prove_prompt(template, reading)
        masked = mask_row(template, reading, trainer.how)
    except (TemplateRefusal, ExpectationError) as error:
        raise _fail(row, trainer, str(error)) from error
    should = [carries and one["role"] == "assistant" for one, carries in reading.each()]
    if faults := list(find_faults(masked, should, reading.messages)):
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise _fail(row, trainer, "; ".join(faults[:3]) + more)
    _prove_limit(row, trainer, masked, limit)
    return masked


def _prove_limit(row: ReleaseRow, trainer: Trainer, masked: Masked, limit: int | None) -> None:
    if limit is not None and masked.trained[0] >= limit:
        first, size = masked.trained[0], len(masked.tokens.ids)
        raise _fail(
            row,
            trainer,
            f"all that carries loss lies beyond the limit of {limit:,} tokens: it begins at token {first:,} of "
            f"{size:,}, and the trainer would cut it off without a word; raise the limit or leave the row out",
        )


def _prove_prompt(template: Template, reading: TrainerRow) -> None:
    """Hold that what is trained is said after what the model will be asked with."""
    if reading.prompt is None:
        return
    messages, tools = reading.messages, reading.tools
    prompt = template.render(messages[: reading.prompt], tools, prompt=True, **reading.given).text
    full = template.render(messages[: reading.prompt + 1], tools, **reading.given).text
    if not full.startswith(prompt):
        raise ExpectationError(
            f"{template.name} is unstable here: the prompt ends with {prompt[-40:]!r}, but the reply does not begin "
            "there; a model trained on it is asked otherwise than it was trained"
        )


def _has_control_token(template: Template, reading: TrainerRow) -> bool:
    words = orjson.dumps(list(reading.messages)).decode()
    return any(token in words for token in template.control_tokens)


def _fail(row: ReleaseRow, trainer: Trainer, what: str) -> ExpectationError:
    return ExpectationError(f"row {row.id} is not trained as its release says by {trainer.name}: {what}")
