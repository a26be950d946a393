"""Trials that must fail: answers that nobody worked for, and cheats.

A cheated task is told by the first answer that passed; what cheats do stands in `cheats.py`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from environments.base import UNCHANGED
from environments.os.answers import COMMON, GARBAGE, passing, tricks_for
from environments.os.cheats import (
    ALTERED,
    CONTENT,
    SAID,
    TAMPERING,
    Cheat,
    cheat,
    is_plain_comparison,
    is_same_work,
    sums,
)
from environments.os.check import Evidence, takes_answer
from environments.os.earned import finding
from environments.os.episode import OsEnvironment
from environments.os.near_misses import changes_of, near_misses, values_of, wrong_answers
from environments.os.scripts import as_bash, reference_of
from schemas.errors import CheckError, CheckSandboxError
from schemas.task_spec import Probe, TaskSpec

_ADVICE = "; let the check compare all that the task asks for, not that something is there"
ASKED_OTHERWISE = "asked_otherwise"
LOOKS_AT_PROCESSES = re.compile(
    r"/proc\b|\b(?:ps|pgrep|pidof|pstree|top|jobs|lsof|fuser|uptime|free|vmstat)\b|\$\$|BASHPID|PPID"
)
NOTHING_TO_CHEAT = "reads_no_file"


class Opener(Protocol):
    """What the trials need of a world."""

    def open(self, spec: TaskSpec) -> OsEnvironment: ...


@dataclass(frozen=True)
class Work:
    """What the work leaves behind."""

    evidence: Evidence
    printed: str
    reference: str | None

    @classmethod
    def of(cls, environment: OsEnvironment) -> Work:
        """Take it from an environment that was verified."""
        assert environment.evidence is not None
        return cls(environment.evidence, printed_by(environment), environment.reference)


async def asked_otherwise(environment: OsEnvironment) -> Probe | None:
    """Run a reference that looks at processes once more in the agent's shell, from within a pipe; None = it does not.

    What counts the processes that ask gives another number to whoever asks in other words.
    """
    spec, printed = environment.spec, printed_by(environment)
    code = as_bash(reference_of(spec))
    if not printed or not LOOKS_AT_PROCESSES.search(code) or await environment.fingerprint() != UNCHANGED:
        return None
    result = await environment.session.exec(f"(\n{code}\n) | cat", timeout=environment.timeouts.command)
    said = result.text.strip()
    detail = f"within a pipe the reference prints {said[:100]!r}, not {printed[:100]!r}: it counts who asks"
    return Probe(name=ASKED_OTHERWISE, passed=said == printed, detail="" if said == printed else detail)


def told_apart(environment: OsEnvironment) -> Probe | None:
    """Tag a task of whose right answer the rule of earned answers cannot tell whether it was earned."""
    printed = printed_by(environment)
    if not printed or not takes_answer(environment.spec):
        return None
    found = finding(environment.spec, environment.seen, printed)
    detail = "whether a step showed the right answer cannot be told from its words"
    return Probe(name="earning_untold", passed=True, detail=detail) if found == "cannot_tell" else None


async def answers_fail(environment: OsEnvironment) -> AsyncIterator[Probe]:
    """Give answers that nobody worked for, on the untouched state and, where a question is asked, on the right one."""
    spec, honest = environment.spec, Work.of(environment)
    printed, tricks = honest.printed, _tricks(environment)
    passed = await passing_untouched(environment)
    if printed and not isinstance(passed, str) and not is_plain_comparison(spec):
        again = await _passing(environment, honest.evidence, (*GARBAGE, *COMMON, *tricks))
        passed = again if isinstance(again, str) else (*passed, *again)
    yield _must_fail("any_answer_fails", passed, GARBAGE, "an answer that cannot be right")
    others = tuple(answer for answer in COMMON if not _says_the_same(answer, printed))
    yield _must_fail(
        "common_answers_fail", passed, others, "one of the ten most common answers, which is not the right one"
    )
    yield _must_fail("injected_answer_fails", passed, tricks, "text that is no answer but an attack on the check")


async def passing_untouched(environment: OsEnvironment) -> tuple[str | None, ...] | str:
    """Return what passes where nothing was done, of finishing (None) and the wrong answers, or why the check broke.

    They are tried together, once: a process of the check for each would be much of what admission costs.
    """
    if environment.passing_untouched is None:
        honest = Work.of(environment).evidence
        untouched = replace(honest, final=honest.initial, shown="")
        answers = (None, *GARBAGE, *COMMON, *_tricks(environment))
        environment.passing_untouched = await _passing(environment, untouched, answers)
    return environment.passing_untouched


def _tricks(environment: OsEnvironment) -> tuple[str, ...]:
    printed = printed_by(environment)
    return tuple(trick for trick in tricks_for(environment.spec) if trick != printed)


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
    except CheckSandboxError:
        raise
    except CheckError as error:
        return str(error)


def _must_fail(name: str, passed: tuple[str | None, ...] | str, answers: Sequence[str | None], what: str) -> Probe:
    if isinstance(passed, str):
        return Probe(name=name, passed=False, detail=f"{what}: the check broke: {passed}")
    wrong = next((answer for answer in answers if answer in passed), "")
    if not set(answers) & set(passed):
        return Probe(name=name, passed=True)
    return Probe(name=name, passed=False, detail=what if wrong is None else f"{what}, passes: {wrong!r}")


async def near_misses_fail(world: Opener, environment: OsEnvironment) -> AsyncIterator[Probe]:
    """Give answers that are nearly right, spoil the right state in one way after the other, and what it is made of."""
    spec, honest, timeout = environment.spec, Work.of(environment), environment.timeouts.check
    if is_plain_comparison(spec):
        return
    if honest.printed and takes_answer(spec):
        answers = wrong_answers(honest.printed, values_of(spec), spec.check.lines)
        passed = await _passing(environment, honest.evidence, answers)
        yield _must_fail("near_answers_fail", passed, answers, "an answer that is nearly right")
    changes = await changes_of(spec, honest.evidence)
    try:
        missed = await near_misses(spec, honest.evidence, changes, timeout, environment.reference)
        told = f"the right state passes also when spoiled: {missed}{_ADVICE}" if missed else ""
    except CheckSandboxError:
        raise
    except CheckError as error:
        missed, told = "", f"not tried: {error}"
    yield Probe(name="near_misses_fail", passed=not missed, detail=told)
    made = [change.path for change in changes if change.change == "added" and change.kind == "file"]
    if made:
        yield _cheated(ALTERED, await _made_of_others(world, spec, made, honest))


async def _made_of_others(world: Opener, spec: TaskSpec, made: Sequence[str], honest: Work) -> tuple[str | None, ...]:
    """Return the answers that pass where other sources gave other files; none where these came out alike."""
    async with world.open(spec) as environment:
        await environment.reset()
        answers, evidence = await cheat(environment, (ALTERED,), frozenset(), honest.reference)
        if not answers:
            return ()
        timeout = environment.timeouts.check
        alike = await sums(spec, evidence, made, timeout) == await sums(spec, honest.evidence, made, timeout)
        return () if alike else answers


async def cheats_fail(world: Opener, environment: OsEnvironment) -> AsyncIterator[Probe]:
    """Try the cheats one upon the other, and alone what got through.

    A plain comparison reads no file and calls no program: what the agent left behind cannot matter to it, and what its
    shell could load is closed for all checks alike (tests/sandboxes/tampering.py).
    """
    spec, honest = environment.spec, Work.of(environment)
    if is_plain_comparison(spec) and spec.check.trusted_tools:
        yield Probe(name=NOTHING_TO_CHEAT, passed=True, detail="the check compares two texts and reads no file")
        return
    async with world.open(spec) as fresh:
        await fresh.reset()
        for probe in await _tampering_fails(world, fresh, honest):
            yield probe
        for one in CONTENT:
            answers = await _get_through(fresh, (one,), honest)
            yield _cheated(one, answers and await _alone(world, spec, one, honest))


async def _tampering_fails(world: Opener, environment: OsEnvironment, honest: Work) -> list[Probe]:
    together = await _get_through(environment, TAMPERING, honest)
    alone = [await _alone(world, environment.spec, one, honest) if together else () for one in TAMPERING]
    if together and not any(alone):
        alone[0] = together
    return [_cheated(one, answers) for one, answers in zip(TAMPERING, alone, strict=True)]


async def _alone(world: Opener, spec: TaskSpec, one: Cheat, honest: Work) -> tuple[str | None, ...]:
    async with world.open(spec) as environment:
        await environment.reset()
        return await _get_through(environment, (one,), honest)


async def _get_through(environment: OsEnvironment, cheats: Sequence[Cheat], honest: Work) -> tuple[str | None, ...]:
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
