"""Trials of a database task that must fail: guesses, and statements that look like work.

The check never runs where the agent's statements ran: a reference is run on a fresh database, and a state is read in a
view that holds nothing of the agent's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from environments.base import Action, judge_episode
from environments.db.check import JUDGED_BY_STATE
from environments.db.episode import DbEnvironment
from environments.db.judge import judge_rows
from environments.db.quoting import quoted
from environments.db.state import SqlValue
from schemas.task_spec import GUESSABLE, Probe, TaskSpec

GARBAGE = ("", "qzxv no such value", '["qzxv no such value"]', "918273645")
"""Answers to no question: what is zero, NULL or nothing may be right, and a guess that hits it is told as one."""
COMMON = ("1", "none", "0", "[]", "2", "7", "17", "2011", "5", "36", "3", "4")
"""The ten most common answers of the world, most common first: counted over the labels of AgentBench's 120 reads
(dbbench dev and the first 150 standard rows; a third of those with one value has one of them). AgentBench takes none, 0
and nothing for one."""
NO_ANSWER = "918273645"
"""What is said after a cheat; a change may be reported in any words."""

CHEATS = {
    "touched_table_fails": ("a statement that shows no row", ("SELECT * FROM {table} WHERE 1 = 0",)),
    "empty_write_fails": ("a write that changes no row", ("DELETE FROM {table} WHERE 1 = 0",)),
    "replaced_table_fails": (
        "a view of a copy in the table's place",
        (
            "CREATE TABLE trial_copy AS SELECT * FROM {table}",
            "DROP TABLE {table}",
            "CREATE VIEW {table} AS SELECT * FROM trial_copy",
        ),
    ),
}
"""What an agent does instead of the work, before a claim of success: probe, words, statements."""


class Opener(Protocol):
    """What the trials need of a world."""

    def open(self, spec: TaskSpec) -> DbEnvironment: ...


def any_answer_fails(spec: TaskSpec, rows: Sequence[Sequence[SqlValue]]) -> Probe:
    """Give answers that nothing can be asked for."""
    for garbage in GARBAGE:
        if judge_rows(garbage, rows, spec.check.ordered).passed:
            return Probe(name="any_answer_fails", passed=False, detail=f"the answer {garbage!r} passes")
    return Probe(name="any_answer_fails", passed=True)


async def cheats_fail(world: Opener, spec: TaskSpec, tables: Sequence[str]) -> AsyncIterator[Probe]:
    """Claim success after statements that do no work on the first table."""
    if spec.check.kind not in JUDGED_BY_STATE:
        return  # an answer is compared with the reference's rows on a fresh database, whatever the agent's came to
    table = quoted(tables[0], spec.setup.dialect) if tables else "nonesuch"
    for name, (said, statements) in CHEATS.items():
        yield await _fails(world, spec, name, said, [text.format(table=table) for text in statements])


def guesses(spec: TaskSpec, rows: Sequence[Sequence[SqlValue]]) -> tuple[Probe, ...]:
    """Tag a question that one of the ten most common answers answers."""
    right = [answer for answer in COMMON if judge_rows(answer, rows, spec.check.ordered).passed]
    detail = f"one of the ten most common answers is right: {right[0]!r}" if right else ""
    return (Probe(name=GUESSABLE, passed=True, detail=detail),) if right else ()


async def _fails(world: Opener, spec: TaskSpec, name: str, said: str, statements: Sequence[str]) -> Probe:
    async with world.open(spec) as environment:
        await environment.reset()
        for statement in statements:
            await environment.step(Action("sql", statement))
        await environment.step(Action("answer", NO_ANSWER))
        verdict = await judge_episode(environment)
    is_failed = verdict.name == "failed"
    detail = "" if is_failed else f"{said}, and the answer {NO_ANSWER!r} passes"
    return Probe(name=name, passed=is_failed, detail=detail)
