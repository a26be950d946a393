"""Admission of a made-up task: its reference passes twice in fresh sandboxes, and nothing less does.

The first probe that fails ends the trials: its name is the reason, what follows would only cost.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from environments.base import Action
from environments.os.check import Evidence, judge_any, reference_output
from environments.os.dialect import OsDialect
from environments.os.episode import OsEnvironment
from environments.probes import until_failure
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import Probe, TaskSpec

GARBAGE = ("qzxv-no-such-thing", "918273645")
"""A word and a number that no honest check takes."""
_GUESSABLE = re.compile(r"\d|yes|no|true|false", re.IGNORECASE)
_COMMAND = r"(?:^|[|;&(`{]|\b(?:do|then|else|sudo|if|while|!))\s*"
_NETWORK = re.compile(
    _COMMAND + r"(?:curl|wget|ping|ssh|scp|telnet|nc|dig|nslookup|apt|apt-get"
    r"|pip3?\s+install|npm\s+install|git\s+(?:clone|fetch|pull))\s|/dev/tcp/",
    re.MULTILINE,
)
_HERE_DOCUMENT = re.compile(r"(?<=<<)-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?^\s*\2$", re.DOTALL | re.MULTILINE)
_CHANCE = re.compile(r"RANDOM|\bshuf\b|u?random|\brand\(|\bmktemp\b|\bsort\s+-R\b")
EXTRA_RUNS = 6
_DIFFERS = "run again on the same files, the reference printed something else"  # not what: it would differ again
_CLOCK = re.compile(r"%s|%N|%T|%S|EPOCH|SECONDS|/proc/uptime|\bdate\b")


class Opener(Protocol):
    """What admission needs of a home."""

    dialect: OsDialect

    def open(self, spec: TaskSpec) -> OsEnvironment: ...

    async def replay(self, environment: OsEnvironment, spec: TaskSpec) -> tuple[object, str | None]: ...


async def admit(home: Opener, spec: TaskSpec) -> tuple[Probe, ...]:
    """Try a task; the task is fit to enter where every probe passed.

    Raises:
        SandboxError: the walls broke, which says nothing about the task.
    """
    return await until_failure(_try_task(home, spec))


async def _try_task(home: Opener, spec: TaskSpec) -> AsyncIterator[Probe]:
    yield _needs_no_network(spec)
    async with home.open(spec) as first:
        yield await _reference_passes(home, first, 1)
    if _CLOCK.search(_code(spec)):
        await asyncio.sleep(1.05 - time.time() % 1)  # what depends on the second must show it
    async with home.open(spec) as second:
        yield await _reference_passes(home, second, 2)
        yield await _reference_repeats(first, second)
        yield await _nothing_fails(second)
        yield await _any_answer_fails(second)
    printed = _printed(second)
    if _GUESSABLE.fullmatch(printed):
        yield Probe(name="guessable", passed=True, detail=f"one of few possible answers: {printed!r}")


def _needs_no_network(spec: TaskSpec) -> Probe:
    found = _NETWORK.search(_HERE_DOCUMENT.sub("", _code(spec)))  # words of a text file call nothing
    detail = f"a script calls the network: {found.group().strip()!r}" if found else ""
    return Probe(name="needs_no_network", passed=found is None, detail=detail)


async def _reference_passes(home: Opener, environment: OsEnvironment, number: int) -> Probe:
    """Play the reference as an agent would, and judge it as an agent's episode.

    The first trial is judged by what this very run printed; the second runs the reference once more, as always.
    """
    name = f"reference_passes_{number}"
    try:
        await environment.reset()
        _, answer = await home.replay(environment, environment.spec)
        problem = _unfit(home.dialect, environment, answer)
        if problem:
            return Probe(name=name, passed=False, detail=problem)
        if number == 1:
            environment.reference = _printed(environment)
        verdict = await environment.verify()
    except (EnvironmentFault, CheckError) as error:
        return Probe(name=name, passed=False, detail=str(error))
    if environment.reference not in (None, _printed(environment)):
        return Probe(name="reference_repeats", passed=False, detail=_DIFFERS)
    return Probe(name=name, passed=verdict.name == "passed", detail=verdict.detail)


def _unfit(dialect: OsDialect, environment: OsEnvironment, answer: str | None) -> str:
    last = environment.last
    if last is None or last.timed_out:
        return "the reference did not end in the time that an agent's command has"
    if last.exit_code not in (0, None):  # None: it ended the shell with `exit`
        return f"the reference ended with exit code {last.exit_code}: {last.text[-200:]!r}"
    if answer is None:
        return ""
    action = Action("answer", answer)
    if dialect.read(dialect.write(None, action)).action != action:
        return f"no action can carry the reference's output as an answer: {answer[:200]!r}"
    return ""


async def _reference_repeats(first: OsEnvironment, second: OsEnvironment) -> Probe:
    """Compare what the runs printed; one that draws numbers is run more often, since a coin can fall alike."""
    outputs = {_printed(first), _printed(second)}
    spec, evidence = second.spec, second.evidence
    if evidence is not None and spec.check.kind == "script" and _CHANCE.search(_code(spec)):
        for _ in range(EXTRA_RUNS):
            outputs.add(await reference_output(spec, evidence, second.timeouts.check))
    return Probe(name="reference_repeats", passed=len(outputs) == 1, detail=_DIFFERS if len(outputs) > 1 else "")


async def _nothing_fails(environment: OsEnvironment) -> Probe:
    assert environment.evidence is not None
    untouched = replace(environment.evidence, final=environment.evidence.initial)
    verdict = await _try_judge(environment, untouched, (None,))
    return _must_fail("nothing_fails", verdict, "finish on the untouched state")


async def _any_answer_fails(environment: OsEnvironment) -> Probe:
    """Give answers that are wrong, on the state that is right where the task asks for an answer."""
    assert environment.evidence is not None
    final = environment.evidence.final if _printed(environment) else environment.evidence.initial
    verdict = await _try_judge(environment, replace(environment.evidence, final=final), GARBAGE)
    return _must_fail("any_answer_fails", verdict, f"one of the answers {', '.join(GARBAGE)}")


async def _try_judge(environment: OsEnvironment, evidence: Evidence, answers: tuple[str | None, ...]) -> Verdict | str:
    try:
        return await judge_any(environment.spec, evidence, answers, environment.timeouts.check, environment.reference)
    except CheckError as error:
        return str(error)


def _must_fail(name: str, verdict: Verdict | str, what: str) -> Probe:
    if isinstance(verdict, str):
        return Probe(name=name, passed=False, detail=f"{what}: the check broke: {verdict}")
    return Probe(name=name, passed=verdict.name == "failed", detail=f"{what}: {verdict.detail}")


def _printed(environment: OsEnvironment) -> str:
    return environment.last.text.strip() if environment.last else ""


def _code(spec: TaskSpec) -> str:
    scripts = (*spec.setup.init, *spec.reference, *(s for s in spec.check.scripts if s is not None))
    return "\n".join(script.code for script in scripts)
