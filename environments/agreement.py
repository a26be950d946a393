"""Second opinions: which attempts at a task ended alike, and not as its reference does. Found by execution.

The reference is run once more, in a fresh environment: what it changes says whether states or answers are compared, and
an attempt that ended as it does has failed for another reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from environments.base import UNCHANGED, Environment, World, answer_in, own_mistakes_told
from environments.endings import Ending, says_something
from schemas.task_spec import TaskSpec


class Agreement(NamedTuple):
    """What came of comparing attempts."""

    groups: tuple[tuple[int, ...], ...]
    """Positions of the attempts that ended alike, against the reference: each in one group at most."""
    reference: Ending


async def find_agreements(world: World, spec: TaskSpec, endings: Sequence[Ending]) -> Agreement:
    """Group the attempts that ended alike, with something, and not as the reference does.

    Raises:
        EnvironmentFault, SandboxError, CheckError: the reference does not run here, or the world broke.
    """
    with own_mistakes_told(world.name):
        untouched, reference = await _run_reference(world, spec)
        is_change = reference.state not in (None, UNCHANGED, untouched)
        against = _counting(reference, reference, is_change)
        groups: list[list[int]] = []
        for position, whole in enumerate(endings):
            ending = _counting(whole, reference, is_change)
            if not _has_substance(ending, untouched, is_change):
                continue
            if await world.same_outcome(spec, ending, against):
                continue
            for group in groups:
                if await world.same_outcome(spec, ending, _counting(endings[group[0]], reference, is_change)):
                    group.append(position)
                    break
            else:
                groups.append([position])
    return Agreement(tuple(map(tuple, groups)), reference)


async def _run_reference(world: World, spec: TaskSpec) -> tuple[str | None, Ending]:
    """Return the digest of the untouched state, and what the reference ends with."""
    async with world.open(spec) as environment:
        await environment.reset()
        untouched = await _state_of(environment)
        turns = await environment.follow()
        return untouched, Ending(answer_in(turns), await _state_of(environment))


async def _state_of(environment: Environment) -> str | None:
    return await environment.work() or await environment.fingerprint()


def _counting(ending: Ending, reference: Ending, is_change: bool) -> Ending:
    """Leave out what does not count: the state of a question, and the closing words of a change that asks for none."""
    if not is_change:
        return Ending(ending.answer)
    return Ending(ending.answer if reference.answer is not None else None, ending.state)


def _has_substance(ending: Ending, untouched: str | None, is_change: bool) -> bool:
    if is_change:
        return ending.state not in (None, UNCHANGED, untouched)
    return says_something(ending.answer)
