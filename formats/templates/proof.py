"""The proof of a mask: what a trainer would train of an export is what the release says should be trained, row by row.

Two halves. In words: the messages on which the trainer counts the loss, as it reads the exported rows, say what the
trained turns of the release's row say, no word more or less. In tokens, where there is a tokenizer: rendered through
the template and masked as the trainer masks, every text of these messages lies within the tokens that carry loss, no
other text does, and what ends a turn does as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from formats.releases.release_folder import ReleaseRow
from formats.templates.mask import Masked, find_faults, mask_row
from formats.templates.template import Template, TemplateRefusal
from formats.templates.trainers import Reading, Record, Trainer, find_trainer, read_record
from schemas.errors import ExpectationError
from schemas.message import Message, approximate_tokens

Level = Literal["tokens", "words", "rule"]
"""Proven through template and tokenizer; in words alone, for want of one; by a service's documented rule."""
_THINK = re.compile(r"</?think>")


class Proof(NamedTuple):
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
    """Tokens of the longest record."""
    beyond_limit: int
    """Records of which a trained token lies beyond the limit."""
    control_tokens: int
    """Records in whose words a special token's text stands; a tokenizer reads it as the token."""

    def describe(self) -> dict[str, object]:
        """Return it as it stands in `export.json`."""
        return self._asdict()


def prove(
    made: Iterable[tuple[ReleaseRow, Sequence[Record]]],
    trainer: str,
    template: Template | None = None,
    limit: int | None = None,
) -> Proof:
    """Prove an export: each row of the release with the records that were made of it, for one trainer.

    `limit` is the trainer's own, in tokens: beyond it a record is cut off.

    Raises:
        ConfigError: no such trainer.
        ExpectationError: a row would be trained otherwise than its release says; the text names it, and what is and
            what should be trained.
    """
    rule = find_trainer(trainer)
    level: Level = "rule" if rule.how == "documented" else "tokens" if template else "words"
    counts: Counter[str] = Counter()
    longest = 0
    for row, records in made:
        counts["rows"] += 1
        readings = [_read(rule, row, record) for record in records]
        _prove_words(row, rule, readings)
        for reading in readings:
            counts["records"] += 1
            if level == "tokens" and template is not None:
                masked = prove_tokens(row, rule, reading, template, limit)
                size, trained = len(masked.tokens.ids), len(masked.trained)
                counts["beyond_limit"] += limit is not None and masked.trained[-1] >= limit
                counts["control_tokens"] += _has_control_token(template, reading)
            else:
                size, trained = _estimate(reading)
            counts["tokens"] += size
            counts["trained_tokens"] += trained
            longest = max(longest, size)
    names = ("rows", "records", "tokens", "trained_tokens")
    held = {name: counts[name] for name in (*names, "beyond_limit", "control_tokens")}
    return Proof(trainer=trainer, level=level, longest=longest, **held)


def prove_tokens(
    row: ReleaseRow, trainer: Trainer, reading: Reading, template: Template, limit: int | None = None
) -> Masked:
    """Prove one record through the template, and return its mask.

    Raises:
        ExpectationError: as `prove`.
    """
    try:
        _prove_prompt(template, reading)
        masked = mask_row(template, reading)
    except (TemplateRefusal, ExpectationError) as error:
        raise _fail(row, trainer, str(error)) from error
    should = [carries and one["role"] == "assistant" for one, carries in reading.each()]
    if faults := list(find_faults(masked, should, reading.messages)):
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise _fail(row, trainer, "; ".join(faults[:3]) + more)
    if limit is not None and masked.trained[0] >= limit:
        first, size = masked.trained[0], len(masked.tokens.ids)
        raise _fail(
            row,
            trainer,
            f"all that carries loss lies beyond the limit of {limit:,} tokens: it begins at token {first:,} of "
            f"{size:,}, and the trainer would cut it off without a word; raise the limit or leave the row out",
        )
    return masked


def _prove_prompt(template: Template, reading: Reading) -> None:
    """Hold that what is trained is said after what the model will be asked with."""
    if reading.how != "completion":
        return
    messages, tools = reading.messages, reading.tools
    prompt = template.render(messages[: reading.prompt], tools, prompt=True, **reading.given).text
    full = template.render(messages[: reading.prompt + 1], tools, **reading.given).text
    if not full.startswith(prompt):
        raise ExpectationError(
            f"{template.name} is unstable here: the prompt ends with {prompt[-40:]!r}, but the reply does not begin "
            "there; a model trained on it is asked otherwise than it was trained"
        )


def _prove_words(row: ReleaseRow, trainer: Trainer, readings: Sequence[Reading]) -> None:
    carried = [one for reading in readings for one, carries in reading.each() if carries]
    should = [message for message in row.messages if message.train]
    if not carried:
        raise _fail(row, trainer, f"nothing carries loss, and {len(should)} turns should")
    found: Counter[str] = Counter(word for one in carried for word in _words_of(one))
    wanted = [
        Counter(word for message in should for word in _words(message, is_canonical)) for is_canonical in (False, True)
    ]
    if found in wanted:
        return
    less, more = wanted[0] - found, found - wanted[0]
    sides = (("carry loss and should not", more), ("should carry loss and do not", less))
    faults = [f"these words {what}: {_some(words)}" for what, words in sides if words]
    raise _fail(row, trainer, f"{len(carried)} turns carry loss, {len(should)} should; " + "; ".join(faults))


def _read(trainer: Trainer, row: ReleaseRow, record: Record) -> Reading:
    try:
        return read_record(trainer, record)
    except ExpectationError as error:
        raise _fail(row, trainer, str(error)) from error
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
        raise _fail(row, trainer, f"its export cannot be read as {trainer.name} reads it: {error!r}") from error


def _words(message: Message, is_canonical: bool) -> list[str]:
    spell = _canonical if is_canonical else str
    calls = [f"{call.name}({spell(call.arguments)})" for call in message.tool_calls]
    return _split([message.reasoning_content or "", message.content, *calls])


def _words_of(message: Mapping[str, Any]) -> list[str]:
    held = [call.get("function", call) for call in message.get("tool_calls") or ()]
    calls = [f"{one['name']}({_as_text(one['arguments'])})" for one in held]
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return _split([str(message.get("reasoning_content") or message.get("thinking") or ""), content, *calls])


def _split(texts: Iterable[str]) -> list[str]:
    return _THINK.sub(" ", "\n".join(texts)).split()


def _canonical(arguments: str) -> str:
    try:
        return _spell(orjson.loads(arguments))
    except orjson.JSONDecodeError:
        return arguments


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else _spell(arguments)


def _spell(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _some(words: Counter[str], most: int = 12) -> str:
    listed = list(words.elements())
    return repr(" ".join(listed[:most])) + (f" and {len(listed) - most} words more" if len(listed) > most else "")


def _has_control_token(template: Template, reading: Reading) -> bool:
    words = orjson.dumps(list(reading.messages)).decode()
    return any(token in words for token in template.control_tokens)


def _estimate(reading: Reading) -> tuple[int, int]:
    sizes = [(approximate_tokens(" ".join(_words_of(one))), carries) for one, carries in reading.each()]
    return sum(size for size, _ in sizes), sum(size for size, carries in sizes if carries)


def _fail(row: ReleaseRow, trainer: Trainer, what: str) -> ExpectationError:
    return ExpectationError(f"row {row.id} is not trained as its release says by {trainer.name}: {what}")
