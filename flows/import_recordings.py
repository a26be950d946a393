"""import of logs: recorded episodes of other agents, with their tasks. `collect --solver recorded` runs them again."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from environments.db.check import run_reference
from environments.db.statement import Statement, UnreadableSql, read_statement
from environments.db.store import store_dump
from environments.db.world import DbHome
from environments.registry import databases_of
from flows.open_workshop import own_home
from formats import intercode_bash, intercode_sql, recorded_episodes
from schemas.errors import CheckError, ConfigError, EnvironmentFault, InputError
from schemas.recording import Recorded
from schemas.rejection import Rejection
from schemas.settings import Settings
from schemas.task_spec import TaskSpec
from tasks.land_recordings import land_recordings
from warehouse.warehouse import Warehouse

LOG_FORMATS = ("episodes", "intercode-sql", "intercode-bash")


class LogOptions(NamedTuple):
    """What an import of logs may be told."""

    license: str
    tasks: Path | None = None
    """InterCode: the tasks that the episodes are about."""
    databases: Path | None = None
    """intercode-sql: the MySQL dump that the tasks ask about."""
    filesystem: Path | None = None
    """intercode-bash: the manifest of the files that the tasks are about."""


def import_recordings(format_: str, paths: list[Path], options: LogOptions) -> Counter[str]:
    """Land the recordings of some files; count `kept`, `imported_before` and each reason."""
    with own_home(Settings().home) as home:
        warehouse = Warehouse(home)
        counts = land_recordings(warehouse, read_logs(format_, paths, options, databases_of(home)))
        warehouse.write_catalog()
    return counts


def read_logs(
    format_: str, paths: list[Path], options: LogOptions, databases: Path | None = None
) -> Iterator[Recorded | Rejection]:
    """Yield every line of some logs; `databases` is where their databases are kept, None keeps none."""
    if format_ == "intercode-sql":
        tasks, dump = _file(format_, "--tasks", options.tasks), _file(format_, "--databases", options.databases)
        sha256 = store_dump(dump, databases) if databases else hashlib.sha256(dump.read_bytes()).hexdigest()
        rows = intercode_sql.read_recordings(paths, tasks, sha256, _read_gold)
        yield from asyncio.run(_try_golds(list(rows), databases)) if databases else rows
        return
    if format_ == "intercode-bash":
        tasks, files = _file(format_, "--tasks", options.tasks), _file(format_, "--filesystem", options.filesystem)
        yield from intercode_bash.read_recordings(paths, tasks, files)
        return
    for path in paths:
        yield from recorded_episodes.read_episodes(path, license=options.license)


async def _try_golds(rows: list[Recorded | Rejection], databases: Path) -> list[Recorded | Rejection]:
    """Run every gold once: a task whose reference does not run can judge nothing, and its recordings are told."""
    failures: dict[str, str | None] = {}
    async with DbHome.on_engines(databases, Settings().database_servers()) as home:
        for row in rows:
            if isinstance(row, Recorded) and row.spec is not None and row.spec.task_id not in failures:
                failures[row.spec.task_id] = await _failure_of(home, row.spec)
    return [_unless_failed(row, failures) for row in rows]


async def _failure_of(home: DbHome, spec: TaskSpec) -> str | None:
    try:
        database, _ = await run_reference(home.engine, spec)
    except (CheckError, EnvironmentFault) as error:
        return str(error)
    await database.close()
    return None


def _unless_failed(row: Recorded | Rejection, failures: Mapping[str, str | None]) -> Recorded | Rejection:
    why = failures.get(row.recording.task_id) if isinstance(row, Recorded) else None
    if isinstance(row, Rejection) or why is None:
        return row
    source = row.recording.source
    return Rejection.make(
        stage="import", reason="gold_fails", detail=why, source=source, raw=row.recording, environment="db"
    )


def _file(format_: str, option: str, path: Path | None) -> Path:
    if path is None:
        needed = "--tasks FILE and --" + ("databases" if format_ == "intercode-sql" else "filesystem")
        raise ConfigError(f"{format_} needs {needed} FILE; {option} is missing")
    if not path.is_file():
        raise InputError(f"{option}: no such file: {path}")
    return path


def _read_gold(sql: str) -> Statement:
    try:
        statement = read_statement(sql, "mysql")
    except UnreadableSql as error:
        raise intercode_sql.BadGold(error.reason, str(error)) from error
    if statement.kind != "select":
        raise intercode_sql.BadGold("not_a_select", f"the gold is of kind {statement.kind}; a result is compared")
    return statement
