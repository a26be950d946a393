"""Trials that must fail: answers that nobody worked for, and cheats.

A cheated task is told by the first answer that passed; what cheats do stands in `cheats.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from environments.base import Action
from environments.os.answers import COMMON, GARBAGE, passing, tricks_for
from environments.os.cheats import CONTENT, SAID, TAMPERING, Cheat, cheat, is_plain_comparison, is_same_work
from environments.os.check import Evidence
from environments.os.episode import OsEnvironment
from schemas.errors import CheckError
from schemas.task_spec import Probe, TaskSpec

NOTHING_TO_CHEAT = "reads_no_file"


class Opener(Protocol):
    """What the trials need of a home."""

    def open(self, spec: TaskSpec) -> OsEnvironment: ...


@dataclass(frozen=True)
class Honest:
    """What the work leaves behind."""

    evidence: Evidence
    printed: str
    reference: str | None

    @classmethod
    def of(cls, environment: OsEnvironment) -> Honest:
        """Take it from an environment that was verified."""
        assert environment.evidence is not None
        return cls(environment.evidence, printed_by(environment), environment.reference)


async def answers_fail(home: Opener, environment: OsEnvironment, honest: Honest) -> AsyncIterator[Probe]:
    """Give answers that nobody worked for, on the untouched state and, where a question is asked, on the right one."""
    spec, printed = environment.spec, honest.printed
    tricks = tuple(trick for trick in tricks_for(spec) if trick != printed)
    wrong = (*GARBAGE, *COMMON, *tricks)
    untouched = replace(honest.evidence, final=honest.evidence.initial, shown="")
    passed = await _passing(environment, untouched, (None, *wrong))
    yield _must_fail("nothing_fails", passed, (None,), "finish on the untouched state")
    if printed and not isinstance(passed, str) and not is_plain_comparison(spec):
        again = await _passing(environment, honest.evidence, wrong)
        passed = again if isinstance(again, str) else (*passed, *again)
    yield _must_fail("any_answer_fails", passed, GARBAGE, "an answer that cannot be right")
    others = tuple(answer for answer in COMMON if not _says_the_same(answer, printed))
    yield _must_fail(
        "common_answers_fail", passed, others, "one of the ten most common answers, which is not the right one"
    )
    yield _must_fail("injected_answer_fails", passed, tricks, "text that is no answer but an attack on the check")
    yield await _unearned_fails(home, spec, printed)


async def _unearned_fails(home: Opener, spec: TaskSpec, printed: str) -> Probe:
    """Give the right answer before anything was done."""
    async with home.open(spec) as environment:
        await environment.step(Action("answer", printed or "done"))
        verdict = await environment.verify()
    return Probe(name="unearned_answer_fails", passed=verdict.name == "failed", detail=verdict.detail)


def _says_the_same(answer: str, printed: str) -> bool:
    try:
        return float(answer) == float(printed)
    except ValueError:
        return answer == printed


async def _passing(
    environment: OsEnvironment, evidence: Evidence, answers: Sequence[str | None]
) -> tuple[str | None, ...] | str:
    """Return the answers that pass, or why the check broke."""
    try:
        return await passing(environment.spec, evidence, answers, environment.timeouts.check, environment.reference)
    except CheckError as error:
        return str(error)


def _must_fail(name: str, passed: tuple[str | None, ...] | str, answers: Sequence[str | None], what: str) -> Probe:
    if isinstance(passed, str):
        return Probe(name=name, passed=False, detail=f"{what}: the check broke: {passed}")
    wrong = next((answer for answer in answers if answer in passed), "")
    if not set(answers) & set(passed):
        return Probe(name=name, passed=True)
    return Probe(name=name, passed=False, detail=what if wrong is None else f"{what}, passes: {wrong!r}")


async def cheats_fail(home: Opener, environment: OsEnvironment, honest: Honest) -> AsyncIterator[Probe]:
    """Try the cheats one upon the other, and alone what got through.

    A plain comparison reads no file and calls no program: what the agent left behind cannot matter to it, and what its
    shell could load is closed for all checks alike (tests/sandboxes/tampering.py).
    """
    spec = environment.spec
    if is_plain_comparison(spec) and spec.check.trusted_tools:
        yield Probe(name=NOTHING_TO_CHEAT, passed=True, detail="the check compares two texts and reads no file")
        return
    async with home.open(spec) as fresh:
        await fresh.reset()
        for probe in await _tampering_fails(home, fresh, honest):
            yield probe
        for one in CONTENT:
            answers = await _get_through(fresh, (one,), honest)
            yield _cheated(one, answers and await _alone(home, spec, one, honest))


async def _tampering_fails(home: Opener, environment: OsEnvironment, honest: Honest) -> list[Probe]:
    together = await _get_through(environment, TAMPERING, honest)
    alone = [await _alone(home, environment.spec, one, honest) if together else () for one in TAMPERING]
    if together and not any(alone):
        alone[0] = together
    return [_cheated(one, answers) for one, answers in zip(TAMPERING, alone, strict=True)]


async def _alone(home: Opener, spec: TaskSpec, one: Cheat, honest: Honest) -> tuple[str | None, ...]:
    async with home.open(spec) as environment:
        await environment.reset()
        return await _get_through(environment, (one,), honest)


async def _get_through(environment: OsEnvironment, cheats: Sequence[Cheat], honest: Honest) -> tuple[str | None, ...]:
    """Return the answers that pass after cheats; none where these did just what was asked for."""
    known = frozenset(answer for answer in SAID if honest.printed and _says_the_same(answer, honest.printed))
    answers, evidence = await cheat(environment, cheats, known, honest.reference)
    if not answers or honest.printed:
        return answers
    timeout = environment.timeouts.check
    return () if await is_same_work(environment.spec, evidence, honest.evidence, timeout) else answers


def _cheated(one: Cheat, answers: tuple[str | None, ...]) -> Probe:
    detail = f"{one.said}, and the answer {answers[0]!r} passes" if answers else ""
    return Probe(name=one.probe, passed=not answers, detail=detail)


def printed_by(environment: OsEnvironment) -> str:
    """Return what the last command printed, stripped."""
    return environment.last.text.strip() if environment.last else ""
