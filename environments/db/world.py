"""The database world: SQL, one statement a turn. `DbHome` owns the engines and opens episodes on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import prompts
from environments.base import Action, Dialect, Environment, Step, World
from environments.db import admission
from environments.db.dialect import DbDialect
from environments.db.engine import Result, SqlEngine, SqlLimits
from environments.db.engines import Engines
from environments.db.episode import DbEnvironment
from environments.db.judge import answer_of
from environments.db.server.mariadb_engine import MariaDbEngine
from environments.db.sqlite_engine import SqliteEngine
from schemas.errors import ConfigError, EnvironmentFault
from schemas.record import digest
from schemas.recording import SUBMIT, RecordedTurn
from schemas.task_spec import Probe, TaskSpec

CONTRACT = 1
"""Raised by hand when episodes of the database world would come out otherwise."""
PROMPT = "solve_db"
DONE = '["done"]'
"""The answer after a change, as the prompt asks for it."""


class DbHome:
    """Opens episodes of the database world, each on the engine of its task's dialect."""

    def __init__(self, engine: SqlEngine, *, max_turns: int = 15) -> None:
        """AgentBench's dbbench plays 15 rounds."""
        self.engine = engine
        self.world = _world_on(engine, max_turns)
        self._dialect = DbDialect(prompts.load(PROMPT))
        self.dialect: Dialect = self._dialect

    @classmethod
    def on_sqlite(
        cls, databases: Path, *, statement_timeout: float = 2.0, max_turns: int = 15, workers: int = 2
    ) -> DbHome:
        """Open a home on SQLite files in `databases` (see `environments.db.store`)."""
        limits = SqlLimits(statement_seconds=statement_timeout)
        return cls(SqliteEngine(databases, limits, workers), max_turns=max_turns)

    @classmethod
    def on_engines(
        cls, databases: Path, servers: Mapping[str, str], *, statement_timeout: float = 2.0, max_turns: int = 15
    ) -> DbHome:
        """Open a home on SQLite, and on servers for the tasks that are written for them.

        `servers` are URLs by dialect; where there is none, a private server is started when a task needs it.
        """
        limits = SqlLimits(statement_seconds=statement_timeout)
        mariadb = partial(MariaDbEngine, databases, limits, url=servers.get("mysql"))
        postgres = partial(_postgres, databases, limits, url=servers.get("postgres"))
        return cls(
            Engines(SqliteEngine(databases, limits), {"mysql": mariadb, "postgres": postgres}), max_turns=max_turns
        )

    @property
    def world_id(self) -> str:
        return digest("world", asdict(self.world))

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id of the world on the engine of the task's dialect, which is started for it.

        Raises:
            ConfigError: the engine's server is not here; the text says what brings it.
        """
        if isinstance(self.engine, Engines) and self.engine.knows(spec.setup.dialect):
            engine = await self.engine.engine_for(spec.setup.dialect)
            return digest("world", asdict(_world_on(engine, self.world.max_turns)))
        return self.world_id

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image (the engine's software), sandbox."""
        engine = self.engine
        if isinstance(engine, Engines) and spec is not None:
            engine = engine.entered(spec.setup.dialect)
        return {"image": engine.version, "sandbox": engine.walls()}

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
        end = Action("answer", answer_of(rows) if spec.check.kind in ("rows", "result") else DONE)
        turns.append((end, await environment.step(end)))
        return turns, end.text

    def read_recorded(self, environment: Environment, turn: RecordedTurn) -> Action | None:
        """Return a recorded turn's statement or answer; `submit` answers with what the last statement returned."""
        if turn.action_kind == SUBMIT and isinstance(environment, DbEnvironment):
            return Action("answer", _handed_in(environment.last))
        if turn.action_kind == "sql" and turn.action.strip():
            return Action("sql", turn.action)
        return Action("answer", turn.action) if turn.action_kind == "answer" else None

    async def admit(self, spec: TaskSpec) -> tuple[Probe, ...]:
        """Try a task on fresh databases (see `environments.db.admission`)."""
        return await admission.admit(self, spec)

    async def __aenter__(self) -> DbHome:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.engine.__aexit__(*exception)


def _handed_in(last: Result | None) -> str:
    """Word what the last statement gave: its rows, or its error, which is no empty result."""
    if last is None:
        return ""
    return answer_of(last.rows) if last.error is None else f"Error: {last.error}"


def _postgres(databases: Path, limits: SqlLimits, url: str | None) -> SqlEngine:
    try:
        from environments.db.server.postgres_engine import PostgresEngine
    except ImportError as error:  # its driver is an extra
        raise ConfigError("tasks in PostgreSQL's dialect need its driver: pip install 'trajmill[postgres]'") from error
    return PostgresEngine(databases, limits, url=url)


def _world_on(engine: SqlEngine, max_turns: int) -> World:
    extra = {"limits": asdict(engine.limits), "engine": engine.version}
    return World("db", CONTRACT, max_turns, PROMPT, extra=extra)
