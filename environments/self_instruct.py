"""What the worlds' authors share: rounds, seeds and examples (Self-Instruct).

Source: reference/agenttuning.md 2.1; Wang et al. 2022 (six hand-written and two machine-made examples).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from environments.author import Draw
from formats.json_values import Unread, Value, read_values
from formats.tasks.task_jsonl import read_task
from schemas.errors import ConfigError, InputError
from schemas.invalid_values import explain
from schemas.record import digest
from schemas.task_spec import TaskSpec

D = TypeVar("D")


class Example(NamedTuple, Generic[D]):
    """A task that may stand in a prompt."""

    name: str
    """Name of the seed, or the task id of an admitted task."""
    task: D
    group: str = ""
    """Examples of the group that is asked for come first."""


def request_key(draw: Draw, world: str, position: int) -> str:
    """Name a request by all that makes two differ: seed, build, world, round, position."""
    return f"seed {draw.seed} build {draw.build} {world} round {draw.index} request {position}"


def draw_examples(
    draw: Draw, key: str, seeds: Sequence[Example[D]], example_of: Callable[[TaskSpec], Example[D]], group: str = ""
) -> list[Example[D]]:
    """Draw a prompt's examples by `key`; where machine-made ones are short, seeds take their places."""
    chosen = sorted(draw.machine_made, key=lambda spec: digest(key, spec.task_id))[: draw.generate.machine_examples]
    drawn = _draw([example_of(spec) for spec in chosen], f"{key}/machine", draw.generate.machine_examples, group)
    missing = draw.generate.seed_examples + draw.generate.machine_examples - len(drawn)
    drawn += _draw(seeds, f"{key}/seeds", missing, group)
    return sorted(drawn, key=lambda example: digest(f"{key}/order", example.name))


def _draw(examples: Sequence[Example[D]], key: str, count: int, group: str) -> list[Example[D]]:
    return sorted(examples, key=lambda e: (e.group != group if group else False, digest(key, e.name)))[:count]


def read_own_tasks(path: Path) -> list[TaskSpec]:
    """Read a JSONL file of whole tasks (docs/task-spec.schema.json), whatever their worlds.

    Raises:
        ConfigError: nothing there, a line is no task, or one has no reference to show.
    """
    tasks = [_read_own(path, read) for read in _seeds_in(path)]
    if not tasks:
        raise ConfigError(f"{path} holds no task; each line is one of docs/task-spec.schema.json")
    return tasks


def _read_own(path: Path, read: Value | Unread) -> TaskSpec:
    where = f"{path}:{read.line}"
    if isinstance(read, Unread):
        raise ConfigError(f"the seed {where} is no JSON that is read: {read.detail}")
    try:
        task = read_task(read.value, where, "unknown")
    except ValidationError as error:
        raise ConfigError(
            f"the seed {where} is no task (docs/task-spec.schema.json): {explain(error, TaskSpec)}"
        ) from None
    except TypeError as error:
        raise ConfigError(f"the seed {where} is no task (docs/task-spec.schema.json): {error}") from None
    if not task.reference:
        raise ConfigError(f"the seed {where} has no reference: an example shows how its task is solved")
    return task


def is_own_tasks(path: Path) -> bool:
    """Whether a file's first line is a whole task, and no seed of a world's own form."""
    first = next(iter(_seeds_in(path)), None)
    return isinstance(first, Value) and isinstance(first.value, dict) and "instruction" in first.value


def read_seed_lines(path: Path, keys: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object of a JSONL file stands (`file:line`) and the object; blank lines are passed over.

    Raises:
        ConfigError: a line is no JSON, or lacks one of the texts.
    """
    for read in _seeds_in(path):
        where, row = f"{path}:{read.line}", None if isinstance(read, Unread) else read.value
        if isinstance(read, Unread):
            raise ConfigError(f"the seed {where} is no JSON that is read: {read.detail}")
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in keys):
            raise ConfigError(f"the seed {where} needs the texts {', '.join(keys)}")
        yield where, row


def _seeds_in(path: Path) -> Iterator[Value | Unread]:
    try:
        yield from read_values(path)
    except InputError as error:
        raise ConfigError(f"the seeds cannot be read: {error}") from error
