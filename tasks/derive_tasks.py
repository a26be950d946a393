"""Questions with gold SQL, read for a build: those that no earlier build took, in their order, up to its limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from environments.db.derivation import derive_tasks
from environments.db.sample import build_sample
from environments.db.store import store_database
from environments.db.world import DbHome
from environments.registry import databases_of
from formats.bird import BirdQuestion, read_questions
from schemas.errors import ConfigError
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec
from tasks.workshop import Workshop

BUILT_IN_LICENSE = "Apache-2.0"


async def derive_questions(workshop: Workshop) -> tuple[list[TaskSpec], list[Rejection]]:
    """Return this build's tasks from questions (two a question), and what cannot become one."""
    home, chosen = database_home(workshop), next_questions(workshop)
    rejected = [row for row in chosen if isinstance(row, Rejection)]
    questions = [row for row in chosen if isinstance(row, BirdQuestion)]
    specs: list[TaskSpec] = []
    async for derived in derive_tasks(questions, home.engine, databases_of(workshop.home)):
        if isinstance(derived, TaskSpec):
            specs.append(derived)
        else:
            rejected.append(derived)
    return specs, rejected


def next_questions(workshop: Workshop) -> list[BirdQuestion | Rejection]:
    """Return the questions that this build takes, those that cannot be read among them."""
    known = _known(workshop)
    rows = (row for row in _read(workshop) if row.source not in known)
    return list(islice(rows, workshop.config.generate.db.questions))


def database_home(workshop: Workshop) -> DbHome:
    """Return the database world."""
    home = workshop.world("db")
    if not isinstance(home, DbHome):
        raise ConfigError("questions with gold SQL need the database world")
    return home


def stored_databases(workshop: Workshop) -> list[tuple[str, str]]:
    """Store the configured SQLite files in the home and return their names and sha256, by name.

    Raises:
        ConfigError: there are none.
    """
    folder = _folder(workshop)
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.sqlite"))
    if not files:
        raise ConfigError(f"no .sqlite file under {folder}; generate.db.bird names a BIRD folder or a SQLite file")
    return [(file.stem, store_database(file, databases_of(workshop.home))) for file in files]


def _folder(workshop: Workshop) -> Path:
    source = workshop.config.generate.db.bird
    return build_sample(workshop.home / "sample") if source == "built-in" else Path(source).expanduser()


def _read(workshop: Workshop) -> Iterator[BirdQuestion | Rejection]:
    """Read the configured questions; each is named by its place and its content."""
    folder = _folder(workshop)
    if folder.suffix == ".sqlite":
        return
    built_in = workshop.config.generate.db.bird == "built-in"
    for row in read_questions(folder, license=BUILT_IN_LICENSE) if built_in else read_questions(folder):
        if isinstance(row, BirdQuestion):
            content = digest(row.question, row.evidence, row.sql, row.database_name)
            yield replace(row, source=f"{row.source}#{content[:12]}")
        else:
            yield row


def _known(workshop: Workshop) -> set[str]:
    """Return the questions that earlier builds took; an unfinished build's own are taken again."""
    query = (
        "SELECT provenance.source FROM task_specs WHERE origin = 'derived' "
        "UNION SELECT source FROM rejections WHERE environment = 'db' AND build <> ?"
    )
    return {row[0] for row in workshop.warehouse.query(query, (workshop.build,))}
