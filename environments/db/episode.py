"""One live episode of the database world: a database of its own, one statement a turn."""

from __future__ import annotations

from dataclasses import replace

from environments.base import UNCHANGED, Action, Step, World
from environments.db.check import Evidence, verify
from environments.db.dialect import DbDialect
from environments.db.engine import Result, SqlDatabase, SqlEngine
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.task_spec import TaskSpec

_TRUNCATED = "[TRUNCATED]"
_MAX_SCHEMA_CHARS = 8000


class DbEnvironment:
    """`reset`, `step` until terminated, `verify`, `close`."""

    def __init__(self, spec: TaskSpec, engine: SqlEngine, world: World, dialect: DbDialect) -> None:
        self.spec = spec
        self.last: Result | None = None
        """The last statement's result; observations are cut."""
        self._engine, self._world, self._dialect = engine, world, dialect
        self._database: SqlDatabase | None = None
        self._evidence = Evidence(None, False, False)

    async def reset(self) -> Step:
        """Open a fresh database; the first observation words the task with its schema."""
        await self.close()
        self._evidence, self.last = Evidence(None, False, False), None
        self._database = await self._engine.open(self.spec.setup)
        return Step(self._dialect.task(self.spec, shown_schema(self._database.schema)))

    async def step(self, action: Action) -> Step:
        """Run one statement, or take the answer.

        Raises:
            EnvironmentFault: the action is not one of this world's.
        """
        if action.kind == "answer":
            self._evidence = replace(self._evidence, answer=action.text)
            return Step("", terminated=True)
        if action.kind != "sql":
            raise EnvironmentFault(f"the db world has no action {action.kind!r}; it has sql, answer", transient=False)
        self.last = await self._live.execute(action.text)
        self._note(self.last)
        return Step(observation_of(self.last, self._world.observation_chars))

    def _note(self, result: Result) -> None:
        seen = self._evidence
        # A table that the agent made, or a function that looks like one, is not the data that was asked about.
        acted = seen.has_acted or not set(self._live.tables).isdisjoint(result.tables)
        written = seen.has_written or result.wrote
        self._evidence = replace(seen, has_acted=acted, has_written=written)

    async def verify(self) -> Verdict:
        """Judge the answer and the final state (see `environments.db.check`)."""
        return await verify(self.spec, self._engine, self._live, self._evidence)

    async def fingerprint(self) -> str:
        """Digest the database as it stands; where nothing wrote it is what the set-up made."""
        if not self._evidence.has_written:
            return UNCHANGED
        state = await self._live.state()
        return f"{state.data_digest} {state.schema_digest}"

    @property
    def _live(self) -> SqlDatabase:
        if self._database is None:
            raise EnvironmentFault("the database is not open; reset the environment first", transient=False)
        return self._database

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def __aenter__(self) -> DbEnvironment:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def observation_of(result: Result, most: int) -> str:
    """Word a result as dbbench does: the Python repr of its rows or the error, cut at `most` characters."""
    text = f"Error: {result.error}" if result.error is not None else repr(list(result.rows))
    return text if len(text) <= most and not result.truncated else text[:most] + _TRUNCATED


def shown_schema(schema: str) -> str:
    """Cut a long schema at a whole line and say so."""
    if len(schema) <= _MAX_SCHEMA_CHARS:
        return schema
    kept = schema[:_MAX_SCHEMA_CHARS].rpartition("\n")[0]
    return f"{kept}\n-- more tables follow; list them with SELECT name, sql FROM sqlite_schema"
