"""Admission: what every world's tasks are tried for before they come in; a world adds probes and cheats of its own.

The reference passes twice, in fresh environments, and does the same both times; a claim of success after nothing fails,
and so does the right answer when nobody worked for it. The first probe that fails ends the trials: its name is the
reason, what follows would only cost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from environments.base import Action, Environment, Honest, World, answer_in, own_mistakes_told
from schemas.errors import CheckError, CheckSandboxError, EnvironmentFault
from schemas.task_spec import Probe, TaskSpec

NO_REFERENCE = "the task has no reference: its label alone cannot be run"


async def admit(world: World, spec: TaskSpec) -> tuple[Probe, ...]:
    """Try a task; it is fit to enter where every probe passed.

    Raises:
        SandboxError, CheckSandboxError: the walls broke, which says nothing about the task.
        EnvironmentFault: the world cannot read it, or broke over it.
    """
    probes: list[Probe] = []
    with own_mistakes_told(world.name):
        async with aclosing(_try_task(world, spec)) as trials:
            async for probe in trials:
                probes.append(probe)
                if not probe.passed:
                    break
    return tuple(probes)


async def _try_task(world: World, spec: TaskSpec) -> AsyncGenerator[Probe, None]:
    yield _has_reference(world, spec)
    for probe in await world.static_probes(spec):
        yield probe
    async with world.open(spec) as environment:
        probe, first = await _reference_passes(world, environment, 1)
        yield probe
    async with world.open(await world.again(spec)) as environment:
        probe, second = await _reference_passes(world, environment, 2)
        if first is not None and second is not None:
            yield await world.repeats(first, second)
        yield probe
        assert second is not None  # else the probe failed, and nobody asks for more
        yield await _fails("nothing_fails", world, spec, world.claim(spec), second)
        if second.answer is not None:
            yield await _fails("unearned_answer_fails", world, spec, Action("answer", second.answer), second)
        async for probe in world.probes(spec, second):
            yield probe


def _has_reference(world: World, spec: TaskSpec) -> Probe:
    problem = world.problem_of(spec)
    if problem is not None:
        return Probe(name=problem.reason, passed=False, detail=problem.detail)
    return Probe(name="has_reference", passed=bool(spec.reference), detail="" if spec.reference else NO_REFERENCE)


async def _reference_passes(world: World, environment: Environment, number: int) -> tuple[Probe, Honest | None]:
    """Play the reference as an agent would, and judge it as an agent's episode."""
    name = f"reference_passes_{number}"
    try:
        await environment.reset()
        turns = await environment.follow()
        problem = world.unfit(environment, turns)
        if problem:
            return Probe(name=name, passed=False, detail=problem), None
        verdict = await world.judge_reference(environment, number)
        honest = await world.honest(environment, answer_in(turns))
    except CheckSandboxError:
        raise
    except (EnvironmentFault, CheckError) as error:
        return Probe(name=name, passed=False, detail=str(error)), None
    return Probe(name=name, passed=verdict.name == "passed", detail=verdict.detail), honest


async def _fails(name: str, world: World, spec: TaskSpec, action: Action, honest: Honest) -> Probe:
    try:
        verdict = await world.judge_unearned(spec, action, honest)
    except CheckSandboxError:
        raise
    except CheckError as error:
        return Probe(name=name, passed=False, detail=f"the check broke: {error}")
    said = f"{action.kind} {action.text!r}".strip() if action.text else action.kind
    detail = verdict.detail[:400] or f"{said} on the untouched state: {verdict.name}"
    return Probe(name=name, passed=verdict.name == "failed", detail=detail)
