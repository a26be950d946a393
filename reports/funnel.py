"""What a run leaves behind, in words and tables, read from the warehouse: funnel, reasons, cost, one sample."""

from __future__ import annotations

from typing import Any, NamedTuple

from schemas.episode import NOT_FINAL
from schemas.rejection import SECOND_OPINION
from tasks.unsettled import UNSETTLED
from warehouse.warehouse import Warehouse


class TableOf(NamedTuple):
    """A small table for people: terminal, artifact or JSON."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as mappings."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def funnel(warehouse: Warehouse, *builds: int) -> TableOf:
    """Per world, of these builds together: tasks proposed, admitted, attempted, passed, kept; disputed since."""
    query = f"""
        WITH worlds AS (SELECT DISTINCT environment FROM task_specs),
        turned AS (SELECT environment, count(*) AS n FROM rejections
                   WHERE list_contains($1::BIGINT[], build) AND stage IN ('generate', 'admit') GROUP BY ALL),
        made AS (SELECT environment, count(*) AS n FROM task_specs
                 WHERE list_contains($1::BIGINT[], build) GROUP BY ALL),
        tried AS (SELECT environment, count(*) AS n, count(*) FILTER (verdict = 'passed') AS passed
                  FROM latest_episodes WHERE list_contains($1::BIGINT[], build) GROUP BY ALL),
        kept AS (SELECT e.environment, count(DISTINCT e.episode_id) AS n FROM latest_episodes e
                 JOIN trajectories t USING (episode_id) WHERE list_contains($1::BIGINT[], e.build) GROUP BY ALL),
        doubted AS (SELECT environment, count(*) AS n FROM turned_away
                    WHERE list_contains($1::BIGINT[], build) AND stage = '{SECOND_OPINION}' GROUP BY ALL)
        SELECT w.environment, coalesce(made.n, 0) + coalesce(turned.n, 0), coalesce(made.n, 0),
               coalesce(tried.n, 0), coalesce(tried.passed, 0), coalesce(kept.n, 0), coalesce(doubted.n, 0)
        FROM worlds w LEFT JOIN turned USING (environment) LEFT JOIN made USING (environment)
        LEFT JOIN tried USING (environment) LEFT JOIN kept USING (environment)
        LEFT JOIN doubted USING (environment) ORDER BY 1"""
    columns = ("world", "proposed", "admitted", "attempted", "passed", "kept", "disputed")
    return TableOf(columns, warehouse.query(query, (list(builds),)))


def reasons(warehouse: Warehouse, build: int | None = None) -> TableOf:
    """Rejections by stage and reason."""
    query = """SELECT stage, reason, coalesce(environment, '') AS world, count(*) AS n FROM rejections
               WHERE $1::BIGINT IS NULL OR build = $1 GROUP BY ALL ORDER BY n DESC, stage, reason, world"""
    return TableOf(("stage", "reason", "world", "rows"), warehouse.query(query, (build,)))


def outcomes(warehouse: Warehouse, build: int) -> TableOf:
    """Episodes by world, outcome and verdict."""
    query = """SELECT environment, outcome, verdict, count(*), round(avg(n_turns), 2) FROM latest_episodes
               WHERE build = $1 GROUP BY ALL ORDER BY 1, 4 DESC, 2, 3"""
    return TableOf(("world", "outcome", "verdict", "episodes", "mean turns"), warehouse.query(query, (build,)))


def costs(warehouse: Warehouse) -> TableOf:
    """What everything in the home was paid, by stage and model."""
    query = """SELECT purpose, model, count(*), sum(prompt_tokens)::BIGINT, sum(completion_tokens)::BIGINT,
               round(sum(cost_usd), 6) FROM completions GROUP BY ALL ORDER BY 1, 2"""
    columns = ("stage", "model", "requests", "prompt tokens", "completion tokens", "usd")
    return TableOf(columns, warehouse.query(query))


def losses(warehouse: Warehouse) -> TableOf:
    """What was billed beyond a request's maximum, and what may have been billed for replies that were lost.

    The first is part of what `costs` adds up, the second is not: no answer came.
    """
    query = """SELECT json_extract_string(raw, '$.purpose'), json_extract_string(raw, '$.model'), reason, count(*),
               sum(json_extract(raw, '$.tokens')::BIGINT)::BIGINT, round(sum(json_extract(raw, '$.usd')::DOUBLE), 6)
               FROM rejections WHERE stage = 'teacher' AND reason <> 'not_answered' GROUP BY ALL ORDER BY 1, 2, 3"""
    return TableOf(("stage", "model", "what", "requests", "tokens at most", "usd at most"), warehouse.query(query))


def trajectory_costs(warehouse: Warehouse) -> TableOf:
    """What a kept trajectory took on average, by world, stage, model and prompt; shared receipts are divided."""
    query = """
        WITH kept AS (SELECT environment, count(*) AS n FROM trajectories GROUP BY 1),
        shares AS (SELECT completion_id, count(*) AS n FROM trajectory_receipts GROUP BY 1)
        SELECT environment, stage, costs.model, prompt || '/' || prompt_version, kept.n,
               round(sum(1 / shares.n) / kept.n, 2), round(sum(costs.tokens / shares.n) / kept.n)::BIGINT,
               round(sum(usd / shares.n) / kept.n, 6)
        FROM trajectory_receipts JOIN trajectories USING (trajectory_id) JOIN costs USING (completion_id)
        JOIN shares USING (completion_id) JOIN kept USING (environment)
        GROUP BY environment, stage, costs.model, prompt, prompt_version, kept.n ORDER BY 1, 2, 3, 4"""
    columns = ("world", "stage", "model", "prompt", "trajectories", "requests each", "tokens each", "usd each")
    return TableOf(columns, warehouse.query(query))


def acceptance(warehouse: Warehouse) -> TableOf:
    """Final episodes and kept trajectories of the whole home, by world, family, origin and difficulty."""
    query = """
        SELECT e.environment, coalesce(s.family, ''), e.origin, coalesce(s.difficulty::VARCHAR, ''), count(*),
               count(t.episode_id), round(count(t.episode_id) / count(*), 3)
        FROM latest_episodes e JOIN task_specs s USING (task_id)
        LEFT JOIN (SELECT DISTINCT episode_id FROM trajectories) t USING (episode_id)
        WHERE e.verdict <> 'unknown' AND e.origin <> 'benchmark' GROUP BY ALL ORDER BY ALL"""
    columns = ("world", "family", "origin", "difficulty", "episodes", "kept", "acceptance")
    return TableOf(columns, warehouse.query(query))


def sample(warehouse: Warehouse, build: int) -> list[dict[str, Any]]:
    """Return the messages of one kept trajectory of a build, its example turns left out."""
    query = """SELECT t.messages FROM trajectories t JOIN latest_episodes e USING (episode_id)
               WHERE e.build = ? ORDER BY t.n_trained DESC, t.trajectory_id LIMIT 1"""
    rows = warehouse.query(query, (build,))
    messages: list[dict[str, Any]] = rows[0][0] if rows else []
    trained = [index for index, message in enumerate(messages) if message["train"]]
    return messages[trained[0] - 1 :] if trained else messages


def outages(warehouse: Warehouse) -> TableOf:
    """Tries that ended in nobody's failure, by world and cause, and how many of them a later try has settled."""
    query = f"""
        SELECT e.environment, e.outcome, if(e.outcome = 'environment_error', e.outcome_reason, '') AS cause, count(*),
               count(*) FILTER (l.outcome NOT IN {NOT_FINAL!r} AND l.verdict <> 'unknown')
        FROM episodes e JOIN latest_episodes l USING (episode_id)
        WHERE e.outcome IN {NOT_FINAL!r} OR e.verdict = 'unknown' GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3"""
    return TableOf(("world", "outcome", "cause", "tries", "settled since"), warehouse.query(query))


def given_up(warehouse: Warehouse, max_tries: int) -> TableOf:
    """Attempts that no later try will settle, by world and cause: `max_tries` of ours are used up."""
    query = f"""
        SELECT environment, cause, try_number, count(*), min(episode_id)
        FROM ({UNSETTLED}) WHERE try_number >= ? GROUP BY ALL ORDER BY 4 DESC, 1, 2, 3"""
    return TableOf(("world", "cause", "tries", "attempts", "such as"), warehouse.query(query, (max_tries,)))


def releases(warehouse: Warehouse) -> TableOf:
    """Releases, newest first, and where they lie now: their rows say where they were made."""
    query = "SELECT release_id, build, rows, created_at FROM releases ORDER BY created_at DESC"
    rows = [(*row, str(warehouse.home / "releases" / row[0])) for row in warehouse.query(query)]
    return TableOf(("release", "build", "rows", "created", "path"), rows)
