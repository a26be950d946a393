"""Task derivation: questions with gold SQL (BIRD's form) become tasks, each in both of AgentTuning's ways.

replay: the gold SQL's own run becomes the episode, thoughts are filled in later. interact: the solver works from the
question alone and must reach the gold result (AgentTuning, section 2.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Literal, Protocol

from environments.db.engine import Result, SqlEngine
from environments.db.episode import observation_of
from environments.db.statement import Statement, UnreadableSql, asks_for_order, read_statement
from environments.db.store import store_database
from schemas.errors import EnvironmentFault, InputError
from schemas.rejection import Rejection
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

WAYS: tuple[Literal["replay", "interact"], ...] = ("replay", "interact")
MAX_RESULT_CHARS = 800
"""A gold result that does not fit in one observation cannot be answered from what an agent sees (AgentBench's cut)."""


class Question(Protocol):
    """One question with its gold SQL (`environments.db.importers.bird` reads them)."""

    @property
    def question_id(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def sql(self) -> str: ...
    @property
    def database_name(self) -> str: ...
    @property
    def database(self) -> Path | None: ...
    @property
    def difficulty(self) -> int | None: ...
    @property
    def source(self) -> str: ...
    @property
    def license(self) -> str: ...


class _Unfit(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


async def derive_tasks(
    questions: Iterable[Question], engine: SqlEngine, databases: Path, *, stage: str = "generate"
) -> AsyncIterator[TaskSpec | Rejection]:
    """Yield two tasks a question (replay, interact), or one rejection, in the questions' order.

    The databases are copied into `databases`, the folder that `engine` works on.

    Raises:
        SandboxError: the engine broke.
    """
    stored: dict[Path, str] = {}
    for question in questions:
        try:
            statement = _read(question)
            sha256 = _store(question, databases, stored)
            result = await _run(question, sha256, engine)
            _judge_result(result)
        except _Unfit as unfit:
            yield _rejection(question, unfit, stage)
            continue
        for way in WAYS:
            yield _spec(question, statement, result, sha256, way)


def _read(question: Question) -> Statement:
    try:
        statement = read_statement(question.sql)
    except UnreadableSql as error:
        raise _Unfit(error.reason, str(error)) from error
    if statement.kind != "select":
        raise _Unfit("not_a_select", f"the gold SQL is of kind {statement.kind}; derivation takes questions only")
    return statement


def _store(question: Question, databases: Path, stored: dict[Path, str]) -> str:
    path = question.database
    if path is None:
        raise _Unfit("missing_database", f"there is no SQLite file for the database {question.database_name!r}")
    if path not in stored:
        try:
            stored[path] = store_database(path, databases)
        except InputError as error:
            raise _Unfit("unreadable_database", str(error)) from error
    return stored[path]


async def _run(question: Question, sha256: str, engine: SqlEngine) -> Result:
    try:
        database = await engine.open(Setup(database=sha256, database_name=question.database_name))
    except EnvironmentFault as error:
        raise _Unfit("unreadable_database", str(error)) from error
    try:
        return await database.execute(question.sql, seconds=engine.limits.reference_seconds)
    finally:
        await database.close()


def _judge_result(result: Result) -> None:
    if result.error is not None:
        raise _Unfit("sql_fails", result.error)
    if result.truncated or len(observation_of(result, 1 << 30)) > MAX_RESULT_CHARS:
        raise _Unfit(
            "result_too_long", f"{len(result.rows)} rows; a result of {MAX_RESULT_CHARS} characters can be seen at once"
        )


def _spec(
    question: Question, statement: Statement, result: Result, sha256: str, way: Literal["replay", "interact"]
) -> TaskSpec:
    is_ordered = statement.ordered and asks_for_order(f"{question.question} {question.evidence}")
    repeats = len(set(map(repr, result.rows))) < len(result.rows)  # BIRD's own judge compares sets
    return TaskSpec.make(
        environment="db",
        instruction="\n".join(text for text in (question.question.strip(), question.evidence.strip()) if text),
        setup=Setup(database=sha256, database_name=question.database_name),
        reference=(Script(code=question.sql.strip()),),
        check=Check(kind="rows", ordered=is_ordered, distinct=repeats),
        origin="derived",
        derivation=way,
        parents=(question.question_id,),
        family=statement.family,
        difficulty=question.difficulty,
        license=question.license,
        provenance=Provenance(source=question.source),
    )


def _rejection(question: Question, unfit: _Unfit, stage: str) -> Rejection:
    raw = {"question": question.question, "db_id": question.database_name, "SQL": question.sql}
    return Rejection.make(
        stage=stage, reason=unfit.reason, detail=str(unfit), source=question.source, raw=raw, environment="db"
    )
