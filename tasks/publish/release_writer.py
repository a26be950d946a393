"""Writes the Parquet files of one release from chunks of rows that pass by; it holds back less than a row group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from formats.releases.huggingface import ROWS_PER_GROUP, TABLES, narrow_messages
from formats.releases.release_folder import SPLITS
from tasks.publish.pools import COPY_MARK
from tasks.publish.render_rows import Chunk
from tasks.publish.word_as_calls import ROUND


class ReleaseWriter:
    """Takes those rows of chunks that a release holds, each to its split.

    Args:
        folder: `data/` of the release is made in it.
        splits: by row, in any order.
        rows_per_shard: of a file.
        with_calls: whether messages have columns for calls; chunks may have them nevertheless.
    """

    def __init__(self, folder: Path, splits: Mapping[str, str], rows_per_shard: int, *, with_calls: bool) -> None:
        self._folder, self._splits, self._with_calls = folder, splits, with_calls
        self._size = rows_per_shard
        self._files: dict[tuple[str, str], _Files] = {}
        self.tables: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
        """Rows by table and split."""
        self.licenses: Counter[tuple[str, str]] = Counter()
        self.sources: Counter[tuple[str, str]] = Counter()
        """By source and split."""
        self.left_out: Counter[str] = Counter()
        """Of `tool_calls`, by reason."""
        self._whole: dict[str, str] = {}
        """Episode -> the row that it stands in as calls."""

    def add(self, chunk: Chunk) -> None:
        """Take what is this release's of a chunk; chunks come in the mixture's order."""
        later = set(self._later_rounds(chunk))
        for split in SPLITS:
            mine = [row_id for row_id in chunk.ids if self._splits.get(row_id) == split]
            if not mine:
                continue
            for name, table in chunk.tables.items():
                wanted = [row_id for row_id in mine if row_id not in later] if name == "tool_calls" else mine
                rows = table.filter(pc.is_in(table["id"], value_set=pa.array(wanted, pa.string())))
                if len(rows):
                    self._file(name, split).add(rows if self._with_calls else narrow_messages(name, rows))
                    self.tables[name][split] += len(rows)
                if name == "original":
                    self.licenses.update(zip(rows["source"].to_pylist(), rows["license"].to_pylist(), strict=True))
                    self.sources.update((source, split) for source in rows["source"].to_pylist())
            self.left_out.update(chunk.left_out[row_id] for row_id in mine if row_id in chunk.left_out)
            self.left_out[ROUND] += sum(row_id in later for row_id in mine)

    def _later_rounds(self, chunk: Chunk) -> Iterator[str]:
        """Yield the rows whose episode stands whole in another row of the release already: as calls it is one."""
        for row_id in chunk.ids:
            if row_id in self._splits and (episode := chunk.episodes.get(row_id)) is not None:
                row = row_id.partition(COPY_MARK)[0]
                if self._whole.setdefault(episode, row) != row:
                    yield row_id

    def finish(self) -> list[tuple[Path, int]]:
        """Close the files, each under the name that says how many there are; return them with their rows."""
        self.left_out = +self.left_out  # without zeros
        for files in self._files.values():
            files.close()
        return [named for files in self._files.values() for named in files.named()]

    def _file(self, table: str, split: str) -> _Files:
        if (table, split) not in self._files:
            folder = self._folder / "data" / table
            folder.mkdir(parents=True, exist_ok=True)
            self._files[table, split] = _Files(folder / split, self._size)
        return self._files[table, split]


class _Files:
    """The shards of one table and split, written a row group at a time."""

    def __init__(self, stem: Path, rows_per_shard: int) -> None:
        self._stem, self._size = stem, rows_per_shard
        self._written: list[int] = []
        """Rows by shard."""
        self._held: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        self._held.append(rows)
        while sum(map(len, self._held)) >= self._group():
            self._write(self._group())

    def close(self) -> None:
        if waiting := sum(map(len, self._held)):
            self._write(waiting)
        self._end()

    def named(self) -> Iterator[tuple[Path, int]]:
        for index, rows in enumerate(self._written):
            path = self._path(index)
            yield path.rename(path.with_name(f"{path.name}-of-{len(self._written):05}.parquet")), rows

    def _group(self) -> int:
        """Return the rows of the next row group: a shard ends where its last one does."""
        left = self._size - (self._written[-1] if self._writer else 0)
        return min(ROWS_PER_GROUP, left)

    def _write(self, count: int) -> None:
        held = pa.concat_tables(self._held)
        self._held = [held.slice(count)] if len(held) > count else []
        rows = held.slice(0, count).combine_chunks()
        if self._writer is None:
            self._written.append(0)
            self._writer = pq.ParquetWriter(self._path(len(self._written) - 1), rows.schema, compression="zstd")
        self._writer.write_table(rows, row_group_size=ROWS_PER_GROUP)
        self._written[-1] += count
        if self._written[-1] >= self._size:
            self._end()

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _path(self, index: int) -> Path:
        return self._stem.with_name(f"{self._stem.name}-{index:05}")
