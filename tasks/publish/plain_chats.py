"""General chats as columns, straight from their table: most say a question and a reply in turns, and need no Python.

Plain is a chat of one system message at most, then user and assistant in turns, every reply trained on, without calls
and reasoning: folding changes nothing of it, and all tables of a release have the same messages. Others go row by row,
and so do those that came in before anything looked for secrets and personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from formats.releases.huggingface import TABLES, lay_out_plain
from tasks.publish.pools import Pick
from tasks.publish.render_rows import Chunk
from warehouse.warehouse import Versions, Warehouse

_SHAPE = """
    array_to_string(list_transform(messages, lambda m: CASE
        WHEN coalesce(len(m.tool_calls), 0) > 0 OR coalesce(m.reasoning_content, '') <> '' THEN '?'
        WHEN m.role = 'system' AND NOT m.train THEN 's' WHEN m.role = 'user' AND NOT m.train THEN 'u'
        WHEN m.role = 'assistant' AND m.train THEN 'a' ELSE '?' END), '')
"""
_SQL = f"""
    SELECT conversation_id AS id, license, source_model AS model,
        list_transform(messages, lambda m: {{'role': m.role, 'content': m.content, 'train': m.train}}) AS messages
    FROM conversations WHERE conversation_id IN (SELECT unnest(?::VARCHAR[]))
        AND looked_at IS NOT NULL AND regexp_full_match({_SHAPE}, 's?(ua)+')
"""


class PlainChats(NamedTuple):
    """Some chats, read."""

    rows: pa.Table
    place: Mapping[str, int]
    """Of a chat, by its id."""

    @classmethod
    def read(cls, warehouse: Warehouse, picks: Sequence[Pick], versions: Versions) -> PlainChats:
        """Read those of the picks that are plain."""
        rows = warehouse.columns(_SQL, ([pick.id for pick in picks],), versions=versions).combine_chunks()
        ids = rows["id"].to_pylist()
        return cls(rows, dict(zip(ids, range(len(ids)), strict=True)))

    def chunk(self, picks: Sequence[Pick], *, with_calls: bool) -> Chunk:
        """Return plain chats in every table of a release."""
        taken = self.rows.take(pa.array([self.place[pick.id] for pick in picks], pa.int64())).combine_chunks()
        named = [pick.name for pick in picks], [pick.stratum for pick in picks]
        return Chunk({name: lay_out_plain(name, taken, *named, with_calls=with_calls) for name in TABLES}, {}, {})


def join_chunks(some: Sequence[Chunk], names: Sequence[str]) -> Chunk:
    """Return chunks as one, its rows in the order of `names`."""
    place = {name: number for number, name in enumerate(names)}

    def ordered(table: str) -> pa.Table:
        whole = pa.concat_tables([chunk.tables[table] for chunk in some])
        ids = whole["id"].to_pylist()
        return whole.take(pa.array(sorted(range(len(ids)), key=lambda at: place[ids[at]]), pa.int64()))

    return Chunk(
        {table: ordered(table) for table in TABLES},
        {row: why for chunk in some for row, why in chunk.left_out.items()},
        {row: episode for chunk in some for row, episode in chunk.episodes.items()},
    )
