"""Tasks of the household world: what is let in, what is turned away, and how an episode goes in the loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from environments.admission import admit
from environments.alfworld.author import read_goal_line
from environments.alfworld.config import AlfworldConfig
from environments.alfworld.engine import NOTHING
from environments.alfworld.home import Home, read_home
from environments.alfworld.wanted import KINDS, Wanted
from environments.alfworld.world import AlfworldWorld
from environments.base import Action, Draw, judge_episode
from environments.registry import default_worlds
from schemas.completion import Completion, CompletionRequest
from schemas.errors import EnvironmentFault
from schemas.message import Message, ToolCall
from schemas.run_config import GenerateConfig
from schemas.task_spec import Check, Setup, TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, roll_out
from teachers.scripted import receipt
from tests.environments.conformance.test_worlds import rules_of

LAMP = Wanted("look_at_obj", "key", lamp="lamp")


def changed(home: Home, thing: str, **fields: Any) -> Home:
    things = {**home.things, thing: home.things[thing].model_copy(update=fields)}
    return home.model_copy(update={"things": things})


async def reasons(spec: TaskSpec) -> list[str]:
    async with AlfworldWorld() as world:
        return [probe.name for probe in await admit(world, spec) if not probe.passed]


async def test_an_honest_task_is_let_in(task: Callable[..., TaskSpec]) -> None:
    assert await reasons(task()) == []


TURNED_AWAY: dict[str, tuple[str, Callable[[Home], dict[str, Any]]]] = {
    "won before it began": (
        "nothing_fails",
        lambda home: {"home": changed(home, "key_bar_1", within=("cabinet_bar_1",)), "commands": ("look",)},
    ),
    "won by one action": (
        "one_action_fails",
        lambda home: {
            "home": home.model_copy(update={"start": "loc_bar_2"}),
            "goal": "(exists (?o - object) (and (objecttype ?o lamptype) (istoggled ?o)))",
            "commands": ("examine desk 1", "use lamp 1"),
        },
    ),
    "won by walking": (
        "wandering_fails",
        lambda home: {
            "goal": "(exists (?r - receptacle) (and (receptacletype ?r microwavetype) (opened ?r)))",
            "commands": ("go to microwave 1", "open microwave 1"),
        },
    ),
    "washed already": (
        "left_out_fails",
        lambda home: {
            "home": changed(home, "apple_bar_1", flags=(*home.things["apple_bar_1"].flags, "isclean")),
            "wanted": Wanted("pick_clean_then_place", "apple", "desk"),
            "commands": (
                "go to fridge 1",
                "open fridge 1",
                "take apple 1 from fridge 1",
                "go to sinkbasin 1",
                "clean apple 1 with sinkbasin 1",
                "go to desk 1",
                "put apple 1 in/on desk 1",
            ),
        },
    ),
    "never won": ("reference_passes_1", lambda home: {"commands": ("go to desk 1",)}),
    "longer than an episode": (
        "reference_passes_1",
        lambda home: {"commands": (*["look"] * 35, "go to desk 1", "take key 1 from desk 1")},
    ),
    "without a reference": ("has_reference", lambda home: {"commands": ()}),
}


@pytest.mark.parametrize("kind", TURNED_AWAY)
async def test_a_task_that_is_none_is_turned_away(task: Callable[..., TaskSpec], kitchen: Home, kind: str) -> None:
    reason, change = TURNED_AWAY[kind]
    assert await reasons(task(**change(kitchen))) == [reason]


UNREADABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "another check": ("unknown_check", {"check": Check(kind="rows")}),
    "no goal": ("unreadable_goal", {"check": Check(kind="goal")}),
    "a list for a goal": ("unreadable_goal", {"check": Check(kind="goal", arguments="[1]")}),
    "a number for a goal": ("unreadable_goal", {"check": Check(kind="goal", arguments='{"goal": 7}')}),
    "a goal that is none": ("unreadable_goal", {"check": Check(kind="goal", arguments='{"goal": "(("}')}),
    "no home": ("unreadable_home", {"setup": Setup()}),
    "a home that is none": ("unreadable_home", {"setup": Setup(state='{"start": 1}')}),
    "a thing in a place that is not there": (
        "unreadable_home",
        {"setup": Setup(state=json.dumps({"start": "a", "receptacles": {}, "things": {"b": {"within": ["c"]}}}))},
    ),
    "hands that hold what is not there": (
        "unreadable_home",
        {"setup": Setup(state=json.dumps({"start": "a", "receptacles": {}, "things": {}, "holds": "b"}))},
    ),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_a_task_that_cannot_be_read_is_told_and_opens_nothing(task: Callable[..., TaskSpec], kind: str) -> None:
    reason, update = UNREADABLE[kind]
    spec = task().model_copy(update=update)
    refusal = AlfworldWorld().problem_of(spec)
    assert refusal is not None and refusal.reason == reason
    assert await reasons(spec) == [reason]
    with pytest.raises(EnvironmentFault, match=reason):
        await AlfworldWorld().open(spec).reset()


class Sayer:
    """Says given replies, one after the other."""

    def __init__(self, *replies: str | tuple[ToolCall, ...]) -> None:
        self.replies = iter(replies)

    async def complete(self, request: CompletionRequest) -> Completion:
        reply = next(self.replies)
        if isinstance(reply, str):
            return receipt(request, reply)
        return receipt(request, "").model_copy(update={"tool_calls": reply, "finish_reason": "stop"})

    async def close(self) -> None: ...


async def test_what_is_not_admissible_is_snapped_to_what_resembles_it(task: Callable[..., TaskSpec]) -> None:
    world = AlfworldWorld()
    said = (
        "THOUGHT: The desk first.\nACTION: go to the desk 1",
        "ACTION: take the key 1 from desk 1",
        "ACTION: dance",
        "ACTION: go to cabinet 1",
        "ACTION: put key 1 on cabinet 1",
    )
    rules = rules_of(world, world.dialects["react"])
    episode, turns = await roll_out(task(), world, Sayer(*said), rules, Attempt(1, 1, 1, "landing"), NoJournal())
    assert (episode.outcome, episode.verdict, episode.reward) == ("finished", "passed", 1.0)
    assert [(turn.action, turn.action_raw) for turn in turns] == [
        ("go to desk 1", "go to the desk 1"),
        ("take key 1 from desk 1", "take the key 1 from desk 1"),
        ("dance", None),
        ("go to cabinet 1", None),
        ("put key 1 in/on cabinet 1", "put key 1 on cabinet 1"),
    ]
    assert turns[3].observation == NOTHING
    assert [(part.name, part.value) for part in episode.rewards] == [("won", 1.0)]
    assert not turns[1].observation.startswith("You arrive at loc")


async def test_several_calls_in_one_turn_end_with_the_one_that_wins(task: Callable[..., TaskSpec]) -> None:
    world = AlfworldWorld()
    commands = ("go to desk 1", "take key 1 from desk 1", "go to cabinet 1", "put key 1 in/on cabinet 1", "look")
    calls = tuple(
        ToolCall(call_id=str(n), name="take_action", arguments=json.dumps({"action": one}))
        for n, one in enumerate(commands)
    )
    rules = rules_of(world, world.dialects["tools"])
    episode, (turn,) = await roll_out(task(), world, Sayer(calls), rules, Attempt(1, 1, 1, "landing"), NoJournal())
    assert episode.verdict == "passed" and [call.observation is None for call in turn.calls] == [False] * 4 + [True]


async def test_a_lamp_is_used_where_the_thing_is_held(task: Callable[..., TaskSpec]) -> None:
    world, commands = AlfworldWorld(), ("go to desk 1", "take key 1 from desk 1", "use lamp 1")
    async with world.open(task(wanted=LAMP, commands=commands)) as environment:
        await environment.reset()
        steps = await environment.follow()
        assert [step.terminated for _, step in steps] == [False, False, True]
        assert (await judge_episode(environment)).reward == 1.0
        with pytest.raises(EnvironmentFault, match="nothing follows"):
            await environment.step(Action("act", "look"))


async def test_games_of_a_build_are_won_by_their_references_and_never_twice_the_same() -> None:
    async with AlfworldWorld(AlfworldConfig(games=24), seed=3) as world:
        specs = [spec async for spec in world.author.derive(frozenset()) if isinstance(spec, TaskSpec)]
        taken = frozenset(spec.provenance.source for spec in specs)
        later = [spec async for spec in world.author.derive(taken) if isinstance(spec, TaskSpec)]
        assert len(specs) == len(later) == 2 * world.author.derivable(frozenset()) == 24
        assert len({spec.task_id for spec in (*specs, *later)}) == 48
        assert {(spec.family, spec.derivation) for spec in specs} == {
            (k, d) for k in KINDS for d in ("replay", "interact")
        }
        for spec in specs:
            assert [probe.name for probe in await admit(world, spec) if not probe.passed] == [], spec.instruction


async def test_the_planner_s_references_are_the_shorter_ones() -> None:
    lengths = []
    for expert in ("explorer", "planner"):
        author = AlfworldWorld(AlfworldConfig(games=12, expert=expert)).author  # type: ignore[arg-type]
        specs = [spec async for spec in author.derive(frozenset()) if isinstance(spec, TaskSpec)]
        lengths.append(sum(len(spec.reference[0].code.splitlines()) for spec in specs))
    assert lengths[1] < lengths[0]


def test_it_is_part_of_every_build() -> None:
    assert default_worlds().index("alfworld") == 2


def test_a_home_is_shared_by_the_episodes_of_a_task(task: Callable[..., TaskSpec]) -> None:
    spec = task()
    assert read_home(spec.setup.state or "") is read_home(spec.setup.state or "")


HOSTILE = (
    "### Problem\nput it there\n### Goal\nthing: mug, place: cabinet",
    "### Problem\nput a umbrella in the cabinet\n### Goal\nthing: umbrella, place: cabinet",
    "### Problem\nput a mug in the cabinet\n### Goal\n",
    "### Problem\nput a mug in the cabinet\n### Goal\n" + "x" * 5000,
    "### Problem\nput a mug in the cabinet\n### Goal\nthing: [mug], place: {cabinet}",
    "### Goal\nthing: mug\n### Goal\nthing: mug",
    "### Problem\n\x00\n### Goal\nthing: mug, place: cabinet",
    "### Problem\n放一个杯子\n### Goal\nthing: 杯子, place: 柜子",
    '{"problem": ["a"], "goal": {"thing": 1}}',
    "(" * 10_000,
)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
async def test_a_hostile_reply_of_an_author_is_refused(number: int) -> None:
    author = AlfworldWorld(AlfworldConfig(requests=6)).author
    for ask in await author.asks(Draw(GenerateConfig(rounds=1), seed=1, build=1, index=0, machine_made=())):
        request = CompletionRequest(
            purpose="generate_tasks", teacher="t", model="m", messages=(Message(role="user", content="?"),)
        )
        parts = author.read_all(receipt(request, HOSTILE[number]), ask, range(ask.tasks))
        assert len(parts) >= ask.tasks and not any(isinstance(part.told, TaskSpec) for part in parts)


FIRST = "Before the guests arrive, put the remote control away in one of the drawers."
WRITTEN = {
    "as it was asked for": f"## Task 1\n### Problem\n{FIRST}\n### Goal\nthing: remotecontrol, place: drawer",
    "in bold": f"## Task 1\n**Problem:** {FIRST}\n**Goal:** thing: `remotecontrol`, place: `drawer`",
    "a block": f"## Task 1\n### Problem\n{FIRST}\n### Goal\n```\nthing: remotecontrol, place: drawer\n```",
    "a list": f"## Task 1\n### Problem\n{FIRST}\n### Goal\n- thing: remote control\n- place: drawer",
    "numbers and capitals": f"## Task 1\n### Problem\n{FIRST}\n### Goal\nThing: RemoteControl 1, Place: Drawer 2",
    "the words before it": f"### Problem\nYour task is to: {FIRST}\n### Goal\nthing: remotecontrol, place: drawer",
    "JSON": f'## Task 1\n### Problem\n{FIRST}\n### Goal\n{{"thing": "remotecontrol", "place": "drawer"}}',
}


@pytest.mark.parametrize("manner", WRITTEN)
def test_a_reply_of_an_author_is_read_as_models_write_it(manner: str) -> None:
    told = read_goal_line(WRITTEN[manner], "pick_and_place")
    assert told == (FIRST, Wanted("pick_and_place", "remotecontrol", "drawer"))


@pytest.mark.parametrize(
    ("kind", "text", "named"),
    [
        ("pen", "open the drawer", False),
        ("pot", "warm a potato", False),
        ("shelf", "on one of the shelves", True),
        ("knife", "both Knives", True),
        ("remotecontrol", "the remote-control", True),
        ("watch", "two watches", True),
        ("sidetable", "the side table.", True),
        ("mug", "a cup", False),
    ],
)
def test_a_sentence_names_a_kind_or_not(kind: str, text: str, named: bool) -> None:
    told = read_goal_line(f"### Problem\n{text} {kind}s desk\n### Goal\nthing: {kind}, place: desk", "pick_and_place")
    assert not hasattr(told, "reason")
    bare = read_goal_line(f"### Problem\n{text}, desk\n### Goal\nthing: {kind}, place: desk", "pick_and_place")
    assert hasattr(bare, "reason") is not named
