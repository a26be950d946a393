"""The database world: SQL, one statement a turn. `DbHome` owns the engine and opens episodes on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import prompts
from environments.base import Action, Dialect, Environment, Step, World
from environments.db import admission
from environments.db.dialect import DbDialect
from environments.db.engine import SqlEngine, SqlLimits
from environments.db.episode import DbEnvironment
from environments.db.judge import answer_of
from environments.db.sqlite_engine import SqliteEngine
from schemas.errors import EnvironmentFault
from schemas.record import digest
from schemas.task_spec import Probe, TaskSpec

CONTRACT = 1
"""Raised by hand when episodes of the database world would come out otherwise."""
PROMPT = "solve_db"
DONE = '["done"]'
"""The answer after a change, as the prompt asks for it."""


class DbHome:
    """Opens episodes of the database world on one engine."""

    def __init__(self, engine: SqlEngine, *, max_turns: int = 15) -> None:
        """AgentBench's dbbench plays 15 rounds."""
        self.engine = engine
        extra = {"limits": asdict(engine.limits), "engine": engine.version}
        self.world = World("db", CONTRACT, max_turns, PROMPT, extra=extra)
        self._dialect = DbDialect(prompts.load(PROMPT))
        self.dialect: Dialect = self._dialect

    @classmethod
    def on_sqlite(
        cls, databases: Path, *, statement_timeout: float = 2.0, max_turns: int = 15, workers: int = 2
    ) -> DbHome:
        """Open a home on SQLite files in `databases` (see `environments.db.store`)."""
        limits = SqlLimits(statement_seconds=statement_timeout)
        return cls(SqliteEngine(databases, limits, workers), max_turns=max_turns)

    @property
    def world_id(self) -> str:
        return digest("world", asdict(self.world))

    def describe(self) -> Mapping[str, str]:
        """Return provenance: image (the engine's software), sandbox."""
        return {"image": self.engine.version, "sandbox": self.engine.walls()}

    def open(self, spec: TaskSpec) -> DbEnvironment:
        """Return an episode, not yet reset."""
        return DbEnvironment(spec, self.engine, self.world, self._dialect)

    async def replay(
        self, environment: Environment, spec: TaskSpec
    ) -> tuple[Sequence[tuple[Action, Step]], str | None]:
        """Run the reference's statements as turns, then answer with the rows that the last one returned.

        Raises:
            EnvironmentFault: the task has no reference; an answer never comes from a label.
        """
        if not spec.reference:
            raise EnvironmentFault(admission.NO_REFERENCE, transient=False)
        if not isinstance(environment, DbEnvironment):
            raise EnvironmentFault(f"SQL cannot be replayed in {type(environment).__name__}", transient=False)
        turns = []
        for script in spec.reference:
            statement = Action("sql", script.code)
            turns.append((statement, await environment.step(statement)))
        rows = environment.last.rows if environment.last is not None else ()
        end = Action("answer", answer_of(rows) if spec.check.kind == "rows" else DONE)
        turns.append((end, await environment.step(end)))
        return turns, end.text

    async def admit(self, spec: TaskSpec) -> tuple[Probe, ...]:
        """Try a task on fresh databases (see `environments.db.admission`)."""
        return await admission.admit(self, spec)

    async def __aenter__(self) -> DbHome:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.engine.__aexit__(*exception)
