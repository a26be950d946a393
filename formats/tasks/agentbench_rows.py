"""What both of AgentBench's formats share: rows as JSON objects, each a task or a rejection, a repeated task told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

LICENSE = "Apache-2.0"
"""Of THUDM/AgentBench."""
REASONS = {
    **UNREADABLE_VALUE,
    "not_an_object": "is a number, a list, null",
    "duplicate": "is the same task as one before it",
    "no_description": "has no `description`",
}
"""Those of both formats."""


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
    for row in read_values(path):
        if isinstance(row, Unread):
            yield row.reject(path.name, "import", environment)
            continue
        source = f"{path.name}:{row.line}"
        try:
            spec = read(_object(row.value), source)
            if spec.task_id in first_seen:
                raise Unfit("duplicate", f"the same task as {first_seen[spec.task_id]}{tell(spec)}")
        except Unfit as unfit:
            yield Unread(row.line, row.raw, unfit.reason, str(unfit)).reject(path.name, "import", environment)
            continue
        first_seen[spec.task_id] = source
        yield spec


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit("not_an_object", f"a task is an object, this is {type(value).__name__}")
    return value
