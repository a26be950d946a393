"""Which attempts are independent of each other: a model that is asked the same again, undrawn, has not said more.

Attempts depend on each other where they share an answer of the ledger, where one model in one dialect was asked twice
at temperature 0, and where recordings of one solver do the same. What depends on each other is one voice.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from environments.endings import UNEARNED, Ending
from schemas.episode import SolverKind
from schemas.errors import WarehouseError
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from tasks.workshop import Workshop

_ATTEMPTS = """
    SELECT task_id, own.episode_id, solver.kind, solver.model, solver.solver_id, solver.dialect, own.build, attempt,
        answer, coalesce(work_digest, state_digest), today.verdict = 'passed',
        outcome = 'finished' AND own.verdict = 'failed' AND acts > 1, verdict_detail, completion_ids, done
    FROM latest_episodes AS own JOIN latest_verdicts AS today USING (episode_id)
    JOIN (SELECT episode_id, sum(greatest(1, len(calls))) FILTER (valid) AS acts,
            list(DISTINCT completion_id) FILTER (completion_id IS NOT NULL) AS completion_ids,
            md5(string_agg(action_kind || chr(0) || action, chr(1) ORDER BY index)) AS done
        FROM turns GROUP BY episode_id) USING (episode_id)
    WHERE list_contains($1::VARCHAR[], task_id) AND solver.kind <> 'reference' AND own.verdict <> 'unknown'
    ORDER BY task_id, attempt, own.episode_id"""


class Voice(NamedTuple):
    """One attempt, as far as it counts for or against a reference."""

    task_id: str
    episode_id: str
    kind: SolverKind
    model: str | None
    solver_id: str
    dialect: str
    build: int
    attempt: int
    answer: str | None
    state: str | None
    has_passed: bool
    has_failed: bool
    """It came to an end by itself, and its check said no."""
    detail: str
    completion_ids: tuple[str, ...]
    done: str
    """Digest of its actions."""

    @property
    def ending(self) -> Ending:
        return Ending(self.answer, self.state)

    @property
    def speaks_against(self) -> bool:
        """Whether what it ended with is what failed, not how it came by it."""
        return self.has_failed and not self.has_passed and not self.detail.startswith(UNEARNED)


def voices_on(workshop: Workshop, specs: Sequence[TaskSpec]) -> dict[str, list[Voice]]:
    """Return the attempts that came to an end, by task, in a fixed order."""
    rows = workshop.warehouse.query(_ATTEMPTS, ([spec.task_id for spec in specs],))
    found: dict[str, list[Voice]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Voice._make((*row[:-2], tuple(row[-2] or ()), row[-1])))
    return found


class Independence:
    """Counts independent voices; knows at which temperature each build's models were asked."""

    def __init__(self, workshop: Workshop) -> None:
        self._state = workshop.state
        self._configs: dict[int, RunConfig | None] = {workshop.build: workshop.config}

    def count(self, voices: Sequence[Voice]) -> int:
        """Return how many of these are independent of each other: what is tied to one another counts once."""
        groups: list[set[Hashable]] = []
        for voice in voices:
            ties = set(self._ties(voice))
            tied = [group for group in groups if group & ties]
            groups = [group for group in groups if not group & ties]
            groups.append(ties.union(*tied))
        return len(groups)

    def _ties(self, voice: Voice) -> Iterator[Hashable]:
        yield ("episode", voice.episode_id)
        yield from (("completion", one) for one in voice.completion_ids)
        if voice.kind == "recorded":
            yield ("recorded", voice.solver_id, voice.done)
        elif not self._is_drawn(voice):
            yield ("asked again", voice.model, voice.dialect)

    def _is_drawn(self, voice: Voice) -> bool:
        """Whether chance had a part in its replies; where nobody knows any more, it is taken to have had none."""
        config = self._config_of(voice.build)
        if config is None:
            return False
        mixture = config.teacher.mixtures.get(voice.model or "")
        return config.teacher.solver_temperature > 0 or (mixture is not None and mixture.temperature > 0)

    def _config_of(self, build: int) -> RunConfig | None:
        if build not in self._configs:
            try:
                self._configs[build] = RunConfig.model_validate_json(self._state.config_of(build))
            except (WarehouseError, ValidationError):
                self._configs[build] = None
        return self._configs[build]
