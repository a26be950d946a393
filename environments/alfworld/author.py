"""The author of household tasks: games made by seed, and goals that a model makes up in homes of ours.

What a model writes is a sentence and a goal line; the game, its reference and its proof are the engine's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import prompts
from environments.alfworld.brief import PROMPT, Brief, brief_of, describe_home
from environments.alfworld.config import AlfworldConfig
from environments.alfworld.generator import make_game, make_home
from environments.alfworld.home import Home
from environments.alfworld.planner import shortest_plan
from environments.alfworld.play import explore
from environments.alfworld.sentences import forms_of
from environments.alfworld.task import make_task, wanted_in
from environments.alfworld.wanted import KINDS, LAMPS, Kind, Wanted
from environments.base import Ask, Author, Draw, Part
from environments.deals import Order, read_skills
from environments.self_instruct import Example, draw_examples, request_key
from environments.several import in_requests, read_parts, taken_problems
from environments.task_text import Sections
from schemas.completion import Completion
from schemas.message import Message
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import Provenance, TaskSpec

SKILLS = read_skills(Path(__file__).with_name("skills.toml"))
MAX_PROBLEM_CHARS = 600
_SECTIONS = Sections(("problem", "goal"), code=(), may_be_blank=(), most_chars=MAX_PROBLEM_CHARS)
_GOAL = re.compile(
    r"\b(thing|object|place|receptacle|lamp)\b[`*_\"]*\s*[:=]\s*[`*_\"<]*([a-z][a-z _-]*)", re.IGNORECASE
)
_TOLD = re.compile(r"\A\W*your task is to\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True)
class GoalDraft:
    """A goal as an author words it."""

    kind: str
    problem: str
    goal: str


class Facts(NamedTuple):
    """What was asked for, and where."""

    home: Home
    orders: tuple[Order, ...]


class AlfworldAuthor(Author):
    """Makes games, and asks for goals in homes, the kinds of task in turn as far as a room is good for them."""

    def __init__(self, config: AlfworldConfig, *, seed: int, most_turns: int) -> None:
        super().__init__(config.requests)
        self._config, self._seed, self._most_turns = config, seed, most_turns

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests, each in a home of its own."""
        positions = self.positions(draw.generate, draw.index)
        return [self._ask(draw, some) for some in in_requests(positions, draw.generate)]

    def _ask(self, draw: Draw, positions: range) -> Ask:
        key, first = request_key(draw, "alfworld", positions[0]), (draw.build - 1) * self.requests + positions[0]
        room, home = make_home(draw.seed, first)
        orders = tuple(self._deal(draw, room, position) for position in positions)
        own = [_example_of(spec) for spec in draw.seeds if spec.environment == "alfworld"]
        shown = draw_examples(draw, key, own or _SEEDS, _example_of, orders[0].topic)
        examples = [example.task for example in shown]
        prompt = prompts.load(PROMPT)
        text = prompt.render(
            turns=self._most_turns,
            examples=[{"kind": one.kind, "problem": one.problem, "goal": one.goal} for one in examples],
            taken=taken_problems(draw, orders),
            orders=[order._asdict() for order in orders],
            **describe_home(home),
        )
        names = tuple(example.name for example in shown)
        return Ask((Message(role="user", content=text),), prompt, key, names, Facts(home, orders), len(orders))

    def _deal(self, draw: Draw, room: Sequence[Kind], position: int) -> Order:
        number = (draw.build - 1) * self.requests + position
        return SKILLS.deal(room[number % len(room)], draw.seed, number // len(room))

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first task that was asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the tasks that `numbers` name: each is tried in its home before it is one."""
        facts: Facts = ask.facts
        brief = brief_of(facts.home)

        def read(text: str, number: int) -> TaskSpec | Refusal:
            order = facts.orders[number]
            wanted = read_goal_line(text, _kind_of(order))
            if isinstance(wanted, Refusal):
                return wanted
            return self._task(facts.home, brief, *wanted, ask, order)

        return read_parts(completion.reply, _SECTIONS, ask.tasks, numbers, read)

    def _task(
        self, home: Home, brief: Brief, problem: str, wanted: Wanted, ask: Ask, order: Order
    ) -> TaskSpec | Refusal:
        if said := brief.problem_of(wanted):
            return Refusal("not_possible", said)
        plan = shortest_plan(home, wanted)
        commands = explore(home, wanted, self._most_turns)
        if not plan or not commands:
            return Refusal("not_possible", f"nobody who has to look around does this within {self._most_turns} actions")
        made = order.on_task | {"shortest": len(plan)}
        made.pop("difficulty")  # it is measured
        return make_task(
            home,
            wanted.goal(),
            problem,
            commands,
            kind=wanted.kind,
            origin="self_instruct",
            parents=ask.parents,
            provenance=Provenance(source=ask.key),
            **made,
        )

    def derivable(self, taken: frozenset[str]) -> int:
        """Count the pairs of games that this build makes: one is solved, of the other the reference is played."""
        return self._config.games // 2

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield this build's games, to be solved and to be played by its expert in turn."""
        made, number = 0, 0
        while made < self._config.games // 2 * 2:
            source = f"game {number} of seed {self._seed}"
            number += 1
            if source in taken:
                continue
            made += 1
            game = make_game(self._seed, number - 1, most_turns=self._most_turns)
            commands = game.walkthrough if self._config.expert == "explorer" else game.plan
            yield make_task(
                game.home,
                game.wanted.goal(),
                game.sentence,
                commands,
                kind=game.wanted.kind,
                shortest=len(game.plan),
                origin="derived",
                derivation="replay" if (number + number // len(KINDS)) % 2 else "interact",
                provenance=Provenance(source=source),
            )


def read_goal_line(text: str, kind: Kind) -> tuple[str, Wanted] | Refusal:
    """Read a task's sentence and its goal; the sentence names what the goal names.

    Reasons beside those of `Sections`: no_goal, goal_not_told.
    """
    sections = _SECTIONS.read(text)
    if isinstance(sections, Refusal):
        return sections
    problem = " ".join(_TOLD.sub("", sections["problem"].code).split())
    said = {name.lower(): _kind_in(value) for name, value in _GOAL.findall(sections["goal"].code)}
    thing, place = said.get("thing", said.get("object", "")), said.get("place", said.get("receptacle", ""))
    lamp = said.get("lamp", place if place in LAMPS else "") if kind == "look_at_obj" else ""
    target = lamp if kind == "look_at_obj" else place
    if not thing or not target:
        wanted = "thing and lamp" if kind == "look_at_obj" else "thing and place"
        return Refusal(
            "no_goal", f"the goal names {wanted} as `thing: mug, place: cabinet`, not {sections['goal'].code[:80]!r}"
        )
    for word in (thing, target):
        if not _is_named(word, problem):
            return Refusal("goal_not_told", f"the problem does not name the {word} that the goal is about")
    problem = problem if problem.endswith((".", "!", "?")) else f"{problem}."
    return problem, Wanted(kind, thing, "" if lamp else place, lamp)


def _kind_in(text: str) -> str:
    """Return words as a kind is written: lower case letters alone."""
    return re.sub(r"[^a-z]", "", text.lower())


def _is_named(kind: str, text: str) -> bool:
    """Whether a text names a kind, as one word or several, in the singular or the plural."""
    plural = f"|{_spaced(re.sub('fe?$', 'ves', kind))}" if kind.endswith(("f", "fe")) else ""
    return re.search(rf"\b(?:{_spaced(kind)}(?:e?s)?{plural})\b", text, re.IGNORECASE) is not None


def _spaced(kind: str) -> str:
    return r"[\s-]?".join(kind)


def _kind_of(order: Order) -> Kind:
    return next(kind for kind in KINDS if kind == order.topic)


def _example_of(spec: TaskSpec) -> Example[GoalDraft]:
    """Return an admitted task as an example for the next requests."""
    wanted = wanted_in(spec)
    goal = _goal_line(wanted) if wanted else ""
    return Example(spec.task_id, GoalDraft(spec.family or "", spec.instruction, goal), spec.family or "")


def _goal_line(wanted: Wanted) -> str:
    return f"thing: {wanted.thing}, " + (f"lamp: {wanted.lamp}" if wanted.lamp else f"place: {wanted.place}")


def _seed(wanted: Wanted) -> Example[GoalDraft]:
    problem = forms_of(wanted.kind, "free")[0].format(thing=wanted.thing, place=wanted.place, lamp=wanted.lamp)
    return Example(f"seed {wanted.kind}", GoalDraft(wanted.kind, f"{problem}.", _goal_line(wanted)), wanted.kind)


_SEEDS = tuple(
    _seed(wanted)
    for wanted in (
        Wanted("pick_and_place", "keychain", "safe"),
        Wanted("pick_clean_then_place", "fork", "drawer"),
        Wanted("pick_heat_then_place", "mug", "sidetable"),
        Wanted("pick_cool_then_place", "apple", "diningtable"),
        Wanted("look_at_obj", "watch", lamp="desklamp"),
        Wanted("pick_two_obj", "saltshaker", "shelf"),
    )
)
"""One task of each kind, for the first requests."""
