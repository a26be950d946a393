"""How hard the tasks are, counted from their attempts; and those that nobody has passed, for a person to decide on."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from reports.funnel import TableOf
from schemas.episode import Episode
from schemas.task_spec import TaskSpec
from warehouse.warehouse import Warehouse


def difficulty(warehouse: Warehouse) -> TableOf:
    """Per world, solver and the author's claim: tasks by the share of their attempts that passed, and turns taken."""
    query = """
        SELECT environment, coalesce(model, kind), dialect, coalesce(s.difficulty::VARCHAR, ''), count(*),
            count(*) FILTER (passed = 0), count(*) FILTER (passed > 0 AND passed < attempts),
            count(*) FILTER (passed = attempts), sum(attempts)::BIGINT, round(sum(passed) / sum(attempts), 3),
            round(sum(turns * attempts) / sum(attempts), 2)
        FROM task_difficulty_by_solver
        LEFT JOIN (SELECT DISTINCT ON (task_id) task_id, difficulty FROM task_specs) s USING (task_id)
        GROUP BY ALL ORDER BY ALL"""
    columns = (
        *("world", "solver", "dialect", "claimed", "tasks", "never passed", "sometimes", "always"),
        *("attempts", "pass rate", "mean turns"),
    )
    return TableOf(columns, warehouse.query(query))


class NeverPassed(NamedTuple):
    """A task that was attempted to an end, and that nobody has passed."""

    spec: TaskSpec
    attempts: tuple[Episode, ...]

    @property
    def reasons(self) -> Counter[str]:
        """Count why its attempts failed: how they ended, or what their check said first."""
        return Counter(reason_of(one) for one in self.attempts)

    def record(self) -> dict[str, object]:
        """Return what a person needs to decide, as JSON values."""
        spec = self.spec
        return {
            "task_id": spec.task_id,
            "world": spec.environment,
            "instruction": spec.instruction,
            "reference": [script.code for script in spec.reference],
            "check": spec.check.model_dump(mode="json", exclude_defaults=True),
            "claimed": spec.difficulty,
            "reasons": dict(self.reasons.most_common()),
            "attempts": [
                {
                    "episode_id": one.episode_id,
                    "solver": one.solver.model or one.solver.kind,
                    "answer": one.answer,
                    "reason": reason_of(one),
                    "detail": one.verdict_detail,
                    "turns": one.n_turns,
                }
                for one in self.attempts
            ],
        }


def reason_of(episode: Episode) -> str:
    """Name why an attempt failed: its outcome, or the code at the head of its verdict's detail."""
    if episode.outcome != "finished":
        return episode.outcome
    head, told, _ = episode.verdict_detail.partition(": ")
    return head if told and " " not in head else "failed"


def never_passed(warehouse: Warehouse) -> list[NeverPassed]:
    """Return the tasks that nobody has passed and nobody has turned away, those of most attempts first."""
    open_tasks = "SELECT task_id FROM task_difficulty WHERE attempts > 0 AND passed = 0 AND turned_away IS NULL"
    specs: list[TaskSpec] = warehouse.read("task_specs", f"task_id IN ({open_tasks})")
    counted = "solver.kind <> 'reference' AND verdict = 'failed' AND list_contains(?::VARCHAR[], task_id)"
    ids = sorted({spec.task_id for spec in specs})
    found: dict[str, list[Episode]] = {}
    for episode in warehouse.read("latest_episodes", counted, (ids,), order_by="attempt, episode_id"):
        found.setdefault(episode.task_id, []).append(episode)
    unique = {spec.task_id: spec for spec in specs}
    rows = [NeverPassed(spec, tuple(found.get(task_id, ()))) for task_id, spec in unique.items()]
    return sorted(rows, key=lambda row: (-len(row.attempts), row.spec.environment, row.spec.task_id))


def doubted(warehouse: Warehouse) -> TableOf:
    """Tasks that came in and were turned away since, by world, stage and reason."""
    query = """SELECT s.environment, a.stage, a.reason, count(*), min(id) FROM turned_away a
               JOIN (SELECT DISTINCT task_id, environment FROM task_specs) s ON s.task_id = a.id
               GROUP BY ALL ORDER BY ALL"""
    return TableOf(("world", "stage", "reason", "tasks", "such as"), warehouse.query(query))
