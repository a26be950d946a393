"""The audit on a release's card: asked against achieved, lengths, difficulty, thoughts, openings, copies left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from formats.releases.dataset_card import CardTable
from schemas.mixture_config import MixtureConfig
from tasks.publish.eligible import UNIT_WORDS
from tasks.publish.mix_samples import Mixture
from tasks.publish.pools import AGENT
from warehouse.release_audit import count_release
from warehouse.warehouse import Warehouse

_TITLES = {
    "lengths": "Lengths (tokens: bytes / 4, without calls)",
    "openings": "Openings that rows share",
    "copies": "Copies left, the recipe's own repeats apart",
}
_DIFFICULTY = """
    SELECT environment, coalesce(claimed::VARCHAR, 'not said'), count(*), count(DISTINCT task_id),
        round(avg(pass_rate), 3), count(*) FILTER (pass_rate = 1), count(*) FILTER (attempts < 2)
    FROM trajectories JOIN task_difficulty USING (task_id, environment)
    WHERE trajectory_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL ORDER BY ALL
    """
_THOUGHTS = """
    WITH mine AS (SELECT episode_id, environment, any_value(backfilled) AS backfilled FROM trajectories
        WHERE trajectory_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL),
    said AS (SELECT mine.environment, CASE WHEN thought IS NOT NULL THEN coalesce(thought_source, 'teacher')
            WHEN reasoning IS NOT NULL THEN 'reasoning' WHEN backfilled THEN 'backfilled' ELSE 'none' END AS source
        FROM mine JOIN latest_episodes USING (episode_id) JOIN turns USING (episode_id, landing) WHERE turns.valid)
    SELECT environment, source, n, round(n / sum(n) OVER (PARTITION BY environment), 4)
    FROM (SELECT environment, source, count(*) AS n FROM said GROUP BY ALL) ORDER BY ALL
    """


def audit_release(
    warehouse: Warehouse, versions: Mapping[str, int], mixture: Mixture, recipe: MixtureConfig, files: Sequence[Path]
) -> tuple[CardTable, ...]:
    """Return the tables that a card shows of its rows; `files` hold them as they were rendered."""
    counted = [CardTable(_TITLES[name], t.columns, tuple(t.rows)) for name, t in count_release(files).items()]
    agent = [pick.id for pick in mixture.picks if pick.stratum == AGENT]
    difficulty = warehouse.query(_DIFFICULTY, (agent,), versions=versions)
    thoughts = warehouse.query(_THOUGHTS, (agent,), versions=versions)
    claims = (
        "world",
        "difficulty claimed",
        "rows",
        "tasks",
        "pass rate, mean",
        "always passed",
        "measured once or not",
    )
    told = (
        _asked_and_achieved(mixture, recipe),
        CardTable("Difficulty of agent rows", claims, tuple(difficulty)),
        CardTable("Thoughts of agent rows, by source", ("world", "thought", "turns", "share"), tuple(thoughts)),
    )
    return tuple(table for table in (*told, *counted) if table.rows)


def _asked_and_achieved(mixture: Mixture, recipe: MixtureConfig) -> CardTable:
    unit = UNIT_WORDS[recipe.unit]
    columns = ("drawn from", "source", f"{unit} asked", f"{unit} had", "rows", "of these repeated")
    rows = [(p.name, p.stratum, p.asked, p.had, p.rows, p.repeated) for p in mixture.parts]
    return CardTable("Asked and achieved, by what was drawn from", columns, tuple(rows))
