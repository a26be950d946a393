"""SQL of the views over builds, failures and copies; what their columns mean stands in `schemas/views_of_runs.py`."""

from __future__ import annotations

from schemas.build_entry import BuildStatus
from schemas.episode import NOT_FINAL
from warehouse.state import WHOLE

_BEGUN: BuildStatus = "begun"
_COUNTED = (
    *("build_log", "task_specs", "episodes", "trajectories", "rejections", "releases", "completions"),
    "latest_episodes",
)


def _runs(of: str, named: str) -> str:
    """Return what became of builds, and their counts; each count is made once over its whole table."""
    return f"""
        WITH runs AS (
            SELECT number AS build, any_value(kind) AS stage, any_value(config) AS config,
                any_value(config_hash) AS config_hash, max(happened_at) FILTER (status = '{_BEGUN}') AS began_at,
                max(happened_at) FILTER (status = 'finished') AS finished_at,
                coalesce(max(status) FILTER (status <> '{_BEGUN}'), 'open') AS status
            FROM build_log WHERE {of} GROUP BY number
        ),
        made AS (SELECT build, count(DISTINCT task_id) AS n FROM task_specs GROUP BY 1),
        tried AS (SELECT build, count(*) AS n, count(*) FILTER (verdict = 'passed') AS passed,
                count(*) FILTER (outcome IN {NOT_FINAL!r} OR verdict = 'unknown') AS lost,
                count(*) FILTER (episode_id IN (SELECT episode_id FROM trajectories)) AS kept
            FROM latest_episodes GROUP BY 1),
        away AS (SELECT build, count(*) AS n FROM rejections GROUP BY 1),
        published AS (SELECT build, count(*) AS n, sum(rows)::BIGINT AS rows FROM releases GROUP BY 1),
        paid AS (SELECT build, sum(cost_usd) AS usd FROM completions JOIN runs
            ON created_at >= began_at AND (finished_at IS NULL OR created_at <= finished_at) GROUP BY 1)
        SELECT build, {named} config, config_hash, status, began_at, finished_at, coalesce(made.n, 0) AS tasks,
            coalesce(tried.n, 0) AS episodes, coalesce(tried.passed, 0) AS passed,
            coalesce(tried.lost, 0) AS no_outcome, coalesce(tried.kept, 0) AS kept, coalesce(away.n, 0) AS turned_away,
            coalesce(published.n, 0) AS releases, coalesce(published.rows, 0) AS release_rows, usd
        FROM runs LEFT JOIN made USING (build) LEFT JOIN tried USING (build) LEFT JOIN away USING (build)
            LEFT JOIN published USING (build) LEFT JOIN paid USING (build)
        """


_CODE = "regexp_extract(verdict_detail, '^([a-z][a-z0-9_]*): ', 1)"
_NOTED = "regexp_extract(detail, '(?:is there as|the same recording as|the same task as) ([^ ,;]+)', 1)"

OF_RUNS: dict[str, tuple[tuple[str, ...], str]] = {
    "builds": (_COUNTED, _runs(f"kind = '{WHOLE}'", "")),
    "stage_runs": (_COUNTED, _runs(f"kind <> '{WHOLE}'", "stage,")),
    "failures": (
        ("episodes", "latest_episodes"),
        f"""
        SELECT episode_id, task_id, environment, build, solver.model AS model, solver.dialect AS dialect, outcome,
            CASE WHEN outcome IN {NOT_FINAL!r} AND outcome_reason <> '' THEN outcome_reason
                WHEN outcome <> 'finished' THEN outcome
                WHEN coalesce(verdict_reason, '') <> '' THEN verdict_reason
                WHEN {_CODE} <> '' THEN {_CODE} WHEN verdict = 'unknown' THEN 'check_error' ELSE 'unsaid' END AS reason,
            regexp_replace(verdict_detail, '^([a-z][a-z0-9_]*): ', '') AS detail,
            outcome IN {NOT_FINAL!r} OR verdict = 'unknown' AS no_outcome
        FROM latest_episodes WHERE verdict <> 'passed'
        """,
    ),
    "copies": (
        ("rejections",),
        f"""
        SELECT rejection_id, stage, reason, if(stage = 'curate', split_part(source, '/', 1), source) AS source,
            coalesce(original, nullif({_NOTED}, '')) AS original, environment, build
        FROM rejections WHERE reason IN ('duplicate', 'not_novel')
        """,
    ),
}
"""View -> what it reads, and its SQL."""
