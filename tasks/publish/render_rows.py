"""Renders rows as the columns of a release's tables, a chunk at a time: once, however many releases take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from formats.releases.huggingface import TABLES, columns_of
from formats.releases.release_folder import ReleaseRow


class BothWordings(NamedTuple):
    """One row of a release in both wordings."""

    row: ReleaseRow
    """As it was rendered."""
    calls: ReleaseRow | str
    """As native calls, or why it cannot be."""
    episode: str | None = None
    """Of a row as calls that stands for a whole episode, whatever part of it the row is; None = of no episode."""


class Chunk(NamedTuple):
    """Some rows in every table of a release, in their order."""

    tables: Mapping[str, pa.Table]
    """`tool_calls` has those alone that can be worded so."""
    left_out: Mapping[str, str]
    """Id of a row that is not in `tool_calls` -> why."""
    episodes: Mapping[str, str]
    """Id of a row that is there -> the episode that it stands for: a release holds each once."""

    @property
    def ids(self) -> list[str]:
        """Return the rows' ids, in their order."""
        ids: list[str] = self.tables["original"]["id"].to_pylist()
        return ids


def render_chunk(rows: Sequence[BothWordings], *, with_calls: bool) -> Chunk:
    """Render rows.

    Args:
        with_calls: whether messages have columns for calls and reasoning: the same for all of a release.

    Raises:
        ValueError: a row has calls, and messages were to have none.
    """
    as_calls = [written.calls for written in rows if not isinstance(written.calls, str)]
    said = {name: as_calls if name == "tool_calls" else [written.row for written in rows] for name in TABLES}
    return Chunk(
        {name: columns_of(name, mine, with_calls=with_calls) for name, mine in said.items()},
        {written.row.id: written.calls for written in rows if isinstance(written.calls, str)},
        {w.row.id: w.episode for w in rows if w.episode is not None and not isinstance(w.calls, str)},
    )
