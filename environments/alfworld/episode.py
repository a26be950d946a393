"""One episode in a household: commands go in, what they show comes out, and the game ends when it is won.

As AgentBench plays it: the task follows the first look, `You arrive at loc 12.` is cut off what an action shows, an
inadmissible command shows `Nothing happens.`
"""

from __future__ import annotations

import re

from environments.alfworld.engine import ACT, STATES, Household
from environments.alfworld.task import commands_in, read_problem
from environments.base import UNCHANGED, Action, Environment, Step, no_action
from schemas.episode import RewardPart, Verdict
from schemas.errors import EnvironmentFault
from schemas.record import digest
from schemas.recording import RecordedTurn
from schemas.rejection import Refusal
from schemas.task_spec import TaskSpec

_ARRIVAL = re.compile(r"You arrive at loc[ _]\d+ ?\. ")


class AlfworldEnvironment(Environment):
    """A household of its own; the home that it began with is shared."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    async def reset(self) -> Step:
        """Begin the game.

        Raises:
            EnvironmentFault: the task's home or goal cannot be read.
        """
        problem = read_problem(self.spec)
        if isinstance(problem, Refusal):
            raise EnvironmentFault(f"{problem.reason}: {problem.detail}", transient=False)
        self.household, self.goal = Household(problem.home), problem.goal
        self.steps, self.is_won = 0, False
        return Step(
            f"{self.household.intro()}\nYour task is to: {self.spec.instruction}", admissible=self._admissible()
        )

    async def step(self, action: Action) -> Step:
        """Carry out a command."""
        if action.kind != ACT:
            raise no_action(self.spec.environment, action.kind, ACT)
        if self.is_won:
            raise EnvironmentFault("the game is won, nothing follows", transient=False)
        seen = shown(self.household.step(action.text))
        self.steps += 1
        self.is_won = self.goal.is_reached(self.household)
        return Step(seen, terminated=self.is_won, admissible=() if self.is_won else self._admissible())

    def _admissible(self) -> tuple[str, ...]:
        return self.household.admissible()

    async def verify(self) -> Verdict:
        """Judge: the game is won, or not (ALFWorld has no reward between)."""
        won = RewardPart(name="won", value=float(self.is_won))
        if self.is_won:
            return Verdict(name="passed", reward=1.0, parts=(won,), detail=f"won after {self.steps} actions")
        return Verdict(name="failed", parts=(won,), detail=f"not won after {self.steps} actions")

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Do what the reference does, up to the action that wins.

        Raises:
            EnvironmentFault: the task has none.
        """
        commands = commands_in(self.spec)
        if not commands:
            raise EnvironmentFault("the task has no reference", transient=False)
        turns: list[tuple[Action, Step]] = []
        for command in commands:
            action = Action(ACT, command)
            turns.append((action, await self.step(action)))
            if self.is_won:
                break
        return tuple(turns)

    async def fingerprint(self) -> str:
        """Digest where everything is, and the player with it."""
        one = self.household
        moved = one.is_changed or one.location != one.home.start or one.opened != _opened(one)
        return digest("household", one.location, sorted(one.opened), self._matter()) if moved else UNCHANGED

    async def work(self) -> str:
        """Digest what happened to things: where they lie, what became of them."""
        return digest("things", self._matter()) if self.household.is_changed else UNCHANGED

    def _matter(self) -> list[object]:
        one = self.household
        lying = {place: sorted(things) for place, things in one.within.items() if things}
        return [one.held, lying, {state: sorted(one.flags[state]) for state in STATES}]

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return what a recorded turn does: its words are the command, whatever its recorder called that."""
        return Action(ACT, turn.action) if turn.action.strip() else None


def shown(feedback: str) -> str:
    """Return what the player is told of what the engine says: AgentBench leaves the location out."""
    return _ARRIVAL.sub("", feedback, count=1)


def _opened(one: Household) -> set[str]:
    return {name for name, receptacle in one.home.receptacles.items() if "opened" in receptacle.flags}
