"""The rows of an import whose tasks some world takes: a task of no world, or that its world cannot read, is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from environments.base import Place, World, own_mistakes_told
from environments.dialects.tool_calls import ToolCalls
from environments.registry import make_world, world_names
from formats.catalogue import Given, Importer
from schemas.errors import EnvironmentFault
from schemas.recording import SUBMIT, Recorded
from schemas.rejection import Refusal, Rejection
from schemas.run_config import RunConfig
from schemas.settings import Settings
from schemas.task_spec import TaskSpec


def read_rows(importer: Importer, paths: Sequence[Path], given: Given) -> Iterator[Any]:
    """Yield what an importer reads; a row with a task that no world takes, or an action that its lacks, is rejected."""
    worlds: dict[str, World] = {}
    for row in importer.rows(paths, given):
        spec = row if isinstance(row, TaskSpec) else row.spec if isinstance(row, Recorded) else None
        problem = _problem_of(spec, worlds) if spec else None
        if problem is None and isinstance(row, Recorded):
            problem = _unknown_action(row, worlds)
        if problem is None:
            yield row
            continue
        source = row.recording.source if isinstance(row, Recorded) else row.provenance.source
        raw = (spec or row.recording).model_dump(mode="json", exclude={"task_id"})
        yield Rejection.make(
            stage="import",
            reason=problem.reason,
            detail=problem.detail,
            source=source,
            raw=raw,
            environment=spec.environment if spec else row.recording.environment,
        )


def _unknown_action(row: Recorded, worlds: dict[str, World]) -> Refusal | None:
    """Say which turn does what no world knows: a log in other words than ours. Another world's action is a slip."""
    name = row.recording.environment
    if name not in world_names() or not _kinds(_made(name, worlds)):
        return None
    known = {SUBMIT, "invalid"}.union(*(_kinds(_made(one, worlds)) for one in world_names()))
    for number, turn in enumerate(row.recording.turns):
        if not turn.calls and turn.action_kind not in known:
            can = ", ".join(sorted({*_kinds(worlds[name]), SUBMIT}))
            told = f"turn {number}: no world has an action {turn.action_kind!r}; {name} has {can}"
            return Refusal("unknown_action", told)
    return None


def _kinds(world: World) -> set[str]:
    """Return the kinds of actions that a world's tools declare; none where it has no tools."""
    declared = [one.prompt.front["tools"] for one in world.dialects.values() if isinstance(one, ToolCalls)]
    return {tool.get("kind", tool["name"]) for tools in declared for tool in tools}


def _problem_of(spec: TaskSpec, worlds: dict[str, World]) -> Refusal | None:
    name = spec.environment
    if name not in world_names():
        return Refusal("not_a_task", f"environment: there is no world {name!r}; there are {', '.join(world_names())}")
    try:
        with own_mistakes_told(name):
            found = _made(name, worlds).problem_of(spec)
            return Refusal("not_a_task", found.detail) if found else None
    except EnvironmentFault as error:
        return Refusal("not_a_task", str(error))


def _made(name: str, worlds: dict[str, World]) -> World:
    if name not in worlds:
        settings = Settings()
        worlds[name] = make_world(name, Place(RunConfig(), settings.home, settings.cache))
    return worlds[name]
