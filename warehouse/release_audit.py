"""Counts what a release holds, from its files alone: lengths, openings that rows share, copies that are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.views import OFFLINE

MEMORY = "300MB"
"""Of DuckDB's, beyond which it uses the disk."""
_ROWS = """
    SELECT id, coalesce(environment, source) AS source, task_id, messages,
        list_filter(messages, lambda m: m.train) AS trained
    FROM read_parquet($files)
"""
_ASKED = "list_filter(messages, lambda m: m.role = 'user')[1].content"
_BYTES = "list_sum(list_transform({0}, lambda m: ceil(strlen(m.content) / 4)))::BIGINT"
"""Not of calls and reasoning, which not every release has columns for."""

_SQL: Mapping[str, str] = {
    "lengths": f"""
        WITH counted AS (SELECT source, len(trained) AS turns, {_BYTES.format("messages")} AS tokens,
            coalesce({_BYTES.format("trained")}, 0) AS learned FROM ({_ROWS}))
        SELECT source, count(*), round(avg(turns), 1), median(tokens)::BIGINT, quantile_disc(tokens, 0.9), max(tokens),
            median(learned)::BIGINT, sum(learned)::BIGINT FROM counted GROUP BY source ORDER BY source
        """,
    "openings": f"""
        WITH opened AS (SELECT source, hash(messages[1].content) AS opening, count(*) AS n FROM ({_ROWS}) GROUP BY ALL)
        SELECT source, sum(n)::BIGINT, count(*), max(n), round(max(n) / sum(n), 4) FROM opened
        GROUP BY source ORDER BY source
        """,
    "copies": f"""
        WITH said AS (
            SELECT source, md5(list_transform(messages, lambda m: (m.role, m.content))::VARCHAR) AS whole,
                coalesce(task_id, md5(regexp_replace(lower({_ASKED}), '\\s+', ' ', 'g'))) AS asked
            FROM ({_ROWS}) WHERE strpos(id, '/') = 0)
        SELECT source, count(*), count(*) - count(DISTINCT whole), count(*) - count(DISTINCT asked) FROM said
        GROUP BY source ORDER BY source
        """,
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "lengths": ("source", "rows", "turns", "tokens, median", "tokens, 90 %", "longest", "trained, median", "trained"),
    "openings": ("source", "rows", "different openings", "rows of the commonest", "its share"),
    "copies": ("source", "rows", "same as another", "asks what another asks"),
}


class Counted(NamedTuple):
    """One table of an audit."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def count_release(files: Sequence[Path]) -> dict[str, Counted]:
    """Count the rows of a release as they were rendered, by source: the world of an agent row, else its stratum.

    lengths: tokens are UTF-8 bytes / 4 of words, calls and reasoning apart. openings: rows whose first message is the
    same, as instructions and one-shot examples are. copies: the recipe's own repeats apart.
    """
    with duckdb.connect(config={**OFFLINE, "memory_limit": MEMORY}) as connection:
        given = {"files": [str(path) for path in files]}
        found = {name: connection.execute(sql, given).fetchall() for name, sql in _SQL.items()}
    return {name: Counted(COLUMNS[name], rows) for name, rows in found.items()}
