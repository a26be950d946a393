"""DuckDB views over snapshots: what people write SQL against. No extension is needed and none is fetched.

Columns are those of the records, in their order and type, whatever older or newer rows hold; only counted turns show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from schemas.tables import TABLES, column_type
from warehouse.columns import VERSION_COLUMN
from warehouse.delta import Snapshot

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""A stray function fails clearly instead of calling the network."""

_PEOPLE: dict[str, tuple[tuple[str, ...], str]] = {
    "latest_episodes": (
        ("episodes",),
        "SELECT * FROM episodes QUALIFY row_number() OVER (PARTITION BY episode_id ORDER BY try_number DESC) = 1",
    ),
    "funnel": (
        ("task_specs", "episodes", "latest_episodes", "trajectories"),
        """
        SELECT environment, count(DISTINCT task_id) AS tasks, count(episode_id) AS episodes,
            count(*) FILTER (WHERE verdict = 'passed') AS passed, count(trajectory_id) AS trajectories
        FROM (SELECT DISTINCT environment, task_id FROM task_specs) AS specs
        FULL JOIN (SELECT environment, task_id, episode_id, verdict FROM latest_episodes) USING (environment, task_id)
        LEFT JOIN (SELECT episode_id, max(trajectory_id) AS trajectory_id FROM trajectories GROUP BY 1)
            USING (episode_id)
        GROUP BY environment ORDER BY environment
        """,
    ),
    "reject_reasons": (
        ("rejections",),
        "SELECT stage, reason, count(*) AS rows FROM rejections GROUP BY ALL ORDER BY ALL",
    ),
}
"""Views for people: what each reads, and its SQL."""

VIEWS = (*TABLES, *_PEOPLE)


def needed_views(text: str) -> list[str]:
    """Return the views that a text may mean, with those that they read, in an order that they can be created in."""
    named = {name for name in VIEWS if name in text}
    for name in [name for name in _PEOPLE if name in named][::-1]:
        named |= set(_PEOPLE[name][0])
    if "turns" in named:
        named.add("episodes")
    return [name for name in VIEWS if name in named]


def tables_of(views: Iterable[str]) -> list[str]:
    """Return those of the views that are tables."""
    return [name for name in views if name in TABLES]


def create_views(
    connection: duckdb.DuckDBPyConnection,
    views: Iterable[str],
    snapshots: Mapping[str, Snapshot],
    *,
    kind: str = "VIEW",
) -> None:
    """Create the views on a connection; `kind` is VIEW or TEMP VIEW."""
    for name in sorted(views, key=_creation_order):
        body = _PEOPLE[name][1] if name in _PEOPLE else table_sql(snapshots[name])
        connection.execute(f'CREATE {kind} "{name}" AS {body}')


def _creation_order(view: str) -> tuple[bool, int]:
    return view == "turns", VIEWS.index(view)


def table_sql(snapshot: Snapshot) -> str:
    """Return the SELECT over a snapshot's files."""
    fields = snapshot.table.record.model_fields.items()
    types = {name: column_type(field.annotation) for name, field in fields}
    if not snapshot.files:
        return "SELECT " + ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in types.items()) + " WHERE false"
    present = snapshot.columns
    columns = (f"CAST({_quoted(n) if n in present else 'NULL'} AS {kind}) AS {_quoted(n)}" for n, kind in types.items())
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in snapshot.files)
    # Without union_by_name a nested field that only some files have silently vanishes.
    sql = f"SELECT {', '.join(columns)} FROM read_parquet([{files}], union_by_name = true)"
    sql += f" WHERE {VERSION_COLUMN} <= {snapshot.version}"
    if snapshot.table.name == "turns":
        sql += " AND landing IN (SELECT landing FROM episodes)"
    return sql


def _quoted(name: str) -> str:
    return f'"{name}"'
