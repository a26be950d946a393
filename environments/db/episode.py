"""One live episode of the database world: a database of its own, one statement a turn."""

from __future__ import annotations

from dataclasses import replace

from environments.base import TELLING, UNCHANGED, Action, Card, Environment, Step, no_action
from environments.db.check import JUDGED_BY_STATE, Evidence, verify
from environments.db.dialect import DbText
from environments.db.engine import Result, SqlDatabase, SqlEngine
from environments.db.judge import answer_of
from environments.db.looked import asked
from environments.observing import head_and_tail, shown_rows
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.recording import SUBMIT, RecordedTurn
from schemas.task_spec import TaskSpec

_TRUNCATED = "[TRUNCATED]"
DONE = '["done"]'
"""The answer after a change, as the prompt asks for it."""
_MAX_SCHEMA_CHARS = 8000


class DbEnvironment(Environment):
    """`reset`, `step` until terminated, `verify`, `close`."""

    def __init__(self, spec: TaskSpec, engine: SqlEngine, card: Card, dialect: DbText) -> None:
        self.spec = spec
        self.last: Result | None = None
        """The last statement's result; observations are cut."""
        self._engine, self._card, self._dialect = engine, card, dialect
        self._database: SqlDatabase | None = None
        self._evidence = Evidence(None, False, False)
        self._state: str | None = None
        """Digest of the database since its last statement; None = not asked for since."""

    async def reset(self) -> Step:
        """Open a fresh database; the first observation words the task with its schema."""
        await self.close()
        self._evidence, self.last, self._state = Evidence(None, False, False), None, None
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
            raise no_action("db", action.kind, "sql, answer")
        self._state = None
        self.last = await self._live.execute(action.text)
        self._note(action.text, self.last)
        said = counted_observation if self._dialect.prompt.front.get("contract", 1) >= TELLING else observation_of
        return Step(said(self.last, self._card.observation_chars))

    def _note(self, sql: str, result: Result) -> None:
        seen = self._evidence
        # A table that the agent made, or a function that looks like one, is not the data that was asked about.
        acted = seen.has_acted or not set(self._live.tables).isdisjoint(result.tables)
        written = seen.has_written or result.wrote
        statements = (*seen.asked, asked(sql, result)) if acted and result.error is None else seen.asked
        self._evidence = replace(seen, has_acted=acted, has_written=written, asked=statements)

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Run the reference's statements as turns, then answer with the rows that the last one returned."""
        if not self.spec.reference:
            raise EnvironmentFault("no_reference: the task has no reference that could be run", transient=False)
        turns = []
        for script in self.spec.reference:
            statement = Action("sql", script.code)
            turns.append((statement, await self.step(statement)))
        rows = self.last.rows if self.last is not None else ()
        end = Action("answer", answer_of(rows) if self.spec.check.kind in ("rows", "result") else DONE)
        return (*turns, (end, await self.step(end)))

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return a recorded turn's statement or answer; `submit` answers with what the last statement returned."""
        if turn.action_kind == SUBMIT:
            return Action("answer", _handed_in(self.last))
        if turn.action_kind == "sql":
            return Action("sql", turn.action) if turn.action.strip() else None
        return Action("answer", turn.action) if turn.action_kind == "answer" else None

    async def verify(self) -> Verdict:
        """Judge the answer and the final state (see `environments.db.check`)."""
        return await verify(self.spec, self._engine, self._live, self._evidence)

    async def fingerprint(self) -> str:
        """Digest the database as it stands; where nothing wrote it is what the set-up made."""
        return await self._digest() if self._evidence.has_written else UNCHANGED

    async def work(self) -> str | None:
        """Digest the database whoever wrote to it, where a change was asked for: a write of no row changes nothing."""
        return await self._digest() if self.spec.check.kind in JUDGED_BY_STATE else None

    async def _digest(self) -> str:
        if self._state is None:
            state = await self._live.state()
            self._state = f"{state.data_digest} {state.schema_digest}"
        return self._state

    @property
    def _live(self) -> SqlDatabase:
        if self._database is None:
            raise EnvironmentFault("the database is not open; reset the environment first", transient=False)
        return self._database

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            await database.close()


def _handed_in(last: Result | None) -> str:
    """Word what the last statement gave: its rows, or its error, which is no empty result."""
    if last is None:
        return ""
    return answer_of(last.rows) if last.error is None else f"Error: {last.error}"


def observation_of(result: Result, most: int) -> str:
    """Word a result as dbbench does: the Python repr of its rows or the error, cut at `most` characters."""
    text = f"Error: {result.error}" if result.error is not None else repr(list(result.rows))
    return text if len(text) <= most and not result.truncated else text[:most] + _TRUNCATED


def counted_observation(result: Result, most: int) -> str:
    """Word a result with what it counts: rows and their columns, or how many a statement changed.

    Of a long list the first and the last rows are shown.
    """
    if result.error is not None:
        return head_and_tail(f"Error: {result.error}", most)
    said = [] if result.changed is None else [f"{_rows(result.changed)} changed"]
    if not result.columns:
        return said[0] if said else "Done."
    columns = head_and_tail(", ".join(result.columns), most // 2)
    rows, shown = shown_rows([repr(row) for row in result.rows], max(most - len(columns) - 60, 100))
    count = f"{'more than ' if result.truncated else ''}{_rows(len(result.rows))} ({columns})"
    cut = f", {shown:,} shown" if shown < len(result.rows) else ""
    return f"{'; '.join([*said, count])}{cut}:\n{rows}" if result.rows else "; ".join([*said, count])


def _rows(number: int) -> str:
    return f"{number:,} row{'s' * (number != 1)}"


def shown_schema(schema: str) -> str:
    """Cut a long schema at a whole line and say so."""
    if len(schema) <= _MAX_SCHEMA_CHARS:
        return schema
    kept = schema[:_MAX_SCHEMA_CHARS].rpartition("\n")[0]
    return f"{kept}\n-- more tables follow; list them with SELECT name, sql FROM sqlite_schema"
