"""Counts tokens by a named tokenizer: of every row, or of a sample that the byte estimate is calibrated on.

The estimate is UTF-8 bytes / 4. Of a source's sample one half gives the factor, the other the error that is published:
of the sum, which a mixture is weighed by, and of a row in the mean.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from formats.templates.template import load_tokenizer
from schemas.bounded_reading import read_file
from schemas.errors import ConfigError, InputError
from schemas.message import Message
from schemas.mixture_config import MixtureConfig
from tasks.publish.eligible import Eligible, sampling_key
from tasks.publish.pools import AGENT
from tasks.workshop import Workshop

MOST_BYTES = 200_000_000
"""Of a `tokenizer.json`; those of today's models have 2 to 20 MB."""
AT_ONCE = 500
"""Rows whose texts are held together."""


class Calibration(NamedTuple):
    """How a source's tokens were counted."""

    source: str
    """A world, or whoever wrote the replies."""
    tokenizer: str
    """Its file's sha256, twelve digits."""
    counted: int
    """Rows that the tokenizer counted."""
    factor: float | None
    """TokenCounts for one of the estimate's; None = every row was counted."""
    error: float = 0.0
    """Of the sum over the rows that the factor was not made on, relative."""
    row_error: float = 0.0
    """Of one such row, relative, in the mean."""

    @property
    def note(self) -> str:
        """Return what a card says of it."""
        by = f"{self.source}: trained tokens are those of tokenizer {self.tokenizer}"
        if self.factor is None:
            return f"{by}, of all {self.counted:,} rows."
        others = self.counted - self.counted // 2
        return (
            f"{by}, estimated as {self.factor:.3f} x UTF-8 bytes / 4; on {others:,} other rows the sum is "
            f"{self.error:+.1%} off, a row {self.row_error:.1%} in the mean."
        )


class TokenCounts(NamedTuple):
    """Of a row: all, and those that the loss counts on."""

    tokens: int
    trained: int


def tokenizer_sha256(recipe: MixtureConfig) -> str | None:
    """Return the sha256 of a recipe's tokenizer; None = it names none.

    Raises:
        ConfigError: it names a folder without one.
    """
    if recipe.tokenizer is None:
        return None
    try:
        return hashlib.sha256(read_file(Path(recipe.tokenizer) / "tokenizer.json", MOST_BYTES)).hexdigest()
    except InputError as error:
        raise ConfigError(f"mixture.tokenizer: {error}") from None


class TokenCounter:
    """A tokenizer that counts, without special tokens: those are a chat template's."""

    def __init__(self, recipe: MixtureConfig) -> None:
        self.name = (tokenizer_sha256(recipe) or "")[:12]
        self._tokenizer = load_tokenizer(Path(recipe.tokenizer or ""))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, rows: Sequence[Sequence[Message]]) -> list[TokenCounts]:
        """Count the tokens of rows: words, reasoning and calls, as the estimate does."""
        texts = [text for row in rows for message in row for text in _texts(message)]
        found = iter([len(one.ids) for one in self._tokenizer.encode_batch(texts, add_special_tokens=False)])
        return [self._sum(row, found) for row in rows]

    def _sum(self, row: Sequence[Message], found: Iterator[int]) -> TokenCounts:
        counted = [(message.train, sum(next(found) for _ in _texts(message))) for message in row]
        return TokenCounts(sum(n for _, n in counted), sum(n for trained, n in counted if trained))


def _texts(message: Message) -> list[str]:
    calls = [text for call in message.tool_calls for text in (call.name, call.arguments)]
    return [text for text in (message.content, message.reasoning_content or "", *calls) if text]


def calibrate(
    workshop: Workshop, agent: Sequence[Eligible], general: Sequence[Eligible], versions: Mapping[str, int]
) -> tuple[tuple[Calibration, ...], list[Eligible], list[Eligible]]:
    """Return how tokens were counted, by source, and the rows with their counts by the recipe's tokenizer.

    Raises:
        ConfigError: it cannot be read.
    """
    counter, recipe = TokenCounter(workshop.config.mixture), workshop.config.mixture
    found: list[Calibration] = []
    counted: dict[str, Eligible] = {}
    pools: dict[tuple[str, str], list[Eligible]] = defaultdict(list)
    for row in agent:
        pools["trajectories", f"{AGENT} ({row.world})"].append(row)
    for row in general:
        pools["conversations", row.source_model or "nobody named"].append(row)
    for (table, name), rows in sorted(pools.items()):
        ordered = sorted(rows, key=lambda row: sampling_key(row.id, recipe.seed))
        sample = ordered[: recipe.tokenizer_sample or None]
        exact = dict(zip((row.id for row in sample), _count(workshop, counter, table, sample, versions), strict=True))
        how = _judge(name, counter.name, sample, exact, len(rows))
        found.append(how)
        for row in rows:
            counted[row.id] = _recount(row, exact.get(row.id), how)
    return tuple(found), [counted[row.id] for row in agent], [counted[row.id] for row in general]


def _judge(
    name: str, tokenizer: str, sample: Sequence[Eligible], exact: Mapping[str, TokenCounts], rows: int
) -> Calibration:
    if len(sample) == rows:
        return Calibration(name, tokenizer, rows, None)
    half = len(sample) // 2
    made_on, others = sample[:half] or sample, sample[half:]
    factor = sum(exact[row.id].trained for row in made_on) / max(1, sum(row.trained_tokens for row in made_on))
    there = sum(exact[row.id].trained for row in others)
    error = sum(factor * row.trained_tokens for row in others) / max(1, there) - 1
    of_rows = [abs(factor * row.trained_tokens / max(1, exact[row.id].trained) - 1) for row in others]
    return Calibration(name, tokenizer, len(sample), factor, error, sum(of_rows) / max(1, len(of_rows)))


def _recount(row: Eligible, exact: TokenCounts | None, how: Calibration) -> Eligible:
    """Return a row with its tokens; of a source that was not counted whole all are estimates: none is favoured."""
    if how.factor is None and exact is not None:
        return row._replace(tokens=exact.tokens, trained_tokens=exact.trained)
    factor = how.factor or 1.0
    return row._replace(tokens=round(row.tokens * factor), trained_tokens=round(row.trained_tokens * factor))


def _count(
    workshop: Workshop, counter: TokenCounter, table: str, sample: Sequence[Eligible], versions: Mapping[str, int]
) -> Iterable[TokenCounts]:
    key = {"trajectories": "trajectory_id", "conversations": "conversation_id"}[table]
    for start in range(0, len(sample), AT_ONCE):
        ids = [row.id for row in sample[start : start + AT_ONCE]]
        where = f"list_contains(?::VARCHAR[], {key})"
        rows: list[Any] = workshop.warehouse.read(table, where, (ids,), versions=versions)
        messages = {getattr(row, key): row.messages for row in rows}
        yield from counter.count([messages[one] for one in ids])
