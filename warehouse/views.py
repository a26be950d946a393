"""DuckDB views over snapshots: what people write SQL against. No extension is needed and none is fetched.

Columns are those of the records, in their order and type, whatever older or newer rows hold; only counted turns show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import duckdb

import prompts
from schemas.episode import NOT_FINAL
from schemas.rejection import INNER_STAGES, READING, TAKEN_BACK, WORDS
from schemas.tables import TABLES, column_type
from warehouse.columns import VERSION_COLUMN
from warehouse.delta import TableSnapshot
from warehouse.views_of_runs import OF_RUNS

OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""A stray function fails clearly instead of calling the network."""

_PEOPLE: dict[str, tuple[tuple[str, ...], str]] = {
    "latest_episodes": (
        ("episodes",),
        """
        SELECT one.* FROM episodes AS one
            ANTI JOIN (SELECT episode_id, try_number FROM episodes WHERE try_number > 1) AS later
            ON later.episode_id = one.episode_id AND later.try_number > one.try_number
        """,  # a window over all tries is ten times slower where nearly every attempt has one
    ),
    "latest_verdicts": (
        ("episodes", "verdicts", "latest_episodes"),
        """
        WITH judged AS (
            SELECT episode_id, verdict, reward, verdict_detail AS detail, coalesce(check_contract, 1) AS check_contract,
                0 AS number, '' AS elsewhere FROM latest_episodes
            UNION ALL SELECT episode_id, verdict, reward, detail, check_contract, number, elsewhere FROM verdicts
        )
        SELECT episode_id, own.environment, judged.verdict, judged.reward, detail, judged.check_contract, number,
            elsewhere, judged.verdict IN ('passed', own.verdict) AND judged.reward >= own.reward AS stands
        FROM judged JOIN latest_episodes AS own USING (episode_id)
        QUALIFY row_number() OVER (PARTITION BY episode_id
            ORDER BY judged.verdict = 'unknown', judged.check_contract DESC, number DESC) = 1
        """,
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
    "turned_away": (
        ("rejections",),
        f"""
        SELECT split_part(source, '/', 1) AS id, stage, reason, detail, environment, build FROM rejections
        WHERE stage NOT IN {INNER_STAGES!r}
        QUALIFY row_number() OVER (PARTITION BY id, stage IN {WORDS!r}, stage = '{READING}'
            ORDER BY number DESC NULLS LAST, stage, rejection_id) = 1 AND reason <> '{TAKEN_BACK}'
        """,
    ),
    "task_difficulty_by_solver": (
        ("episodes", "verdicts", "latest_episodes", "latest_verdicts"),
        f"""
        SELECT task_id, own.environment AS environment, solver.kind AS kind, solver.model AS model,
            solver.solver_id AS solver_id, solver.dialect AS dialect, count(*) AS attempts,
            count(*) FILTER (today.verdict = 'passed') AS passed, passed / count(*) AS pass_rate,
            avg(n_turns) AS turns, avg(n_turns) FILTER (today.verdict = 'passed') AS turns_passed
        FROM latest_episodes AS own JOIN latest_verdicts AS today USING (episode_id)
        WHERE solver.kind <> 'reference' AND outcome NOT IN {NOT_FINAL!r} AND own.verdict <> 'unknown'
        GROUP BY task_id, own.environment, solver.kind, solver.model, solver.solver_id, solver.dialect
        """,
    ),
    "task_difficulty": (
        (
            *("task_specs", "episodes", "verdicts", "rejections", "latest_episodes", "latest_verdicts"),
            *("turned_away", "task_difficulty_by_solver"),
        ),
        """
        WITH tried AS (
            SELECT task_id, count(*) AS solvers, sum(attempts)::BIGINT AS attempts, sum(passed)::BIGINT AS passed,
                sum(turns * attempts) / sum(attempts) AS turns,
                sum(turns_passed * passed) / nullif(sum(passed), 0) AS turns_passed
            FROM task_difficulty_by_solver GROUP BY task_id
        ), away AS (SELECT id AS task_id, min(reason) AS turned_away FROM turned_away GROUP BY id)
        SELECT specs.task_id, environment, family, origin, difficulty AS claimed, coalesce(solvers, 0) AS solvers,
            coalesce(attempts, 0) AS attempts, coalesce(passed, 0) AS passed, passed / attempts AS pass_rate, turns,
            turns_passed, turned_away
        FROM (SELECT DISTINCT ON (task_id) task_id, environment, family, origin, difficulty FROM task_specs) AS specs
        LEFT JOIN tried USING (task_id) LEFT JOIN away USING (task_id)
        """,
    ),
    "costs": (
        ("completions",),
        """
        SELECT completion_id, purpose AS stage, model, p.name AS prompt, p.version AS prompt_version, batch,
            prompt_tokens, completion_tokens, prompt_tokens + completion_tokens AS tokens, cost_usd AS usd, created_at
        FROM completions LEFT JOIN (VALUES {prompts}) AS p(sha256, name, version) ON p.sha256 = prompt_sha
        """,
    ),
    "trajectory_receipts": (
        ("task_specs", "episodes", "turns", "trajectories", "completions"),
        """
        WITH RECURSIVE made AS (
            SELECT trajectory_id, unnest(completion_ids) AS completion_id FROM trajectories
            UNION SELECT trajectory_id, completion_id FROM trajectories JOIN turns USING (episode_id)
                WHERE completion_id IS NOT NULL
            UNION SELECT trajectory_id, unnest(provenance.completion_ids) FROM trajectories
                JOIN task_specs USING (task_id)
            UNION SELECT trajectory_id, unnest(parents) FROM made JOIN completions USING (completion_id)
        )
        SELECT trajectory_id, completion_id FROM made
        """,
    ),
    "trajectory_costs": (
        ("task_specs", "episodes", "turns", "trajectories", "completions", "costs", "trajectory_receipts"),
        """
        SELECT trajectory_id, environment, stage, costs.model, prompt, prompt_version, count(*) AS requests,
            sum(costs.tokens)::BIGINT AS tokens, sum(usd) AS usd, sum(usd / shared_by) AS usd_shared
        FROM trajectory_receipts JOIN trajectories USING (trajectory_id) JOIN costs USING (completion_id)
            JOIN (SELECT completion_id, count(*) AS shared_by FROM trajectory_receipts GROUP BY 1)
                USING (completion_id)
        GROUP BY ALL
        """,
    ),
    **OF_RUNS,
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
    snapshots: Mapping[str, TableSnapshot],
    *,
    kind: str = "VIEW",
) -> None:
    """Create the views on a connection; `kind` is VIEW or TEMP VIEW."""
    for name in sorted(views, key=_creation_order):
        body = _PEOPLE[name][1].replace("{prompts}", _prompts()) if name in _PEOPLE else table_sql(snapshots[name])
        connection.execute(f'CREATE {kind} "{name}" AS {body}')


@cache
def _prompts() -> str:
    """Return (sha256, name, version) of every prompt as rows of SQL, so that the views need no file of ours."""
    return ", ".join(f"('{p.sha256}', '{p.name}', '{p.version}')" for p in prompts.every_version())


def _creation_order(view: str) -> tuple[bool, bool, int]:
    """Tables come first, `turns` after the `episodes` that it reads."""
    return view in _PEOPLE, view == "turns", VIEWS.index(view)


def table_sql(snapshot: TableSnapshot) -> str:
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
