"""The offline teacher on pages: it reads the round alone, and what is planted ends as the plan says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.base import Environment, judge_episode
from environments.mind2web.author import PageAuthor
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.rehearsal import SOLVER_FAULTS, PageRehearsal
from environments.mind2web.sample import FlowStep
from environments.mind2web.world import Mind2WebWorld
from rehearsals.plan import SOLVER_FAULTS as ALL_FAULTS
from schemas.completion import CompletionRequest
from schemas.episode import Verdict
from schemas.message import Message
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

REHEARSAL = PageRehearsal()
SpecOf = Callable[[FlowStep], TaskSpec]
ENDS = {None: 1.0, "other_form": 1.0, "wrong_value": 0.0, "gives_up": 0.0}


async def play(world: Mind2WebWorld, spec: TaskSpec, fault: str | None) -> tuple[Verdict | None, list[str]]:
    """Let it play an episode; None = a reply could not be read."""
    dialect, said = world.dialects["rounds"], list[str]()
    async with world.open(spec) as environment:
        step = await environment.reset()
        while not step.terminated:
            messages = dialect.render(spec, (), step.observation)
            said.append(REHEARSAL.say(REHEARSAL.solve(messages, fault)))
            asked = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=messages)
            reading = dialect.read(receipt(asked, said[-1]))
            if not reading.actions:
                return None, said
            step = await environment.step(reading.actions[0])
        return await judge(environment), said


async def judge(environment: Environment) -> Verdict:
    return await judge_episode(environment)


@pytest.mark.parametrize("fault", [*ENDS, "malformed"])
async def test_each_planted_fault_ends_as_the_plan_says(
    fault: str | None, world: Mind2WebWorld, steps: tuple[FlowStep, ...], spec_of: SpecOf
) -> None:
    for step in steps[:: len(steps) // 24]:
        verdict, said = await play(world, spec_of(step), fault)
        if fault == "malformed":
            assert verdict is None and len(said) == 1
        else:
            assert verdict is not None and verdict.reward == ENDS[fault], (step.source, said)


def test_its_faults_are_classes_of_the_plan() -> None:
    assert set(SOLVER_FAULTS) <= set(ALL_FAULTS) and set(ENDS) - {None} | {"malformed"} == set(SOLVER_FAULTS)


@pytest.mark.slow
async def test_it_solves_every_built_in_step(
    world: Mind2WebWorld, steps: tuple[FlowStep, ...], spec_of: SpecOf
) -> None:
    wrong = [
        s.source
        for s in steps[::3]
        if (verdict := (await play(world, spec_of(s), None))[0]) is None or not verdict.reward
    ]
    assert wrong == []


def test_it_knows_its_rounds_by_their_words(steps: tuple[FlowStep, ...], world: Mind2WebWorld) -> None:
    assert REHEARSAL.problem((Message(role="user", content="What is the capital of France?"),)) is None
    author = PageAuthor(Mind2WebConfig())
    shown = world.dialects["rounds"].render(author.derived(steps[0], "interact"), (), "no round at all")
    assert REHEARSAL.problem(shown) is None
