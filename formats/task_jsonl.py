"""A user's own tasks: one TaskSpec a line as JSON. The schema stands in docs/task-spec.schema.json.

`environment`, `instruction` and `check` are required; ids are computed, whatever the file says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import orjson
from pydantic import ValidationError

from formats.json_values import cut_values
from schemas.generated import render_schema, write_or_check
from schemas.rejection import Rejection
from schemas.run_config import EnvironmentName
from schemas.task_spec import TaskSpec

WORLDS = get_args(EnvironmentName)


def read_tasks(path: Path, *, license: str = "unknown") -> Iterator[TaskSpec | Rejection]:
    """Yield every row as a task or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    for line, raw, fault in cut_values(path):
        source = f"{path.name}:{line}"
        try:
            yield read_task(orjson.loads(raw), source, license)
        except orjson.JSONDecodeError as error:
            yield _reject("not_json", fault or str(error), source, raw)
        except ValidationError as error:
            yield _reject("not_a_task", explain(error), source, raw)
        except TypeError as error:
            yield _reject("not_a_task", str(error), source, raw)


def read_task(value: Any, source: str, license: str) -> TaskSpec:
    """Read one task.

    Raises:
        TypeError, ValidationError: it is none; the text says why.
    """
    if not isinstance(value, dict):
        raise TypeError(f"a task is a JSON object, this is {type(value).__name__}")
    given = {key: field for key, field in value.items() if key not in ("task_id", "probes", "build", "provenance")}
    if value.get("environment") not in WORLDS:
        raise TypeError(f"environment: there is no world {value.get('environment')!r}; there are {', '.join(WORLDS)}")
    defaults = {"origin": "own", "license": license, "setup": {}, "provenance": {"source": source}}
    return TaskSpec.make(**{**defaults, **given})


def task_schema() -> dict[str, Any]:
    """Return the JSON schema of a row: what may stand in it, and what must."""
    schema = TaskSpec.model_json_schema()
    for computed in ("task_id", "probes", "build", "provenance"):
        schema["properties"].pop(computed, None)
    schema["required"] = ["environment", "instruction", "check"]
    return schema


def explain(error: ValidationError) -> str:
    """Word the first five faults of a row."""
    problems = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:5]]
    return "; ".join(problems)


def _reject(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw)


def main(arguments: list[str]) -> int:
    """Write or check the schema; the exit code says whether it stands."""
    title = "One line of a file for `trajmill import tasks`"
    return write_or_check("formats.task_jsonl", arguments, render_schema(task_schema(), title))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
