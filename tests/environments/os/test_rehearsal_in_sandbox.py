"""Drafted tasks and their solver in the real sandbox: sound ones are admitted and solved, planted faults show."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import pytest

import prompts
from environments.os.families.catalogue import FAMILIES, recognise
from environments.os.families.task_faults import QUESTIONS_ONLY, TASK_FAULTS
from environments.os.generation import DraftTask, make_spec, read_task
from environments.os.rehearsal import OsRehearsal
from environments.os.world import OsHome
from schemas.completion import ChatMessage
from schemas.task_spec import Provenance, TaskSpec

REHEARSAL = OsRehearsal()
NAMES = [family.name for family in FAMILIES]
CHANGES = {family.name for family in FAMILIES if family.kind == "change"}
VOLATILE = {family.name for family in FAMILIES if family.volatile}
ENDS = {None: "passed", "other_form": "passed", "repeats": "repeated", "malformed": "malformed"}
"""How an episode with a fault ends; all others are judged and fail."""


@cache
def specs(fault: str | None = None, each: int = 3) -> dict[str, list[TaskSpec]]:
    """Draft until every family has `each` tasks."""
    wanted = set(NAMES) - (CHANGES if fault in QUESTIONS_ONLY else set())
    drafted: dict[str, list[TaskSpec]] = {name: [] for name in wanted}
    prompt = prompts.load("generate_os").render(examples=[], topic="anything")
    seed = 0
    while min(map(len, drafted.values())) < each:
        seed += 1
        task = read_task(REHEARSAL.draft(prompt, random.Random(seed), fault))
        assert isinstance(task, DraftTask), task
        found = recognise(task.problem)
        assert found is not None
        made = Provenance(source=f"seed {seed}")
        drafted[found.family.name].append(make_spec(task, topic=found.family.topic, parents=(), provenance=made))
    return drafted


@dataclass(frozen=True)
class Played:
    """An episode as it went."""

    end: str
    """passed, failed, repeated, malformed."""
    detail: str
    observations: tuple[str, ...]
    commands: int


async def play(home: OsHome, spec: TaskSpec, fault: str | None) -> Played:
    replies: list[str] = []
    observations: list[str] = []
    async with home.open(spec) as environment:
        await environment.reset()
        messages = [*home.dialect.context(spec)]
        messages.append(ChatMessage(role="user", content=home.dialect.observe(spec.instruction, 0)))
        for _ in range(home.world.max_turns):
            replies.append(REHEARSAL.solve(messages, fault))
            reading = home.dialect.read(replies[-1])
            if reading.action is None:
                return Played("malformed", reading.problem, tuple(observations), environment.commands)
            if len(replies) >= 3 and len(set(replies[-3:])) == 1:
                return Played("repeated", "", tuple(observations), environment.commands)
            step = await environment.step(reading.action)
            if step.terminated:
                verdict = await environment.verify()
                return Played(verdict.name, verdict.detail, tuple(observations), environment.commands)
            observations.append(step.observation)
            messages.append(ChatMessage(role="assistant", content=replies[-1]))
            messages.append(ChatMessage(role="user", content=home.dialect.observe(step.observation, len(replies))))
    raise AssertionError(f"no end after {home.world.max_turns} turns: {replies}")


async def assert_sound(home: OsHome, spec: TaskSpec) -> None:
    probes = await home.admit(spec)
    assert all(probe.passed for probe in probes), probes
    played = await play(home, spec, None)
    assert played.end == "passed", played
    assert 2 <= played.commands <= 4
    assert not any("[truncated" in observation for observation in played.observations)


@pytest.mark.parametrize("name", NAMES)
async def test_a_draft_is_admitted_and_solved(home: OsHome, name: str) -> None:
    await assert_sound(home, specs()[name][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_more_drafts_are_admitted_and_solved(home: OsHome, name: str) -> None:
    for spec in specs()[name][1:]:
        await assert_sound(home, spec)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_observations_differ_from_run_to_run_in_volatile_families_only(home: OsHome, name: str) -> None:
    spec = specs()[name][0]
    first, second = await play(home, spec, None), await play(home, spec, None)
    assert (first.observations != second.observations) == (name in VOLATILE)
    assert first.end == second.end == "passed"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_solver_faults_end_as_they_should(home: OsHome, name: str) -> None:
    for number, spec in enumerate(specs()[name]):
        faults = REHEARSAL.solver_faults(spec.instruction)
        # Repeating, malformed replies and giving up do not depend on the draft: one of them is enough.
        for fault in faults if number == 0 else set(faults) - {"repeats", "malformed", "gives_up"}:
            played = await play(home, spec, fault)
            assert played.end == ENDS.get(fault, "failed"), (fault, played)
            assert (played.commands == 0) == (fault == "no_action") or fault in ("gives_up", "malformed")


@pytest.mark.slow
@pytest.mark.parametrize("fault", TASK_FAULTS)
async def test_no_draft_with_a_task_fault_is_admitted(home: OsHome, fault: str) -> None:
    for name, drafted in specs(fault, each=1).items():
        probes = await home.admit(drafted[0])
        assert not all(probe.passed for probe in probes), name


async def test_an_unasked_change_beside_the_right_one_fails_the_check(home: OsHome) -> None:
    for name in sorted(CHANGES)[::4]:
        spec = specs()[name][0]
        played = await play(home, spec, "extra_write")
        assert played.end == "failed" and "the check ended with exit code 1" in played.detail, (name, played)
