"""Foreign sets in a mixture: only those that the recipe names, as a source of their own, and counted as unproven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from formats.releases.release_folder import ReleaseRow
from schemas.errors import ConfigError
from schemas.foreign_row import ForeignRow
from schemas.release import Share
from tasks.privacy.rows import hide_older
from tasks.publish.eligible import Eligible
from tasks.publish.pools import RECORDED
from tasks.publish.render_rows import BothWordings
from tasks.publish.split_rows import Kin
from tasks.workshop import Workshop

TABLE = "foreign_rows"
WORDS = "recorded_words"
"""Reason for which a row is not there as calls: its source told its actions in words."""
_SAYS_SOMETHING = "regexp_matches(m.content, '\\S') OR len(m.tool_calls) > 0"
_IDLE = f"len(list_filter(messages, lambda m: m.train AND NOT ({_SAYS_SOMETHING})))"
_MOST_CHARACTERS = 1000
"""Of what a row asks, to tell rows that ask the same."""


def named_sets(workshop: Workshop) -> str | None:
    """Return a query of the rows of the sets that the recipe names; None = it names none."""
    names = workshop.config.mixture.recorded
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(set(names)))
    return f'SELECT * FROM {TABLE} WHERE "set" IN ({listed})' if names else None


def eligible_recorded(workshop: Workshop, versions: Mapping[str, int]) -> list[Eligible]:
    """Return the rows of the named sets that nobody turned away and that have something to train on.

    Raises:
        ConfigError: a set is named of which no row is here.
    """
    named = named_sets(workshop)
    if named is None:
        return []
    there = {row[0] for row in workshop.warehouse.query(f'SELECT DISTINCT "set" FROM {TABLE}', versions=versions)}
    for name in workshop.config.mixture.recorded:
        if name not in there:
            has = f"there are {', '.join(sorted(there))}" if there else "there are none"
            raise ConfigError(f"mixture.recorded names the set {name!r}, but {has}; `trajmill import` brings one in")
    rows = workshop.warehouse.query(
        f"SELECT row_id, n_trained, tokens, NULL, false, trained_tokens FROM ({named}) "
        f"WHERE n_trained > 0 AND {_IDLE} = 0 AND row_id NOT IN (SELECT id FROM turned_away)",
        versions=versions,
    )
    return [Eligible(*row) for row in rows]


def read_recorded(workshop: Workshop, ids: Sequence[str], versions: Mapping[str, int]) -> list[ForeignRow]:
    """Read rows by their ids."""
    where = "list_contains(?::VARCHAR[], row_id)"
    return workshop.warehouse.read(TABLE, where, (list(ids),), versions=versions) if ids else []


def word_recorded(rows: Sequence[ForeignRow]) -> dict[str, BothWordings]:
    """Return training rows by id: no reward, since nothing of ours gave one."""
    return {row.row_id: _both(row) for row in rows}


def _both(row: ForeignRow) -> BothWordings:
    first = ReleaseRow(row.row_id, RECORDED, row.environment, row.origin, row.license, row.messages)
    made, _ = hide_older(first._replace(tools=row.tools, model=row.model), None)
    calls = any(message.tool_calls for message in made.messages)
    return BothWordings(made, made if calls else WORDS)


def kin_of_recorded(rows: Sequence[ForeignRow]) -> Iterator[Kin]:
    """Yield what splitting needs to know: rows of one session, or that ask the same, are on one side."""
    for row in rows:
        asked = next((message.content for message in row.messages if message.role == "user"), "")
        keys = (f"row {row.set} {row.source_id}",) if row.source_id else ()
        yield Kin(row.row_id, RECORDED, keys, asked[-_MOST_CHARACTERS:])


def note_recorded(workshop: Workshop, shares: Sequence[Share], versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say how many rows are unproven, of which sets, and how many of these were left out."""
    named = named_sets(workshop)
    if named is None:
        return ()
    rows = next((share.rows for share in shares if share.stratum == RECORDED), 0)
    sql = f'SELECT "set", count(*) FROM ({named}) GROUP BY 1 ORDER BY 1'
    there = workshop.warehouse.query(sql, versions=versions)
    total = sum(count for _, count in there)
    of = ", ".join(f"`{name}` ({count:,})" for name, count in there)
    left = f"; {total - rows:,} were left out: turned away, or nothing to train on" if total > rows else ""
    return (f"{rows:,} rows are unproven: recorded elsewhere, in the sets {of}, and never run here{left}.",)
