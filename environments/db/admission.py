"""Admission of a database task: its reference passes twice on fresh databases, nothing less does, and no cheat.

The first probe that fails ends the trials: its name is the reason.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Protocol

from environments.base import Action, Environment
from environments.db.check import run_reference
from environments.db.engine import Result
from environments.db.judge import judge_rows
from environments.db.trials import Opener, cheats_fail, guesses
from environments.probes import until_failure
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import Probe, TaskSpec

GARBAGE = ("", "[]", "unknown", '["qzxv no such value"]', "918273645")
"""Answers that no honest check takes."""
_STRING = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLOCK = r"date|time|datetime|julianday|unixepoch|strftime"
_VOLATILE = re.compile(
    rf"\b(?:random|randomblob)\s*\(|\bcurrent_(?:timestamp|date|time)\b|\b(?:{_CLOCK})\s*\(\s*\)", re.IGNORECASE
)
_NOW = re.compile(rf"\b(?:{_CLOCK})\s*\([^)]*'now'", re.IGNORECASE)


class Trial(Opener, Protocol):
    """What admission needs of a home."""

    async def replay(self, environment: Environment, spec: TaskSpec) -> tuple[object, str | None]: ...


async def admit(home: Trial, spec: TaskSpec) -> tuple[Probe, ...]:
    """Try a task; the task is fit to enter where every probe passed.

    Raises:
        SandboxError: the engine broke, which says nothing about the task.
    """
    return await until_failure(_try_task(home, spec))


async def _try_task(home: Trial, spec: TaskSpec) -> AsyncIterator[Probe]:
    yield Probe(name="has_reference", passed=bool(spec.reference), detail="" if spec.reference else NO_REFERENCE)
    yield await _is_stable(home, spec)
    outcomes = []
    for number in (1, 2):
        probe, outcome = await _reference_passes(home, spec, number)
        outcomes.append(outcome)
        yield probe
    same = outcomes[0] == outcomes[1]
    yield Probe(name="reference_repeats", passed=same, detail="" if same else f"two runs gave {outcomes!r}"[:400])
    yield await _nothing_fails(home, spec)
    database, result = await run_reference(home.engine, spec)
    await database.close()
    if spec.check.kind in ("rows", "result"):
        yield _any_answer_fails(spec, result)
    async for probe in cheats_fail(home, spec, result.tables, outcomes[0] if spec.check.kind == "rows" else "done"):
        yield probe
    if spec.check.kind == "rows":
        for probe in guesses(spec, result.rows):
            yield probe


NO_REFERENCE = "the task has no reference: its label alone cannot be run"


async def _is_stable(home: Trial, spec: TaskSpec) -> Probe:
    """Refuse chance and clock: two runs in the same second may agree by luck."""
    code = "\n".join(script.code for script in spec.reference)
    found = volatile_part(code) or (await _volatile_schema(home, spec, code) if spec.check.kind == "state" else None)
    detail = f"the reference depends on {found!r}" if found else ""
    return Probe(name="reference_is_stable", passed=found is None, detail=detail)


async def _volatile_schema(home: Trial, spec: TaskSpec, code: str) -> str | None:
    """Return a default of a table that the reference inserts into, or a trigger, that reads chance or clock."""
    try:
        database, result = await run_reference(home.engine, spec)
    except (CheckError, EnvironmentFault):
        return None  # the next probe says why it does not run
    objects = (await database.state()).objects
    await database.close()
    used = [text for name, text in sorted(objects.items()) if name.startswith("trigger ")]
    if re.search(r"\b(?:insert|replace)\b", code, re.IGNORECASE):
        used += [objects[f"table {name}"] for name in result.tables if f"table {name}" in objects]
    return next(filter(None, map(volatile_part, used)), None)


def volatile_part(sql: str) -> str | None:
    """Return what makes a statement's result depend on chance or the clock, None where nothing does."""
    found = _NOW.search(sql) or _VOLATILE.search(_STRING.sub("''", sql))
    return found.group() if found else None


async def _reference_passes(home: Trial, spec: TaskSpec, number: int) -> tuple[Probe, str]:
    """Play the reference as an agent would, and judge it as an agent's episode."""
    name = f"reference_passes_{number}"
    try:
        async with home.open(spec) as environment:
            await environment.reset()
            _, answer = await home.replay(environment, spec)
            verdict = await environment.verify()
            outcome = answer or ""
            if spec.check.kind not in ("rows", "result"):
                outcome = await environment.fingerprint()
    except (EnvironmentFault, CheckError) as error:
        return Probe(name=name, passed=False, detail=str(error)), ""
    return Probe(name=name, passed=verdict.name == "passed", detail=verdict.detail), outcome


async def _nothing_fails(home: Trial, spec: TaskSpec) -> Probe:
    """Claim success on the untouched database: a reference that changes nothing shows here."""
    async with home.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("answer", "done"))
        verdict = await environment.verify()
    detail = verdict.detail[:400] or f"a claim of success on the untouched database: {verdict.name}"
    return Probe(name="nothing_fails", passed=verdict.name == "failed", detail=detail)


def _any_answer_fails(spec: TaskSpec, result: Result) -> Probe:
    for garbage in GARBAGE:
        if judge_rows(garbage, result.rows, spec.check.ordered).passed:
            return Probe(name="any_answer_fails", passed=False, detail=f"the answer {garbage!r} passes")
    return Probe(name="any_answer_fails", passed=True)
