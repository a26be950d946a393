"""A scripted world: a house whose actions are listed, or that takes any text; and a journal in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import prompts
from environments.base import Action, Card, Environment, Reading, Step, World
from environments.dialects.rounds import Rounds
from environments.dialects.text import TextDialect
from environments.dialects.tool_calls import ToolCalls
from schemas.episode import Verdict
from schemas.message import Message
from schemas.task_spec import TaskSpec

ACTIONS = ("go to shelf 1", "go to desk 1", "take mug 1 from shelf 1", "put mug 1 in sink 1")


class House(Environment):
    """A house whose task is done once the mug is in the sink; every other action only looks."""

    def __init__(
        self, spec: TaskSpec, listed: tuple[str, ...], breaks: Mapping[str, Exception], script: Sequence[Action]
    ) -> None:
        self.spec = spec
        self.acted: list[Action] = []
        self.closed = False
        self._listed, self._breaks, self._script = listed, breaks, script

    async def reset(self) -> Step:
        self._break("reset")
        return Step("Put the mug in the sink.", admissible=self._listed)

    async def step(self, action: Action) -> Step:
        self._break(action.text)
        self.acted.append(action)
        done = action.kind == "answer" or action.text == ACTIONS[3]
        return Step(f"You did: {action.text}", terminated=done, admissible=self._listed)

    async def verify(self) -> Verdict:
        self._break("verify")
        if self.judge_seconds < House.judge_seconds:
            await asyncio.Event().wait()
        passed = any(action.text == ACTIONS[3] for action in self.acted)
        return Verdict(name="passed" if passed else "failed", reward=float(passed), detail="looked into the sink")

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        return tuple([(action, await self.step(action)) for action in self._script])

    async def fingerprint(self) -> str:
        self._break("fingerprint")
        return f"house after {len(self.acted)} actions"

    async def close(self) -> None:
        self.closed = True

    def _break(self, where: str) -> None:
        if where in self._breaks:
            raise self._breaks[where]


class Talk(TextDialect):
    """`THOUGHT: ...` and `ACTION: ...` on lines of their own; an action that begins with `answer` ends it anywhere."""

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        return (Message(role="user", content="Rules."), Message(role="assistant", content="Understood."))

    def observe(self, observation: str, index: int) -> str:
        return f"[{index}] {observation}"

    def read_text(self, reply: str) -> Reading:
        thought, marked, action = reply.partition("ACTION: ")
        thought = thought.removeprefix("THOUGHT: ").strip()
        if not marked:
            return Reading(thought or None, (), problem="no ACTION", candidate=reply)
        kind = "answer" if action.startswith("answer ") else "act"
        return Reading(thought or None, (Action(kind, action.removeprefix("answer ").strip()),))

    def write_text(self, thought: str | None, action: Action) -> str:
        return f"THOUGHT: {thought}\nACTION: {action.text}"


class HouseWorld(World):
    """Opens houses; keeps the last one for the test to look at. Its tools are those of the shell."""

    name = "house"

    def __init__(
        self, listed: tuple[str, ...] = ACTIONS, judge_seconds: float = House.judge_seconds, **breaks: Exception
    ) -> None:
        """`judge_seconds`: fewer than a house has let its check wait for ever."""
        talk = Talk(prompts.load("solve_os"))
        self.dialects = {
            "react": talk,
            "tools": ToolCalls(prompts.load("solve_os_tools")),
            "rounds": Rounds(talk),
        }
        self.max_turns = 6
        self.house: House | None = None
        self.script: Sequence[Action] = ()
        self._listed, self._breaks, self._judge_seconds = listed, breaks, judge_seconds

    @property
    def card(self) -> Card:
        return replace(super().card, lists_admissible=bool(self._listed))

    @property
    def world_id(self) -> str:
        return "house-world"

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        return {"image": "house-image", "sandbox": "none"}

    def open(self, spec: TaskSpec) -> House:
        self.house = House(spec, self._listed, self._breaks, self.script)
        self.house.judge_seconds = self._judge_seconds
        return self.house


class Memory:
    """A journal in memory: what an earlier run saw, and what this one adds."""

    def __init__(self, seen: Mapping[int, str] | None = None) -> None:
        self.seen = dict(seen or {})
        self.added: list[tuple[int, str, str]] = []

    def observed(self, index: int) -> str | None:
        return self.seen.get(index)

    def append(self, index: int, action: str, observation: str) -> None:
        self.added.append((index, action, observation))
