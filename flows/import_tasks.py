"""import of tasks of one's own: they are tried before they come in, as made-up ones are.

A task without a reference comes in untried, since nothing can be tried with it. So do a benchmark's: nobody trains on
them, and docs/trust.md has them on trial.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence
from pathlib import Path

from environments.registry import open_worlds
from flows.configuration import load_config
from schemas.rejection import Rejection
from schemas.settings import Settings
from schemas.task_spec import TaskSpec
from tasks.try_tasks import Candidate, Refused, try_all

AT_ONCE = 256
"""Tasks that are tried and landed together: what a stop in the middle costs."""


def try_own(
    rows: Sequence[TaskSpec | Rejection], home: Path, config: str, known: Container[str]
) -> list[TaskSpec | Rejection]:
    """Try the tasks that have a reference and are not known; one that a probe turns down becomes a rejection.

    Raises:
        ConfigError: a world that they need does not work on this machine; the text says what to do.
    """
    tried = (row for row in rows if isinstance(row, TaskSpec) and row.reference and row.task_id not in known)
    candidates = {spec.task_id: Candidate(spec, spec.provenance.source) for spec in tried}
    if not candidates:
        return list(rows)
    admitted, refused = asyncio.run(_try(list(candidates.values()), home, config))
    ended = {one.spec.task_id: one.spec for one in admitted} | {_task_id(one): one.rejection() for one in refused}
    return [row if isinstance(row, Rejection) else ended.get(row.task_id, row) for row in rows]


async def _try(candidates: Sequence[Candidate], home: Path, config: str) -> tuple[list[Candidate], list[Refused]]:
    settings = Settings()
    names = sorted({candidate.spec.environment for candidate in candidates})
    chosen = load_config(config, {"environments": names})
    async with open_worlds(chosen, home, settings.cache, settings.database_servers()) as worlds:
        return await try_all(worlds, candidates, chosen.collect.concurrency)


def _task_id(refused: Refused) -> str:
    assert isinstance(refused.raw, TaskSpec)
    return refused.raw.task_id
