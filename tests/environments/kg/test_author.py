"""Made-up questions: what a prompt shows, and how a reply becomes a task that can be tried, or a reason."""

from __future__ import annotations

import pytest

from environments.admission import admit
from environments.base import Ask, Draw
from environments.kg.author import KgAuthor, inventor, seed_examples
from environments.kg.config import KgConfig
from environments.kg.sample import load_graph
from environments.kg.task import state_of
from environments.kg.world import KgWorld
from schemas.completion import CompletionRequest
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

PROBLEM = "Among the captains of ships that call at Vessa Reach, who was born first?"
CALLS = """get_relations(Vessa Reach)
get_neighbors(Vessa Reach, travel.port.ships_calling)
get_relations(#0)
get_neighbors(#0, travel.ship.captain)
get_attributes(#1)
argmin(#1, people.person.birth_year)"""


def asked(requests: int = 9, **fields: int) -> Draw:
    return Draw(GenerateConfig(**{"rounds": 1, **fields}), seed=3, build=1, index=0, machine_made=())


async def ask_for(topic: str) -> Ask:
    asks = await KgAuthor(KgConfig(requests=8)).asks(asked(tasks_per_request=1))
    return next(ask for ask in asks if ask.facts.orders[0].topic == topic)


async def read(
    topic: str, calls: str = CALLS, problem: str = PROBLEM, explanation: str = "One after the other."
) -> object:
    ask = await ask_for(topic)
    reply = f"### Problem\n{problem}\n### Explanation\n{explanation}\n### Reference\n```\n{calls}\n```"
    request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=ask.messages)
    return KgAuthor(KgConfig()).read(receipt(request, reply), ask)


async def test_a_prompt_shows_relations_things_an_example_and_what_is_asked_for() -> None:
    (ask, *_) = await KgAuthor(KgConfig(requests=9)).asks(asked())
    text = ask.messages[0].content
    assert ask.tasks == 3 and all(f"- Task {number} (" in text for number in (1, 2, 3))
    assert all(f"- {one.name} -> {one.range}" in text for one in load_graph()[0].relations.values())
    shown = [name for name in load_graph()[1].names.values() if f"\n* {name} (" in text]
    assert len(shown) >= 4 and "15 turns" in text and "## Example 1" in text
    assert len(text) < 12_000


async def test_all_topics_are_asked_for_in_turn() -> None:
    asks = await KgAuthor(KgConfig(requests=8)).asks(asked(tasks_per_request=4))
    assert [order.topic for order in asks[0].facts.orders] == ["path", "intersection", "count", "superlative"]


def test_the_examples_are_questions_that_hold() -> None:
    assert {example.group for example in seed_examples()} == {"path", "intersection", "count", "superlative"}
    for example in seed_examples():
        program = inventor().wording.read(example.task.problem)
        assert program is not None and inventor().answers(program)


async def test_a_reply_becomes_a_task_that_is_admitted() -> None:
    spec = await read("superlative")
    assert isinstance(spec, TaskSpec), spec
    assert state_of(spec).entities == {"Vessa Reach": "m.port_018"}
    assert (spec.origin, spec.family, spec.check.kind) == ("self_instruct", "superlative", "reference")
    assert spec.skill and spec.difficulty
    async with KgWorld() as world:
        assert [probe.name for probe in await admit(world, spec) if not probe.passed] == []


SAME = {
    "numbered": "\n".join(f"{n}. {line}" for n, line in enumerate(CALLS.splitlines(), start=1)),
    "listed": "\n".join(f"- {line}" for line in CALLS.splitlines()),
    "with what they make": CALLS.replace("ships_calling)", "ships_calling) -> #0"),
    "with notes": f"# first the ships\n{CALLS}\nFinal Answer: #2",
    "without lists": "\n".join(line for line in CALLS.splitlines() if not line.startswith(("get_rel", "get_att"))),
    "in another case": CALLS.replace("Vessa Reach", "vessa reach"),
    "in quotation marks": CALLS.replace("Vessa Reach", '"Vessa Reach"'),
    "as Python": CALLS.replace("get_neighbors(#0", "r = get_neighbors(variable=#0"),
}


@pytest.mark.parametrize("how", SAME)
async def test_calls_are_read_however_they_are_written(how: str) -> None:
    spec = await read("superlative", SAME[how])
    assert isinstance(spec, TaskSpec), spec
    async with KgWorld() as world:
        assert [probe for probe in await admit(world, spec) if not probe.passed] == []


NO_TASKS = {
    "a call of no tool": (CALLS + "\nunion(#0, #1)", PROBLEM, "not_a_call"),
    "prose": ("First ask for the ships, then for their captains.", PROBLEM, "not_a_call"),
    "a missing argument": (CALLS.replace(", people.person.birth_year", ""), PROBLEM, "not_a_call"),
    "an invented thing": (CALLS.replace("Vessa Reach", "Atlantis"), PROBLEM, "unknown_thing"),
    "an invented relation": (CALLS.replace("ship.captain", "ship.boatswain"), PROBLEM, "unknown_relation"),
    "a thing that is not named": (CALLS, "Which captain was born first?", "thing_not_named"),
    "another shape": ("\n".join(CALLS.splitlines()[:4]), PROBLEM, "wrong_shape"),
    "no start": ("count(#0)\nargmax(#0, travel.ship.crew)", PROBLEM, "unknown_thing"),
    "nothing made": ("get_relations(Vessa Reach)", PROBLEM, "no_variable"),
    "nothing asked": (CALLS, " ", "empty_section"),
    "no calls": ("", PROBLEM, "empty_section"),
    "a whole book": (CALLS, "x" * 5000, "too_long"),
}


@pytest.mark.parametrize("what", NO_TASKS)
async def test_what_is_no_task_is_refused_with_a_reason(what: str) -> None:
    calls, problem, reason = NO_TASKS[what]
    refusal = await read("superlative", calls, problem)
    assert isinstance(refusal, Refusal) and refusal.reason == reason and refusal.detail


async def test_a_count_that_anything_hits_is_turned_away_in_its_trials() -> None:
    calls = "get_relations(Vessa Reach)\nget_neighbors(Vessa Reach, travel.port.region)\ncount(#0)"
    spec = await read("count", calls, "How many regions lie around Vessa Reach?")
    assert isinstance(spec, TaskSpec)
    async with KgWorld() as world:
        *_, last = await admit(world, spec)
    assert (last.name, last.passed) == ("counts_more_than_a_guess", False) and "the number 1" in last.detail
