"""The verdict on an episode of the database world, by execution.

Reads are compared with the reference's rows on a fresh database; writes by the state of the database, so a claim
without a write fails by itself. What the agent left open (a transaction) counts as rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from environments.db.cells import Named
from environments.db.engine import Result, SqlDatabase, SqlEngine
from environments.db.given_ids import differ_in_given_ids_alone
from environments.db.judge import Told, judge_aside, judge_rows
from environments.db.judgement import Judgement
from environments.db.labels import judge_label
from environments.db.looked import Asked, has_looked
from environments.db.state import SqlValue, State, agentbench_hash, row_differences, state_differences
from environments.db.ties import is_cut, standing_of
from schemas.episode import RewardPart, Verdict
from schemas.errors import CheckError
from schemas.task_spec import TaskSpec

Row = Sequence[SqlValue]
KINDS = "rows, result, label, state, agentbench_hash"
JUDGED_BY_STATE = ("state", "agentbench_hash")
_NOT_ACTED = Judgement(False, "answered_without_acting", "no statement that ran had read or changed a table")
_NOT_LOOKED = Judgement(
    False, "answered_without_acting", "what the statements showed is the same in a database without a row"
)


@dataclass(frozen=True)
class Evidence:
    """What the agent leaves behind, besides its database."""

    answer: str | None
    """None = the episode ended without one."""
    has_acted: bool
    """One of its statements ran and touched a table that was there before it."""
    has_written: bool
    """One of its statements ran and was of a kind that writes."""
    asked: tuple[Asked, ...] = ()
    """Its statements that ran, from the first on that touched a table that was there before it."""


async def verify(spec: TaskSpec, engine: SqlEngine, database: SqlDatabase, evidence: Evidence) -> Verdict:
    """Judge an answer and the state of `database`.

    Raises:
        CheckError: the check is not one of this world's, or its reference does not run.
        EnvironmentFault, SandboxError: the engine broke.
    """
    if evidence.answer is None:
        return _verdict(Judgement(False, "no_answer", "the episode gave no answer"), "result")
    kind = spec.check.kind
    if kind in ("rows", "result", "label"):
        return _verdict(await _judge_read(spec, engine, database, evidence), "result")
    if kind == "state":
        return await _judge_state(spec, engine, database)
    if kind == "agentbench_hash":
        return _verdict(await _judge_hash(spec, database), "hash")
    raise CheckError(f"the db world has no check {kind!r}; it has {KINDS}", transient=False)


async def run_reference(engine: SqlEngine, spec: TaskSpec) -> tuple[SqlDatabase, Result]:
    """Run a task's reference on a fresh database; return that database (to be closed) and the last result.

    Raises:
        CheckError: there is none, one of its statements fails, or its result is larger than the limits.
    """
    if not spec.reference:
        raise CheckError("the task has no reference", transient=False)
    database, result = await engine.open(spec.setup), Result()
    for script in spec.reference:
        result = await database.execute(script.code, seconds=engine.limits.reference_seconds)
        if result.error is not None or result.truncated:
            await database.close()
            why = result.error or f"its result has more than {len(result.rows)} rows or is too large"
            raise CheckError(f"the reference fails: {why}", transient=False)
    return database, result


async def _judge_read(spec: TaskSpec, engine: SqlEngine, database: SqlDatabase, evidence: Evidence) -> Judgement:
    if not evidence.has_acted:
        return _NOT_ACTED
    if evidence.has_written:
        changed = await _unasked_changes(spec, engine, database)
        if changed:
            return Judgement(False, "unasked_write", "; ".join(changed))
    judged, rows = await _judge_answer(spec, engine, evidence.answer)
    if judged.passed and not await has_looked(engine, spec, evidence.asked, rows):
        return _NOT_LOOKED
    return judged


async def _judge_answer(spec: TaskSpec, engine: SqlEngine, answer: str | None) -> tuple[Judgement, Sequence[Row]]:
    """Judge an answer; return the right rows too."""
    if spec.check.kind == "label":
        judged = await judge_aside(judge_label, answer, spec.check.expected)
        return judged, [(value,) for value in spec.check.expected]
    reference, result = await run_reference(engine, spec)
    try:
        judged = await _judge_rows(spec, engine, answer, reference, result)
    finally:
        await reference.close()
    return judged, result.rows


async def _judge_rows(
    spec: TaskSpec, engine: SqlEngine, answer: str | None, reference: SqlDatabase, result: Result
) -> Judgement:
    """Compare with the rows as they came, then with what other choices among ties allow."""
    query, dialect, check = spec.reference[-1].code, spec.setup.dialect, spec.check
    named = Named.by(spec.instruction, " ".join((query, *result.columns)))
    told = Told(result.columns, named, distinct=check.distinct)
    how = check.ordered, check.kind == "result"
    judged = await judge_aside(judge_rows, answer, result.rows, *how, told)
    if judged.passed or not (check.ordered or is_cut(query, dialect)):
        return judged
    standing = await standing_of(reference, query, dialect, result, engine.limits.reference_seconds)
    if not standing.ranks:
        return judged
    told = replace(told, ranks=standing.ranks, spare=standing.spare)
    return await judge_aside(judge_rows, answer, result.rows, *how, told)


async def _unasked_changes(spec: TaskSpec, engine: SqlEngine, database: SqlDatabase) -> list[str]:
    """Compare with the initial state: a question is no leave to change what it asks about."""
    untouched = await engine.open(spec.setup)
    try:
        return state_differences(await untouched.state(), await database.state())
    finally:
        await untouched.close()


async def _judge_state(spec: TaskSpec, engine: SqlEngine, database: SqlDatabase) -> Verdict:
    reference, _ = await run_reference(engine, spec)
    try:
        wanted, found = await reference.state(), await database.state()
        differences = state_differences(wanted, found)
        states = wanted, found
        if differences and await differ_in_given_ids_alone(engine, spec, reference, database, states):
            differences, found = [], wanted
        if differences:
            differences += await _rows_that_differ(reference, database, wanted, found)
    finally:
        await reference.close()
    parts = (
        RewardPart(name="data", value=float(wanted.tables == found.tables)),
        RewardPart(name="schema", value=float(wanted.objects == found.objects)),
    )
    judged = Judgement(not differences, "wrong_state", "; ".join(differences))
    return _verdict(judged, "state").model_copy(update={"parts": parts})


async def _rows_that_differ(reference: SqlDatabase, database: SqlDatabase, wanted: State, found: State) -> list[str]:
    """Show rows of the first table that both have and that differs."""
    for name in sorted(set(wanted.tables) & set(found.tables)):
        if wanted.tables[name] != found.tables[name]:
            left, right = await reference.table(name), await database.table(name)
            return row_differences(left.rows, right.rows)
    return []


async def _judge_hash(spec: TaskSpec, database: SqlDatabase) -> Judgement:
    """Compare AgentBench's hash; of several tables theirs, sorted and joined by `_` as AgentBench main does."""
    hashes = []
    for table in spec.setup.tables:
        result = await database.table(table.name, tuple(column.name for column in table.columns))
        if result.error is not None:
            return Judgement(False, "wrong_hash", f"table {table.name} cannot be read any more: {result.error}")
        hashes.append(str(agentbench_hash(result.rows)))
    found = "_".join(sorted(hashes))
    return Judgement(found == spec.check.answer, "wrong_hash", f"hash {found}, expected {spec.check.answer}")


def _verdict(judged: Judgement, part: str) -> Verdict:
    reward = float(judged.passed)
    detail = "" if judged.passed else f"{judged.reason}: {judged.detail}"
    parts = (RewardPart(name=part, value=reward),)
    return Verdict(name="passed" if judged.passed else "failed", reward=reward, parts=parts, detail=detail[:2000])
