"""A user's own agent logs: one recorded episode a line as JSON. The schema stands in docs/recorded-episode.schema.json.

A line holds its task, as `trajmill import tasks` takes one, or the id of a task that was imported before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from formats.catalogue import LICENSE, Importer
from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from formats.tasks.task_jsonl import read_task, task_schema
from schemas.generated import render_schema, write_or_check
from schemas.invalid_values import explain
from schemas.record import Record
from schemas.recording import Recorded, RecordedTurn, Recording
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec


class EpisodeLine(Record):
    task: dict[str, Any] | None = None
    """The task, as a line of `trajmill import tasks` has it; its origin is `recorded` unless it says otherwise."""
    task_id: str | None = None
    """Instead of `task`: the id of a task that was imported before."""
    model: str | None = None
    """Model that acted."""
    agent: str | None = None
    """Loop or strategy that it acted in."""
    turns: tuple[RecordedTurn, ...] = Field(min_length=1)
    """What it did, in order. One that ends without `answer`, `finish` or `submit` ends as turn_limit."""
    reward: float | None = None
    """What the log says of the whole; kept beside our verdict, never taken for it."""
    success: bool | None = None
    """Whether the log takes it for solved; likewise."""
    license: str | None = None
    """SPDX name of the log's licence; None = that of `--license`."""


def read_episodes(path: Path, *, license: str = "unknown") -> Iterator[Recorded | Rejection]:
    """Yield every line as a recording with its task, or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "import")
            continue
        source = f"{path.name}:{row.line}"
        try:
            yield _read(EpisodeLine.model_validate(row.value), source, license)
        except ValidationError as error:
            yield _reject("not_an_episode", explain(error, EpisodeLine), source, row.raw)
        except TypeError as error:
            yield _reject("not_a_task", str(error), source, row.raw)


def _read(line: EpisodeLine, source: str, license: str) -> Recorded:
    license = line.license or license
    spec = _task_of(line, source, license)
    recording = Recording.make(
        task_id=spec.task_id if spec else line.task_id,
        environment=spec.environment if spec else "",
        source=source,
        license=license,
        **line.model_dump(include={"model", "agent", "turns", "reward", "success"}),
    )
    return Recorded(recording, spec)


def _task_of(line: EpisodeLine, source: str, license: str) -> TaskSpec | None:
    if (line.task is None) == (line.task_id is None):
        raise TypeError("an episode has either `task`, the task itself, or `task_id`, the id of one imported before")
    if line.task is None:
        return None
    try:
        return read_task({"origin": "recorded", **line.task}, source, license)
    except ValidationError as error:
        raise TypeError(explain(error, TaskSpec, ("task",))) from error


def _reject(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw)


def episode_schema() -> dict[str, Any]:
    """Return the JSON schema of a line: what may stand in it, and what must."""
    schema, task = EpisodeLine.model_json_schema(), task_schema()
    schema["$defs"] = {**schema["$defs"], **task.pop("$defs"), "Task": task}
    schema["properties"]["task"] = {
        "$ref": "#/$defs/Task",
        "description": " ".join(schema["properties"]["task"]["description"].split()),
    }
    schema["oneOf"] = [{"required": ["task"]}, {"required": ["task_id"]}]
    return schema


IMPORTER = Importer(
    name="episodes",
    kind="logs",
    summary="logs of other agents, one recorded episode a line",
    page="recorded-episodes.md",
    options=(LICENSE,),
    read=lambda paths, given: (row for path in paths for row in read_episodes(path, license=given["license"])),
    reasons={
        **UNREADABLE_VALUE,
        "not_an_episode": "lacks a field, or has one that no episode has",
        "not_a_task": "has a task that is none, or both `task` and `task_id`, or neither",
    },
)


def main(arguments: list[str]) -> int:
    """Write or check the schema; the exit code says whether it stands."""
    title = "One line of a file for `trajmill import episodes`"
    return write_or_check("formats.logs.recorded_episodes", arguments, render_schema(episode_schema(), title))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
