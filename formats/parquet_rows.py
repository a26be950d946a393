"""Rows of a Parquet file as JSON, some at a time: what is no JSON value (times, bytes, decimals) becomes text."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.bounded_reading import MAX_VALUE_BYTES
from schemas.errors import InputError

_ROWS = 64
"""Rows that are held at once."""


def cut_parquet(path: Path) -> Iterator[tuple[int, bytes, str, str]]:
    """Yield number (from 1), JSON, fault and reason of each row; the last two are empty where nothing is wrong.

    Raises:
        InputError: the file is no Parquet file, or is damaged in its head.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from _cut(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}") from error


def _cut(file: pq.ParquetFile) -> Iterator[tuple[int, bytes, str, str]]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS):
            for index in range(len(batch)):
                number += 1
                yield (number, *_spell(batch.slice(index, 1)))
    except (pa.ArrowException, OSError) as error:
        if not number:
            raise
        yield number + 1, b"", f"the rest cannot be read as Parquet: {error}", "cut_off"


def _spell(one: pa.RecordBatch) -> tuple[bytes, str, str]:
    """Return a row's JSON, or why it has none."""
    try:
        raw = orjson.dumps(one.to_pylist()[0], default=_as_text, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, pa.ArrowException) as error:
        return b"", f"the row cannot be spelled as JSON: {error}", "not_json"
    if len(raw) > MAX_VALUE_BYTES:
        return raw, f"more than {MAX_VALUE_BYTES:,} bytes, the most that is read", "out_of_bounds"
    return raw, "", ""


def _as_text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
