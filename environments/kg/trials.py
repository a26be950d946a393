"""Trials of a question that must fail: answers that need less than all of its calls.

An answer is a variable, so that nothing can be claimed in words; what can be had too cheaply is a variable on the way,
or the first that comes to hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from environments.base import Action, judge_episode
from environments.kg.derivation import LEAST
from environments.kg.episode import KgEnvironment
from environments.kg.judge import judge_values
from environments.kg.program import Count
from environments.kg.task import state_of
from schemas.task_spec import Probe, TaskSpec


class Opener(Protocol):
    """What the trials need of a world."""

    def open(self, spec: TaskSpec) -> KgEnvironment: ...


def answer_is_not_told(spec: TaskSpec, right: Sequence[str]) -> Probe:
    """Refuse a question about things that are its answer: what is asked from is no news."""
    told = sorted(set(state_of(spec).entities.values()) & set(right))
    detail = f"the answer is among the things that the question names: {', '.join(told[:3])}" if told else ""
    return Probe(name="answer_is_not_told", passed=not told, detail=detail)


async def shorter_ways_fail(followed: KgEnvironment) -> Probe:
    """Answer with each variable that the reference made before its last: one that is right needed no more work."""
    name = "shorter_ways_fail"
    assert followed.bench is not None
    right = await followed.found() or ()
    for number, variable in enumerate(followed.bench.variables[:-1]):
        if judge_values(await followed.bench.values_of(variable.program), right).name == "passed":
            return Probe(
                name=name, passed=False, detail=f"#{number} is the answer already; what follows changes nothing"
            )
    return Probe(name=name, passed=True)


async def counts_more_than_a_guess(followed: KgEnvironment) -> Probe:
    """Refuse a number so small that counting anything at hand may hit it."""
    right = await followed.found() or ()
    is_count = followed.answer is not None and isinstance(followed.answer.program, Count)
    small = is_count and right[:1] in [(str(number),) for number in range(LEAST)]
    detail = f"the answer is the number {right[0]}; a count is at least {LEAST}" if small else ""
    return Probe(name="counts_more_than_a_guess", passed=not small, detail=detail)


async def guess_of(world: Opener, spec: TaskSpec) -> str:
    """Say which first step, taken blindly, is the answer; empty = none is.

    For each thing that the question names the first relation of its list is followed, and the set counted.
    """
    for name in state_of(spec).entities:
        for counted in (False, True):
            if await _is_hit(world, spec, name, counted=counted):
                return f"the first relation of {name!r} {'counted ' if counted else ''}is the answer"
    return ""


async def _is_hit(world: Opener, spec: TaskSpec, name: str, *, counted: bool) -> bool:
    async with world.open(spec) as environment:
        await environment.reset()
        listed = (await environment.step(Action("get_relations", name))).observation
        first = re.match(r"\[([^\],]+)", listed)
        if first is None:
            return False
        await environment.step(Action.of("get_neighbors", {"variable": name, "relation": first[1]}))
        if counted:
            await environment.step(Action("count", "#0"))
        await environment.step(Action("answer", "#1" if counted else "#0"))
        return (await judge_episode(environment)).name == "passed"
