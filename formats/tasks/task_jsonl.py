"""A user's own tasks: one TaskSpec a line as JSON. The schema stands in docs/task-spec.schema.json.

`environment`, `instruction` and `check` are required; ids are computed, whatever the file says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from formats.catalogue import CONFIG, LICENSE, Importer
from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from schemas.generated import render_schema, write_or_check
from schemas.invalid_values import explain
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec


def read_tasks(path: Path, *, license: str = "unknown") -> Iterator[TaskSpec | Rejection]:
    """Yield every row as a task or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "import")
            continue
        source = f"{path.name}:{row.line}"
        try:
            yield read_task(row.value, source, license)
        except ValidationError as error:
            yield _reject("not_a_task", explain(error, TaskSpec), source, row.raw)
        except TypeError as error:
            yield _reject("not_a_task", str(error), source, row.raw)


def read_task(value: Any, source: str, license: str) -> TaskSpec:
    """Read one task; whether there is its world, and what that one says of it, is the import's to ask.

    Raises:
        TypeError, ValidationError: it is none; the text says why.
    """
    if not isinstance(value, dict):
        raise TypeError(f"a task is a JSON object, this is {type(value).__name__}")
    given = {key: field for key, field in value.items() if key not in ("task_id", "probes", "build", "provenance")}
    defaults = {"origin": "own", "license": license, "setup": {}, "provenance": {"source": source}}
    return TaskSpec.make(**{**defaults, **given})


def task_schema() -> dict[str, Any]:
    """Return the JSON schema of a row: what may stand in it, and what must."""
    schema = TaskSpec.model_json_schema()
    for computed in ("task_id", "probes", "build", "provenance"):
        schema["properties"].pop(computed, None)
    schema["required"] = ["environment", "instruction", "check"]
    return schema


def _reject(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw)


IMPORTER = Importer(
    name="tasks",
    kind="tasks",
    summary="tasks of your own, one JSON object a line",
    page="own-data.md",
    options=(LICENSE, CONFIG),
    read=lambda paths, given: (row for path in paths for row in read_tasks(path, license=given["license"])),
    tried=True,
    reasons={**UNREADABLE_VALUE, "not_a_task": "lacks a field, or has one that no task has"},
)


def main(arguments: list[str]) -> int:
    """Write or check the schema; the exit code says whether it stands."""
    title = "One line of a file for `trajmill import tasks`"
    return write_or_check("formats.tasks.task_jsonl", arguments, render_schema(task_schema(), title))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
