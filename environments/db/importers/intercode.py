"""InterCode-SQL: questions with gold SQL on Spider's databases as a MySQL dump, and recorded episodes on them.

Source: formats/logs/intercode.py. A task says which of the dump's databases it is about; the gold's result is what an
episode must hand in, columns in its order, rows only where the gold orders them (as InterCode's reward has it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from environments.db.store import MOST_DUMP_BYTES
from formats.catalogue import Given, Importer, Landing, Option
from formats.logs.intercode import (
    LICENSE,
    REASONS,
    TASKS,
    InterCodeEpisode,
    InterCodeTask,
    LogLine,
    read_lines,
    read_recording,
)
from schemas.bounded_reading import read_file
from schemas.recording import Recorded
from schemas.rejection import Rejection
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

_DIFFICULTIES = {"easy": 1, "medium": 2, "hard": 3, "extra": 3}


class Gold(Protocol):
    """What is known of a gold statement (`environments.db.statement` reads it)."""

    @property
    def ordered(self) -> bool: ...
    @property
    def family(self) -> str: ...


class BadGold(Exception):
    """A gold statement that cannot be a reference; `reason` is a stable code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class _Tasks:
    specs: dict[int, TaskSpec]
    refused: dict[int, str]
    """Number -> why it is none."""


def read_recordings(
    episodes: Iterable[Path], tasks: Path, database: str, classify: Callable[[str], Gold]
) -> Iterator[Recorded | Rejection]:
    """Yield every episode as a recording with its task, and every line that cannot be used as a rejection.

    Args:
        database: sha256 of the dump, as `Setup.database` has it.
        classify: reads a gold statement, or raises `BadGold`.

    Raises:
        InputError: a file cannot be read at all.
    """
    known = _Tasks({}, {})
    for row in read_lines(tasks, InterCodeTask):
        yield from _take_task(row, known, database, classify)
    for path in episodes:
        for line in read_lines(path, InterCodeEpisode):
            yield line if isinstance(line, Rejection) else _recorded(line, known)


def _take_task(
    row: LogLine[InterCodeTask] | Rejection, known: _Tasks, database: str, classify: Callable[[str], Gold]
) -> Iterator[Rejection]:
    if isinstance(row, Rejection):
        yield row
        return
    try:
        known.specs[row.value.task_id] = _spec(row, database, classify(row.value.gold))
    except BadGold as bad:
        known.refused[row.value.task_id] = f"{row.source}: {bad}"
        yield row.reject(bad.reason, str(bad))


def _spec(row: LogLine[InterCodeTask], database: str, gold: Gold) -> TaskSpec:
    task = row.value
    if not task.db:
        raise BadGold("no_database", "`db` does not name the database that the question is about")
    return TaskSpec.make(
        environment="db",
        instruction=task.query,
        setup=Setup(database=database, database_name=task.db, dialect="mysql"),
        reference=(Script(code=task.gold),),
        check=Check(kind="result", ordered=gold.ordered),
        origin="recorded",
        family=gold.family,
        difficulty=_DIFFICULTIES.get(task.hardness or ""),
        labels=(f"hardness:{task.hardness}",) if task.hardness else (),
        license=LICENSE,
        provenance=Provenance(source=row.source),
    )


def _recorded(line: LogLine[InterCodeEpisode], known: _Tasks) -> Recorded | Rejection:
    episode = line.value
    if episode.env != "sql":
        return line.reject("other_world", f"`env` is {episode.env!r}; an episode of InterCode-SQL says 'sql'")
    spec = known.specs.get(episode.task_id)
    if spec is None:
        why = known.refused.get(episode.task_id, f"no line of --tasks has the task_id {episode.task_id}")
        return line.reject("no_task", why)
    if spec.instruction != episode.query:
        return line.reject(
            "other_question", f"task {episode.task_id} asks {spec.instruction!r}, the episode {episode.query!r}"
        )
    if not episode.turns:
        return line.reject("no_turns", "nothing was done")
    return Recorded(read_recording(line, spec.task_id, spec.environment, "sql"), spec)


def _read(paths: Sequence[Path], given: Given) -> Iterator[Recorded | Rejection]:
    from environments.db.importers.golds import read_gold  # a parser of SQL: only for who reads these

    sha256 = hashlib.sha256(read_file(Path(given["databases"]), MOST_DUMP_BYTES)).hexdigest()
    return read_recordings(paths, Path(given["tasks"]), sha256, read_gold)


async def _prove(
    rows: Sequence[Recorded | Rejection], given: Given, landing: Landing
) -> Sequence[Recorded | Rejection]:
    from environments.db.importers.golds import prove_golds  # engines, likewise

    return await prove_golds(rows, given, landing)


IMPORTER = Importer(
    name="intercode-sql",
    kind="logs",
    summary="InterCode's recorded episodes on databases",
    page="recorded-episodes.md",
    options=(TASKS, Option("databases", "the MySQL dump that they ask about", metavar="FILE", required=True)),
    read=_read,
    prove=_prove,
    reasons=REASONS
    | {
        "no_database": "has a task that does not say which database it is about",
        "sql_unreadable": "has a gold statement that is no SQL",
        "not_one_statement": "has a gold of several statements, or none",
        "not_a_select": "has a gold statement that does not ask",
        "gold_fails": "has a gold statement that does not run on the databases",
    },
)
