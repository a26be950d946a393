"""Files that an exported split can be: JSON lines, one JSON array, Parquet. Row by row, so that memory stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Append = Callable[[Mapping[str, Any]], None]
OpenSplit = Callable[[Path], AbstractContextManager[Append]]
_ROWS_PER_GROUP = 1000


@contextmanager
def open_json_lines(path: Path) -> Iterator[Append]:
    """Open a file of one object a line."""
    with path.open("wb") as file:

        def append(row: Mapping[str, Any]) -> None:
            file.write(orjson.dumps(row) + b"\n")

        yield append


@contextmanager
def open_json_array(path: Path) -> Iterator[Append]:
    """Open a file of one array, an element a line."""
    with path.open("wb") as file:
        before = b"[\n"

        def append(row: Mapping[str, Any]) -> None:
            nonlocal before
            file.write(before + orjson.dumps(row))
            before = b",\n"

        yield append
        file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def open_parquet(schema: pa.Schema) -> OpenSplit:
    """Return what opens a Parquet file of that schema."""

    @contextmanager
    def opened(path: Path) -> Iterator[Append]:
        waiting: list[Mapping[str, Any]] = []
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:

            def flush() -> None:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting.clear()

            def append(row: Mapping[str, Any]) -> None:
                waiting.append(row)
                if len(waiting) == _ROWS_PER_GROUP:
                    flush()

            yield append
            flush()

    return opened
