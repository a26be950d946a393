"""Drafted tasks and their solver in the real sandbox: sound ones are admitted and solved, planted faults show.

The solver is played by the real loop, in words and with tool calls.
"""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

import pytest

import prompts
from environments.admission import admit
from environments.base import Ask
from environments.os.author import OsDraft, make_spec, read_task
from environments.os.families.catalogue import FAMILIES, recognise
from environments.os.families.grown import grow
from environments.os.families.task_faults import QUESTIONS_ONLY, TASK_FAULTS
from environments.os.rehearsal import OsRehearsal
from environments.os.world import OsWorld
from rehearsals.replies import respond
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Solver, Turn
from schemas.message import Message
from schemas.run_config import FaultsConfig
from schemas.task_spec import TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, Rules, roll_out
from tasks.generate.growth import problem_of_growth
from teachers.endpoint.requests import request_body
from teachers.scripted import receipt

REHEARSAL = OsRehearsal()
NAMES = [family.name for family in FAMILIES]
CHANGES = {family.name for family in FAMILIES if family.kind == "change"}
VOLATILE = {family.name for family in FAMILIES if family.volatile}
ENDS = {None: "passed", "other_form": "passed", "repeats": "repeated", "malformed": "invalid_action"}
"""How an episode with a fault ends; all others are judged and fail."""


@cache
def specs(fault: str | None = None, each: int = 3) -> dict[str, list[TaskSpec]]:
    """Draft until every family has `each` tasks."""
    wanted = set(NAMES) - (CHANGES if fault in QUESTIONS_ONLY else set())
    drafted: dict[str, list[TaskSpec]] = {name: [] for name in wanted}
    prompt = prompts.load("generate_os", "v1")
    seed = 0
    while min(map(len, drafted.values())) < each:
        seed += 1
        asked = prompt.render(examples=[], topic="anything")
        task = read_task(REHEARSAL.draft(asked, random.Random(seed), fault))
        assert isinstance(task, OsDraft), task
        found = recognise(task.problem)
        assert found is not None
        ask = Ask((), prompt, f"seed {seed}", (), found.family.topic)
        drafted[found.family.name].append(make_spec(task, ask))
    return drafted


class Puppet(OsRehearsal):
    """The offline teacher with one fault or none, asked as the endpoint is."""

    def __init__(self, fault: str | None) -> None:
        super().__init__()
        self.fault = fault

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        return (self.fault,) if self.fault else ()

    async def complete(self, request: CompletionRequest) -> Completion:
        said = respond(request_body(request, "http://127.0.0.1"), [self], FaultsConfig(solver=1))
        return receipt(request, said.content).model_copy(update={"tool_calls": said.tool_calls})

    async def close(self) -> None: ...


class Played(NamedTuple):
    """An episode as it went."""

    episode: Episode
    turns: list[Turn]

    @property
    def end(self) -> str:
        """Say passed or failed where it was judged, else its outcome."""
        return self.episode.verdict if self.episode.outcome == "finished" else self.episode.outcome

    @property
    def observations(self) -> list[str]:
        return [turn.observation for turn in self.turns]

    @property
    def commands(self) -> int:
        return sum(turn.action_kind == "bash" for turn in self.turns)


async def play(world: OsWorld, spec: TaskSpec, fault: str | None, dialect: str = "react") -> Played:
    spoken = world.dialects[dialect]

    def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
        asked = {"messages": messages, "tools": spoken.tools(), "attempt": attempt}
        return CompletionRequest(purpose="collect_episodes", teacher="offline", model="offline-a", **asked)

    solver = Solver(kind="teacher", model="offline-a", solver_id="s", dialect=dialect)
    rules = Rules(solver, ask, spoken, world.max_turns, 100_000)
    return Played(*await roll_out(spec, world, Puppet(fault), rules, Attempt(1, 1, 1, "landing"), NoJournal()))


async def assert_sound(world: OsWorld, spec: TaskSpec, dialect: str) -> None:
    probes = await admit(world, spec)
    assert all(probe.passed for probe in probes), probes
    played = await play(world, spec, None, dialect)
    assert played.end == "passed", played
    assert 2 <= played.commands <= 4
    assert not any("[truncated" in observation for observation in played.observations)


@pytest.mark.parametrize("name", NAMES)
async def test_a_draft_is_admitted_and_solved(world: OsWorld, name: str) -> None:
    await assert_sound(world, specs()[name][0], "tools")


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
async def test_more_drafts_are_admitted_and_solved(world: OsWorld, name: str) -> None:
    for spec in specs()[name][1:]:
        await assert_sound(world, spec, "react")


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
async def test_observations_differ_from_run_to_run_in_volatile_families_only(world: OsWorld, name: str) -> None:
    spec = specs()[name][0]
    first, second = await play(world, spec, None), await play(world, spec, None)
    assert (first.observations != second.observations) == (name in VOLATILE)
    assert first.end == second.end == "passed"


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["react", "tools"])
@pytest.mark.parametrize("name", NAMES)
async def test_solver_faults_end_as_they_should(world: OsWorld, name: str, dialect: str) -> None:
    for number, spec in enumerate(specs()[name]):
        faults = REHEARSAL.solver_faults(spec.instruction)
        # Repeating, malformed replies and giving up do not depend on the draft: one of them is enough.
        for fault in faults if number == 0 else set(faults) - {"repeats", "malformed", "gives_up"}:
            played = await play(world, spec, fault, dialect)
            assert played.end == ENDS.get(fault, "failed"), (fault, played)
            assert (played.commands == 0) == (fault == "no_action") or fault in ("gives_up", "malformed")


@pytest.mark.slow
@pytest.mark.parametrize("fault", TASK_FAULTS)
async def test_no_draft_with_a_task_fault_is_admitted(world: OsWorld, fault: str) -> None:
    for name, drafted in specs(fault, each=1).items():
        probes = await admit(world, drafted[0])
        assert not all(probe.passed for probe in probes), name


def grown(name: str) -> TaskSpec:
    """Grow a family's first task, as the teacher words it."""
    parent = recognise(specs()[name][0].instruction)
    assert parent is not None
    problem = grow(specs()[name][0].instruction, parent.family, parent.scene, random.Random(name))
    found = recognise(problem or "")
    assert found is not None and problem is not None
    scene = found.scene
    draft = OsDraft(problem, "", scene.initialisation, scene.reference, scene.evaluation)
    return make_spec(draft, Ask((), prompts.load("grow_os"), "grown", (), found.family.topic))


GROWN = sorted(set(NAMES) - {"extract_member", "background_job"})


@pytest.mark.parametrize(
    "name", [n if n in ("count_extension", "rename_prefix") else pytest.param(n, marks=pytest.mark.slow) for n in GROWN]
)
async def test_a_grown_task_is_admitted_is_harder_and_each_fault_fails(world: OsWorld, name: str) -> None:
    spec, parent = grown(name), specs()[name][0]
    probes = await admit(world, spec)
    assert all(probe.passed for probe in probes), probes
    named = spec.model_copy(update={"parent": parent.task_id})
    assert problem_of_growth(named, {parent.task_id: parent}) is None
    assert (await play(world, spec, None)).end == "passed"
    for fault in set(REHEARSAL.solver_faults(spec.instruction)) - {"repeats", "malformed", "gives_up"}:
        played = await play(world, spec, fault)
        assert played.end == "failed", (fault, played)


async def test_an_unasked_change_beside_the_right_one_fails_the_check(world: OsWorld) -> None:
    for name in sorted(CHANGES)[::4]:
        spec = specs()[name][0]
        played = await play(world, spec, "extra_write")
        assert played.end == "failed", (name, played)
        assert "the check ended with exit code 1" in played.episode.verdict_detail
