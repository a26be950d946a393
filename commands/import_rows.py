"""The rows of an import whose tasks some world takes: a task of no world, or that its world cannot read, is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from environments.base import Place, World, own_mistakes_told
from environments.registry import make_world, world_names
from formats.catalogue import Given, Importer
from schemas.errors import EnvironmentFault
from schemas.recording import Recorded
from schemas.rejection import Refusal, Rejection
from schemas.run_config import RunConfig
from schemas.settings import Settings
from schemas.task_spec import TaskSpec


def read_rows(importer: Importer, paths: Sequence[Path], given: Given) -> Iterator[Any]:
    """Yield what an importer reads, each row with a task that no world takes as a rejection."""
    worlds: dict[str, World] = {}
    for row in importer.rows(paths, given):
        spec = row if isinstance(row, TaskSpec) else row.spec if isinstance(row, Recorded) else None
        problem = _problem_of(spec, worlds) if spec else None
        if spec is None or problem is None:
            yield row
            continue
        source = row.recording.source if isinstance(row, Recorded) else spec.provenance.source
        raw = spec.model_dump(mode="json", exclude={"task_id"})
        yield Rejection.make(
            stage="import",
            reason="not_a_task",
            detail=problem.detail,
            source=source,
            raw=raw,
            environment=spec.environment,
        )


def _problem_of(spec: TaskSpec, worlds: dict[str, World]) -> Refusal | None:
    name, settings = spec.environment, Settings()
    if name not in world_names():
        return Refusal("not_a_task", f"environment: there is no world {name!r}; there are {', '.join(world_names())}")
    if name not in worlds:
        worlds[name] = make_world(name, Place(RunConfig(), settings.home, settings.cache))
    try:
        with own_mistakes_told(name):
            return worlds[name].problem_of(spec)
    except EnvironmentFault as error:
        return Refusal("not_a_task", str(error))
