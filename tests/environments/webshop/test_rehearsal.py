"""The offline teacher in the shop: sound where nothing is planted, wrong in just the way that is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from environments.base import Draw, judge_episode
from environments.webshop import sample, shopper
from environments.webshop.author import WebShopAuthor
from environments.webshop.config import WebShopConfig
from environments.webshop.goal import Goal, wanted_of
from environments.webshop.rehearsal import WebShopRehearsal
from environments.webshop.world import WebShopWorld
from rehearsals.orders import for_one, numbers_in
from rehearsals.plan import SOLVER_FAULTS, TASK_FAULTS
from schemas.completion import CompletionRequest
from schemas.episode import Call, Turn
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

REHEARSAL = WebShopRehearsal()
Play = Callable[..., Any]


async def play(world: WebShopWorld, spec: TaskSpec, fault: str | None, name: str = "react") -> tuple[str, float]:
    """Let the shopper play, spoken to in a dialect; return how it ended and what it was worth."""
    dialect = world.dialects[name].knowing(world.told)
    visit, turns, replies = world.open(spec), list[Turn](), list[str]()
    step = await visit.reset()
    for index in range(world.max_turns):
        messages = dialect.render(spec, turns, step.observation)
        move = REHEARSAL.solve(messages, fault)
        if move.raw is not None:
            return "malformed", 0.0
        replies.append(REHEARSAL.say(move))
        if replies[-3:] == [replies[-1]] * 3 and len(replies) > 2:
            return "repeated", 0.0
        (action,) = world.dialects["react"].read_text(replies[-1]).actions  # type: ignore[attr-defined]
        step, seen = await visit.step(action), step.observation
        tool, text = REHEARSAL.tool_of(action.kind)
        made = {"action_kind": action.kind, "action": action.text}
        said = json.dumps({text: action.text})
        call = Call(call_id=f"c{index}", name=tool, arguments=said, observation=step.observation, **made)
        calls = (call,) if dialect.tools() else ()
        told: dict[str, Any] = {"thought": move.thought, "thought_source": "teacher", "calls": calls, **made}
        turns.append(
            Turn.model_validate({"episode_id": "e", "landing": "l", "index": index, "observation": seen, **told})
        )
        if step.terminated:
            return "finished", (await judge_episode(visit)).reward
    return "turn_limit", 0.0


GOALS = sample.goals(5)[:60]


@pytest.mark.parametrize("name", ["react", "tools"])
async def test_what_is_sound_is_worth_one(shop: WebShopWorld, make_spec: Callable[..., TaskSpec], name: str) -> None:
    for goal in GOALS[:40]:
        assert shopper.recognise(goal.instruction), goal.instruction
        assert await play(shop, make_spec(goal), None, name) == ("finished", 1.0), goal


@pytest.mark.parametrize(
    ("fault", "outcome", "is_right"),
    [
        ("wrong_value", "finished", False),
        ("other_form", "finished", True),
        ("repeats", "repeated", False),
        ("malformed", "malformed", False),
    ],
)
async def test_each_fault_shows_as_its_name_says(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec], fault: str, outcome: str, is_right: bool
) -> None:
    for goal in GOALS:
        ended, reward = await play(shop, make_spec(goal), fault)
        assert ended == outcome and (reward == 1.0) == is_right, goal


def test_faults_are_those_of_the_plan() -> None:
    known = REHEARSAL.solver_faults(GOALS[0].instruction)
    assert set(known) <= set(SOLVER_FAULTS) and set(REHEARSAL.task_faults("")) <= set(TASK_FAULTS)
    assert set(REHEARSAL.solver_faults("a wish about the moon")) < set(known)


async def test_a_wish_of_another_shop_is_attempted_from_what_is_shown(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec]
) -> None:
    product = sample.products()[0]
    goal = Goal("anything at all would do", wanted_of(product, product.attributes, (), 999.0))
    assert (await play(shop, make_spec(goal), None))[0] in ("finished", "turn_limit")


def test_another_world_s_conversation_is_not_recognised() -> None:
    for messages in (
        [Message(role="user", content="You are web shopping.")],
        [Message(role="system", content="x"), Message(role="user", content="Observation:\nWebShop")],
        [Message(role="user", content="Hello")],
    ):
        assert REHEARSAL.problem(messages) is None
    with pytest.raises(ValueError, match="no wish"):
        REHEARSAL.solve([Message(role="user", content="Hello")], None)


async def drafts(shop: WebShopWorld, fault: str | None) -> list[TaskSpec | Refusal]:
    author = WebShopAuthor(WebShopConfig(requests=30), shop.catalogues, shop.measure, 10)
    made: list[TaskSpec | Refusal] = []
    for ask in await author.asks(Draw(GenerateConfig(rounds=1), 1, 1, 0, ())):
        prompt = ask.messages[-1].content
        assert REHEARSAL.drafts(prompt)
        texts = [
            f"## Task {number}\n{REHEARSAL.draft(for_one(prompt, number), random.Random(number), fault)}"
            for number in numbers_in(prompt)
        ]
        request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=ask.messages)
        made += [part.told for part in author.read_all(receipt(request, "\n\n".join(texts)), ask, range(ask.tasks))]
    return made


async def test_a_draft_is_a_sound_wish_that_the_shopper_knows(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec]
) -> None:
    made = await drafts(shop, None)
    assert len(made) == 30
    for spec in made:
        assert isinstance(spec, TaskSpec), spec
        assert shopper.recognise(spec.instruction), spec.instruction
        assert await play(shop, spec, None) == ("finished", 1.0), spec.instruction
        assert (await play(shop, spec, "wrong_value"))[1] < 1


async def test_a_planted_task_fault_is_refused(shop: WebShopWorld) -> None:
    made = await drafts(shop, "reference_fails")
    assert [one.reason for one in made if isinstance(one, Refusal)] == ["price_too_low"] * 30
