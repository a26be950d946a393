"""Admission of a task: its reference passes twice in fresh sandboxes, nothing less does, and no cheat.

The first probe that fails ends the trials: its name is the reason, what follows would only cost.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Protocol

from environments.base import Action
from environments.os.answers import is_guess
from environments.os.check import reference_output
from environments.os.dialect import OsDialect
from environments.os.episode import OsEnvironment
from environments.os.scripts import as_bash
from environments.os.trials import Honest, Opener, answers_fail, cheats_fail, printed_by
from environments.probes import until_failure
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import GUESSABLE, Probe, Script, TaskSpec

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
_CALENDAR = re.compile(
    _COMMAND + r"date\b(?![^\n;|)]*(?:-[a-zI]*[drf]|--(?:date|reference|file)))|printf\s[^\n]*%\([^)]*\)T"
    r"|\b(?:localtime|strftime|now|today|cal)\b\s*\(?",
    re.MULTILINE,
)
"""Where the calendar is read, not a file's date or a given one."""


class Replayer(Opener, Protocol):
    """What admission needs of a home."""

    dialect: OsDialect

    async def replay(self, environment: OsEnvironment, spec: TaskSpec) -> tuple[object, str | None]: ...


async def admit(home: Replayer, spec: TaskSpec) -> tuple[Probe, ...]:
    """Try a task; the task is fit to enter where every probe passed.

    Raises:
        SandboxError: the walls broke, which says nothing about the task.
    """
    return await until_failure(_try_task(home, spec))


async def _try_task(home: Replayer, spec: TaskSpec) -> AsyncIterator[Probe]:
    yield _needs_no_network(spec)
    async with home.open(spec) as first:
        yield await _reference_passes(home, first, 1)
    code = _code(spec)
    if _CLOCK.search(code):
        await asyncio.sleep(1.05 - time.time() % 1)  # what depends on the second must show it
    async with home.open(_under_another_clock(spec) if _CALENDAR.search(code) else _under_another_seed(spec)) as second:
        yield await _reference_passes(home, second, 2)
        yield await _reference_repeats(first, second)
        honest = Honest.of(second)
        async for probe in answers_fail(home, second, honest):
            yield probe
        async for probe in cheats_fail(home, second, honest):
            yield probe
    if is_guess(honest.printed):
        yield Probe(name=GUESSABLE, passed=True, detail=f"one of few possible answers: {honest.printed!r}")


def _under_another_seed(spec: TaskSpec, *exports: str) -> TaskSpec:
    """Give the second run's shells other seeds and process ids: what draws on them must show it."""
    own = as_bash(spec.setup.start) if spec.setup.start else ":"
    seeds = ("RANDOM=20231", "export PYTHONHASHSEED=4711", *exports, ": $(:) $(:) $(:)")
    start = Script(code="\n".join((*seeds, own)))
    return spec.model_copy(update={"setup": spec.setup.model_copy(update={"start": start})})


def _under_another_clock(spec: TaskSpec) -> TaskSpec:
    """Move the second run's wall clock by 22:37 hours into another day, by a time zone of its own."""
    ahead = time.gmtime().tm_hour >= 12
    return _under_another_seed(spec, f"export TZ=TRY{'-' if ahead else ''}22:37")


def _needs_no_network(spec: TaskSpec) -> Probe:
    found = _NETWORK.search(_HERE_DOCUMENT.sub("", _code(spec)))  # words of a text file call nothing
    detail = f"a script calls the network: {found.group().strip()!r}" if found else ""
    return Probe(name="needs_no_network", passed=found is None, detail=detail)


async def _reference_passes(home: Replayer, environment: OsEnvironment, number: int) -> Probe:
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
            environment.reference = printed_by(environment)
        verdict = await environment.verify()
    except (EnvironmentFault, CheckError) as error:
        return Probe(name=name, passed=False, detail=str(error))
    if environment.reference not in (None, printed_by(environment)):
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
    outputs = {printed_by(first), printed_by(second)}
    spec, evidence = second.spec, second.evidence
    if evidence is not None and spec.check.kind == "script" and _CHANCE.search(_code(spec)):
        for _ in range(EXTRA_RUNS):
            outputs.add(await reference_output(spec, evidence, second.timeouts.check))
    return Probe(name="reference_repeats", passed=len(outputs) == 1, detail=_DIFFERS if len(outputs) > 1 else "")


def _code(spec: TaskSpec) -> str:
    scripts = (*spec.setup.init, *spec.reference, *(s for s in spec.check.scripts if s is not None))
    return "\n".join(script.code for script in scripts)
