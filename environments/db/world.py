"""The database world: SQL, one statement a turn. `DbWorld` owns the engines and opens episodes on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Self

import prompts
from environments.base import OBSERVATION_CHARS, TELLING, Author, Card, Dialect, Environment, Honest, Place, World
from environments.db.agentbench_dialect import AgentBenchDb, as_agentbench
from environments.db.agreement import is_same_answer
from environments.db.author import DbAuthor, Surroundings
from environments.db.check import JUDGED_BY_STATE, KINDS, run_reference
from environments.db.config import DbConfig
from environments.db.dialect import DbDialect, DbText, dialect_of
from environments.db.engine import SqlEngine, SqlLimits
from environments.db.engines import Engines
from environments.db.episode import DbEnvironment
from environments.db.judge import judge_aside
from environments.db.server.mariadb_engine import MariaDbEngine
from environments.db.sqlite_engine import SqliteEngine
from environments.db.static_probes import no_tie_decides, reference_is_stable
from environments.db.store import databases_of
from environments.db.trials import any_answer_fails, cheats_fail, guesses
from environments.dialects.tool_calls import ToolCalls
from environments.endings import Ending
from rehearsals.base import Rehearsal
from schemas.errors import ConfigError
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

CONTRACT = 1
"""Raised by hand when episodes of the database world would come out otherwise."""
PROMPT = "solve_db"
TOOLS_PROMPT = "solve_db_tools"
MAX_TURNS = 15
"""AgentBench: dbbench max_round 15."""
READS = ("rows", "result")
"""Kinds of check that compare an answer with the reference's rows."""


class DbWorld(World):
    """Opens episodes of the database world, each on the engine of its task's dialect."""

    name = "db"
    check_contract = 3  # values by their kind, ties in any order, ids that the engine gives by any number, keys hold
    Config = DbConfig
    typical = (2.7, 30, 40)  # the demo, measured with the built-in stand-in

    def __init__(self, engine: SqlEngine, *, max_turns: int = MAX_TURNS, is_benchmark: bool = False) -> None:
        """`is_benchmark`: all solvers are spoken to as dbbench does, and results are worded as there."""
        self.engine, self.max_turns = engine, max_turns
        prompt = as_agentbench(prompts.load(PROMPT)) if is_benchmark else prompts.load(PROMPT)
        react: DbText = DbDialect(prompt) if "contract" in prompt.front else AgentBenchDb.as_first(prompt)
        tools = ToolCalls(prompts.load(TOOLS_PROMPT), lambda spec: {"dialect": dialect_of(spec)})
        self.dialects: Mapping[str, Dialect] = {
            "react": react,
            "tools": tools,
            "agentbench": AgentBenchDb(as_agentbench(prompt)),
        }
        self._worded = react
        self._author: DbAuthor | None = None

    @classmethod
    def on_sqlite(
        cls, databases: Path, *, statement_timeout: float = 2.0, max_turns: int = MAX_TURNS, workers: int = 2
    ) -> DbWorld:
        """Return the world on SQLite files in `databases` (see `environments.db.store`)."""
        limits = SqlLimits(statement_seconds=statement_timeout)
        return cls(SqliteEngine(databases, limits, workers), max_turns=max_turns)

    @classmethod
    def on_engines(
        cls,
        databases: Path,
        servers: Mapping[str, str],
        *,
        statement_timeout: float = 2.0,
        max_turns: int = MAX_TURNS,
        is_benchmark: bool = False,
    ) -> DbWorld:
        """Return the world on SQLite, and on servers for the tasks that are written for them.

        `servers` are URLs by dialect; where there is none, a private server is started when a task needs it.
        """
        limits = SqlLimits(statement_seconds=statement_timeout)
        mariadb = partial(MariaDbEngine, databases, limits, url=servers.get("mysql"))
        postgres = partial(_postgres, databases, limits, url=servers.get("postgres"))
        engines = Engines(SqliteEngine(databases, limits), {"mysql": mariadb, "postgres": postgres})
        return cls(engines, max_turns=max_turns, is_benchmark=is_benchmark)

    @classmethod
    def at(cls, place: Place, config: DbConfig) -> DbWorld:
        """Return the world of a run; its engines are opened when it is entered."""
        collect = place.config.collect
        timeout, turns = collect.statement_timeout_seconds, collect.max_turns.get(cls.name, MAX_TURNS)
        databases = databases_of(place.home)
        is_benchmark = collect.dialect == AgentBenchDb.name
        world = cls.on_engines(
            databases, place.servers, statement_timeout=timeout, max_turns=turns, is_benchmark=is_benchmark
        )
        world._author = DbAuthor(config, world.engine, place.home, Surroundings(turns, timeout))
        return world

    @property
    def card(self) -> Card:
        """Describe the world on its first engine."""
        return self._card_on(self.engine)

    def _card_on(self, engine: SqlEngine) -> Card:
        extra: dict[str, Any] = {"limits": engine.limits, "engine": engine.version}
        contract = self._worded.prompt.front.get("world_contract", CONTRACT)
        return Card(self.name, contract, self.max_turns, PROMPT, extra=extra)

    @property
    def told(self) -> Mapping[str, Any]:
        """Its limits."""
        if self._worded.prompt.front.get("contract", 1) < TELLING:
            return {}
        seconds = f"{self.engine.limits.statement_seconds:g}"
        return {"turns": self.max_turns, "seconds": seconds, "characters": OBSERVATION_CHARS}

    def as_told(self, told: str | None) -> Self:
        """Return the world whose results are worded as they were before contract 3 of the prompt."""
        if told is not None or self._worded.prompt.front.get("contract", 1) < TELLING:
            return self
        other = copy(self)
        other._worded = DbDialect(as_agentbench(self._worded.prompt))
        return other

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return what it knows to play with databases."""
        from environments.db.rehearsal import DbRehearsal

        return DbRehearsal()

    @property
    def author(self) -> Author | None:
        """Return who makes up changes and derives tasks from questions; None where no run opened the world."""
        return self._author

    async def probe(self) -> None:
        """Try the SQLite engine's worker."""
        async with self:
            pass

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id of the world on the engine of the task's dialect, which is started for it.

        Raises:
            ConfigError: the engine's server is not here; the text says what brings it.
        """
        if isinstance(self.engine, Engines) and self.engine.knows(spec.setup.dialect):
            return digest("world", self._card_on(await self.engine.engine_for(spec.setup.dialect)))
        return self.world_id

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image (the engine's software), sandbox."""
        engine = self.engine
        if isinstance(engine, Engines) and spec is not None:
            engine = engine.entered(spec.setup.dialect)
        return {"image": engine.version, "sandbox": engine.walls()}

    def open(self, spec: TaskSpec) -> DbEnvironment:
        """Return an episode, not yet reset."""
        return DbEnvironment(spec, self.engine, self.card, self._worded)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse a kind of check that this world does not have."""
        if spec.check.kind in KINDS.split(", "):
            return None
        return Refusal("unknown_check", f"the db world has no check {spec.check.kind!r}; it has {KINDS}")

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Refuse a reference that chance, the clock or a tie decides."""
        return [await reference_is_stable(self.engine, spec), await no_tie_decides(self.engine, spec)]

    async def honest(self, environment: Environment, answer: str | None) -> Honest:
        """What a read answers, or the state that a change leaves, is what came of it."""
        outcome = answer if environment.spec.check.kind in READS else await environment.fingerprint()
        return Honest(environment, outcome or "", answer)

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try answers that nothing can be asked for, and statements that look like work; tag what a guess may hit."""
        database, result = await run_reference(self.engine, spec)
        await database.close()
        if spec.check.kind in READS:
            yield await judge_aside(any_answer_fails, spec, result.rows)
        async for probe in cheats_fail(self, spec, result.tables):
            yield probe
        if spec.check.kind == "rows":
            for probe in await judge_aside(guesses, spec, result.rows):
                yield probe

    async def same_outcome(self, spec: TaskSpec, one: Ending, other: Ending) -> bool:
        """Compare the states of a change, else answers as rows of values."""
        if spec.check.kind in JUDGED_BY_STATE:
            return one.state is not None and one.state == other.state
        if one.answer is None or other.answer is None:
            return False
        return await is_same_answer(self.engine, spec, one.answer, other.answer)

    async def opening(self) -> str:
        """Return name and schema of the databases' middle one by length: what a task says beside the instruction."""
        return await self._author.typical_schema() if self._author else ""

    async def __aenter__(self) -> DbWorld:
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.engine.__aexit__(*exception)


def _postgres(databases: Path, limits: SqlLimits, url: str | None) -> SqlEngine:
    try:
        from environments.db.server.postgres_engine import PostgresEngine
    except ImportError as error:  # its driver is an extra
        raise ConfigError("tasks in PostgreSQL's dialect need its driver: pip install 'trajmill[postgres]'") from error
    return PostgresEngine(databases, limits, url=url)


WORLD = DbWorld
