"""The stand-in in a household: right where nothing is planted, and wrong as a fault's name says."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import prompts
from environments.alfworld.author import read_goal_line
from environments.alfworld.brief import brief_of, read_brief, topic_of
from environments.alfworld.config import AlfworldConfig
from environments.alfworld.engine import Household
from environments.alfworld.episode import shown
from environments.alfworld.generator import make_game
from environments.alfworld.goal import read_goal
from environments.alfworld.home import Home
from environments.alfworld.rehearsal import SOLVER_FAULTS, AlfworldRehearsal
from environments.alfworld.sentences import forms_of, read_sentence, reasons, word
from environments.alfworld.task import make_task
from environments.alfworld.wanted import KINDS, Wanted
from environments.alfworld.world import AlfworldWorld
from environments.base import Ask, Draw
from rehearsals.orders import for_one, numbers_in
from rehearsals.plan import SOLVER_FAULTS as KNOWN
from rehearsals.plan import TASK_FAULTS
from rehearsals.replies import read_message, respond
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Turn
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.run_config import FaultsConfig, GenerateConfig
from schemas.task_spec import Provenance, TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, roll_out
from teachers.scripted import receipt
from tests.environments.conformance.test_worlds import rules_of

REHEARSAL = AlfworldRehearsal()
NO_FAULTS = FaultsConfig(solver=0, task=0, leak=0)


def spec_of(number: int, *, grammar: str = "put", free: bool = False) -> TaskSpec:
    game = make_game(21, number)
    sentence = game.sentence
    if free:
        form = forms_of(game.wanted.kind, "free")[number % 2]
        sentence = word(game.wanted, f"{form}, {reasons()[number % len(reasons())]}")
    home = game.home.model_copy(update={"grammar": grammar})
    return make_task(
        home, game.wanted.goal(), sentence, (), kind=game.wanted.kind, shortest=0, origin="own",
        provenance=Provenance(source="test"),
    )  # fmt: skip


class StandIn:
    """The offline teacher with one planted fault, or with none, as the server asks it."""

    def __init__(self, fault: str | None = None) -> None:
        self.fault = fault

    async def complete(self, request: CompletionRequest) -> Completion:
        messages = list(request.messages)
        assert REHEARSAL.problem(messages) is not None
        move = REHEARSAL.solve(messages, self.fault)
        if self.fault is None:
            tools = [{"type": "function", "function": {"name": tool.name}} for tool in request.tools]
            body = {"messages": [plain(one) for one in messages], "model": "offline-a", "seed": 1, "tools": tools}
            said = respond(body, [REHEARSAL], NO_FAULTS)
            return receipt(request, said.content).model_copy(update={"tool_calls": said.tool_calls})
        return receipt(request, REHEARSAL.say(move))

    async def close(self) -> None: ...


def plain(message: Message) -> dict[str, object]:
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    told = {"role": message.role, "content": message.content, "tool_call_id": message.tool_call_id}
    assert read_message({**told, "tool_calls": calls}).content == message.content
    return {**told, "tool_calls": calls}


async def play(spec: TaskSpec, dialect: str, fault: str | None = None) -> tuple[Episode, list[Turn]]:
    world = AlfworldWorld()
    rules = rules_of(world, world.dialects[dialect].knowing(world.told))
    return await roll_out(spec, world, StandIn(fault), rules, Attempt(1, 1, 1, "landing"), NoJournal())


@pytest.mark.parametrize("dialect", ["react", "tools"])
@pytest.mark.parametrize("number", range(6))
async def test_it_wins_every_kind_in_both_grammars_and_thinks_before_each_action(number: int, dialect: str) -> None:
    for spec in (spec_of(number), spec_of(number, grammar="move"), spec_of(number, free=True)):
        episode, turns = await play(spec, dialect)
        assert (episode.outcome, episode.verdict) == ("finished", "passed"), (spec.instruction, turns[-1])
        assert all(turn.thought for turn in turns)


ENDS = {
    "claimed_write": ("repeated", "failed"),
    "gives_up": ("repeated", "failed"),
    "malformed": ("invalid_action", "failed"),
    "other_form": ("finished", "passed"),
    "repeats": ("repeated", "failed"),
}


@pytest.mark.parametrize("fault", SOLVER_FAULTS)
@pytest.mark.parametrize("number", range(0, 6, 2))
async def test_a_planted_fault_ends_as_its_name_says(fault: str, number: int) -> None:
    episode, _ = await play(spec_of(number), "react", fault)
    assert (episode.outcome, episode.verdict) == ENDS[fault]
    assert fault in KNOWN and fault in REHEARSAL.solver_faults(f"Your task is to: {spec_of(number).instruction}")


async def test_what_it_does_not_understand_ends_honestly() -> None:
    spec = spec_of(0).model_copy(update={"instruction": "tidy up."})
    episode, _ = await play(spec, "react")
    assert (episode.outcome, episode.verdict) == ("repeated", "failed")
    assert "other_form" not in REHEARSAL.solver_faults("Your task is to: tidy up.")


async def asks(requests: int = 24) -> list[Ask]:
    author = AlfworldWorld(AlfworldConfig(requests=requests)).author
    return await author.asks(Draw(GenerateConfig(rounds=1), seed=7, build=1, index=0, machine_made=()))


def made(ask: Ask, text: str) -> list[TaskSpec | Refusal]:
    author = AlfworldWorld().author
    request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=ask.messages)
    return [part.told for part in author.read_all(receipt(request, text), ask, range(ask.tasks))]


async def test_its_drafts_are_tasks_and_planted_ones_are_not() -> None:
    kept, planted = 0, set()
    for ask in await asks():
        prompt = ask.messages[0].content
        assert REHEARSAL.drafts(prompt) and numbers_in(prompt) == list(range(1, ask.tasks + 1))
        body = {"messages": [{"role": "user", "content": prompt}], "model": "offline-a", "seed": 1}
        kept += sum(isinstance(told, TaskSpec) for told in made(ask, respond(body, [REHEARSAL], NO_FAULTS).content))
        one = for_one(prompt, 1)
        for fault in REHEARSAL.task_faults(one):
            assert fault in TASK_FAULTS
            text = REHEARSAL.draft(one, random.Random(1), fault)
            told = read_goal_line(text, topic_of(one))
            assert not isinstance(told, Refusal) and read_brief(one).problem_of(told[1])
            planted.add(fault)
    assert kept >= 20 and planted == {"nothing_passes", "reference_fails"}


def test_a_home_is_read_from_its_prompt_as_it_is() -> None:
    for number in range(12):
        home = make_game(5, number).home
        brief = brief_of(home)
        there = {one.type.removesuffix("type") for one in home.things.values() if "pickupable" in one.flags}
        assert set(brief.things) <= there
        for kind, lying in brief.things.items():
            assert len(lying) == len(home.things_of(f"{kind}type"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_is_read_as_it_was_written(kind: str) -> None:
    for manner in ("forms", "free"):
        for form in forms_of(kind, manner):  # type: ignore[arg-type]
            lamp = "desklamp" if kind == "look_at_obj" else ""
            wanted = Wanted(kind, "mug", "" if lamp else "cabinet", lamp)  # type: ignore[arg-type]
            for reason in ("", *reasons()):
                assert read_sentence(word(wanted, form + (f", {reason}" if reason else ""))) == wanted
    assert read_sentence("tidy up.") is None


EXAMPLES = [json.loads(line) for line in Path(__file__).with_name("examples.jsonl").read_text().splitlines()]
"""The games of the examples in `solve_alfworld/v1`: kind, home, goal."""


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["kind"] for example in EXAMPLES])
def test_the_examples_in_the_prompt_are_games_that_were_won(example: dict[str, Any]) -> None:
    prompt = prompts.load("solve_alfworld", "v1")
    parts = prompt.sections(problem="x", put="put", kind=example["kind"], world={})[2:-1]
    household, goal = Household(Home.model_validate(example["home"])), read_goal(example["goal"])
    assert parts[0].startswith(f"Here is one example.\n{household.intro()}\nYour task is to: ")
    commands = [part.rpartition("ACTION: ")[2] for part in parts[1::2]]
    told = [shown(household.step(one)) for one in commands[:-1]]
    assert told == parts[2::2] and not goal.is_reached(household)
    household.step(commands[-1])
    assert goal.is_reached(household)


def test_every_kind_has_an_example() -> None:
    assert [example["kind"] for example in EXAMPLES] == list(KINDS)
