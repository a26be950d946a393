"""Reads and runs the gold statements of imported logs: a task whose reference does not run can judge nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.db.check import run_reference
from environments.db.importers.intercode import BadGold
from environments.db.statement import Statement, UnreadableSql, read_statement
from environments.db.store import databases_of, store_dump
from environments.db.world import DbWorld
from formats.catalogue import Given, Landing
from schemas.errors import CheckError, EnvironmentFault
from schemas.recording import Recorded
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec


def read_gold(sql: str) -> Statement:
    """Read a gold statement as MySQL understands it.

    Raises:
        BadGold: it is none, or does not ask.
    """
    try:
        statement = read_statement(sql, "mysql")
    except UnreadableSql as error:
        raise BadGold(error.reason, str(error)) from error
    if statement.kind != "select":
        raise BadGold("not_a_select", f"the gold is of kind {statement.kind}; a result is compared")
    return statement


async def prove_golds(
    rows: Sequence[Recorded | Rejection], given: Given, landing: Landing
) -> Sequence[Recorded | Rejection]:
    """Keep the databases in the home and run every gold on them once; recordings of one that fails are turned away."""
    databases = databases_of(landing.home)
    store_dump(Path(given["databases"]), databases)
    failures: dict[str, str | None] = {}
    async with DbWorld.on_engines(databases, landing.servers) as world:
        for row in rows:
            if isinstance(row, Recorded) and row.spec is not None and row.spec.task_id not in failures:
                failures[row.spec.task_id] = await _failure_of(world, row.spec)
    return [_unless_failed(row, failures) for row in rows]


async def _failure_of(world: DbWorld, spec: TaskSpec) -> str | None:
    try:
        database, _ = await run_reference(world.engine, spec)
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
