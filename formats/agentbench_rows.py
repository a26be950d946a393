"""What both of AgentBench's formats share: rows as JSON objects, each a task or a rejection, a repeated task told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from formats.json_values import cut_values
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

LICENSE = "Apache-2.0"
"""Of THUDM/AgentBench."""


class Unfit(Exception):
    """Why a record is no task."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def read_rows(
    path: Path,
    environment: str,
    read: Callable[[dict[str, Any], str], TaskSpec],
    tell: Callable[[TaskSpec], str] = lambda _: "",
) -> Iterator[TaskSpec | Rejection]:
    """Yield every row in its order, as a task or as a rejection of stage `import`.

    Args:
        read: makes a task of a row and its source, or raises `Unfit`.
        tell: what a repeated task's rejection says besides.

    Raises:
        InputError: the file cannot be read at all.
    """
    first_seen: dict[str, str] = {}
    for line, raw, fault in cut_values(path):
        source = f"{path.name}:{line}"
        try:
            spec = read(_parse(raw, fault), source)
            if spec.task_id in first_seen:
                raise Unfit("duplicate", f"the same task as {first_seen[spec.task_id]}{tell(spec)}")
        except Unfit as unfit:
            yield Rejection.make(
                stage="import", reason=unfit.reason, detail=str(unfit), source=source, raw=raw, environment=environment
            )
            continue
        first_seen[spec.task_id] = source
        yield spec


def _parse(raw: bytes, fault: str) -> dict[str, Any]:
    if fault:
        raise Unfit("cut_off", fault)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unfit("not_json", str(error)) from error
    if not isinstance(value, dict):
        raise Unfit("not_an_object", f"a task is an object, this is {type(value).__name__}")
    return value
