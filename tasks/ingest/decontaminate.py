"""Tells chats that hold items of a benchmark, by ten-grams that may differ in four tokens.

After AgentTuning's appendix on contamination, which follows Llama 2 (Touvron et al. 2023, appendix A.6): a token of an
item is covered where it stands in a window of ten tokens that a row has too, but for four of them; a row is dirty for
an item of which it covers 80 %, and clean below 20 %. Tokens are words here. An item of fewer is looked for whole.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from formats.json_values import Unread, read_values
from schemas.bounded_reading import open_file
from schemas.errors import ConfigError, InputError

WINDOW, MISMATCHES = 10, 4
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")
_Tokens = Any  # an array of int32


class Overlap(NamedTuple):
    """How much of a benchmark's item a row holds."""

    share: float
    item: str
    """File and line."""


class Benchmarks:
    """The items of some files, by the pairs of tokens in them."""

    def __init__(self, items: Mapping[str, str]) -> None:
        self._numbers: dict[str, int] = {}
        self._items = [(name, self._tokens(text, learn=True)) for name, text in items.items()]
        self._by_pair: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for index, (_, tokens) in enumerate(self._items):
            for pair in set(_pairs(tokens)):
                self._by_pair[pair].append(index)

    def overlap(self, texts: Iterator[str]) -> Overlap:
        """Return the largest share of an item that the texts cover, of 0 where they share nothing."""
        row = self._tokens(" ".join(texts), learn=False)
        shared = Counter(index for pair in set(_pairs(row)) for index in self._by_pair.get(pair, ()))
        best = Overlap(0.0, "")
        for index, pairs in shared.items():
            name, tokens = self._items[index]
            # each covered window of ten has a pair of neighbours that stand in the row too
            if pairs * WINDOW < best.share * len(tokens):
                continue
            share = _cover(tokens, row)
            best = max(best, Overlap(share, name))
        return best

    def _tokens(self, text: str, *, learn: bool) -> _Tokens:
        words = _WORD.findall(text.lower())
        if learn:
            numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in words]
        else:
            numbers = [self._numbers.get(word, -1) for word in words]
        return np.array(numbers, dtype=np.int32)


def _pairs(tokens: _Tokens) -> Iterator[tuple[int, int]]:
    plain: Sequence[int] = tokens.tolist()
    return (pair for pair in itertools.pairwise(plain) if -1 not in pair)


def _cover(item: _Tokens, row: _Tokens) -> float:
    """Return the share of an item's tokens in windows that the row has, but for some tokens."""
    width = min(WINDOW, len(item))
    if len(row) < width:
        return 0.0
    mismatches = MISMATCHES if width == WINDOW else 0
    equal = item[:, None] == row[None, :]
    high, wide = len(item) - width + 1, len(row) - width + 1
    same = np.zeros((high, wide), dtype=np.int8)
    for step in range(width):
        same += equal[step : step + high, step : step + wide]
    begins = (same >= width - mismatches).any(axis=1)
    covered = np.zeros(len(item), dtype=bool)
    for step in range(width):
        covered[step : step + high] |= begins
    return float(covered.mean())


@functools.cache
def load_benchmarks(paths: tuple[str, ...]) -> Benchmarks:
    """Read items from files: one a line, or one a JSON value, of which all texts count.

    Raises:
        ConfigError: a file cannot be read, or holds no item.
    """
    items: dict[str, str] = {}
    for path in map(Path, paths):
        try:
            found = dict(_read_json(path) if ".json" in path.name else _read_lines(path))
        except InputError as error:
            raise ConfigError(f"general.cleaning.benchmarks: {error}") from error
        if not found:
            raise ConfigError(f"general.cleaning.benchmarks: {path} holds no item")
        items |= found
    return Benchmarks(items)


def _read_json(path: Path) -> Iterator[tuple[str, str]]:
    for row in read_values(path):
        if isinstance(row, Unread):
            raise InputError(f"{path}:{row.line} {row.detail}")
        if text := " ".join(_texts(row.value)):
            yield f"{path.name}:{row.line}", text


def _read_lines(path: Path) -> Iterator[tuple[str, str]]:
    with open_file(path) as file:
        for number, line in enumerate(file, 1):
            if text := line.decode("utf-8", "replace").strip():
                yield f"{path.name}:{number}", text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
