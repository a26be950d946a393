"""The household world: ALFWorld's games in text, on an engine of our own.

Limits and protocol are the paper's: 35 turns, one example of the task's kind, the nearest admissible command for one
that is not (reference/agenttuning.md 3.2).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import prompts
from environments.alfworld.author import AlfworldAuthor
from environments.alfworld.config import AlfworldConfig
from environments.alfworld.dialect import AlfworldDialect, prompt_inputs
from environments.alfworld.engine import ACT, Household
from environments.alfworld.episode import AlfworldEnvironment
from environments.alfworld.generator import make_game
from environments.alfworld.task import read_problem
from environments.alfworld.trials import cheats_fail
from environments.base import Action, Card, Dialect, Environment, Honest, Place, Step, World
from environments.dialects.tool_calls import ToolCalls
from rehearsals.base import Rehearsal
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

PROMPT, TOOLS = "solve_alfworld", "solve_alfworld_tools"
MAX_TURNS = 35
"""AgentBench and AgentTuning: alfworld max_step 35."""


class AlfworldWorld(World):
    """Opens households; nothing of it needs a place, a process or a file."""

    name, Config = "alfworld", AlfworldConfig
    typical = (11.0, 40, 30)

    def __init__(self, config: AlfworldConfig | None = None, *, max_turns: int = MAX_TURNS, seed: int = 0) -> None:
        super().__init__(config or AlfworldConfig())
        self.max_turns, self._seed = max_turns, seed
        self.dialects: Mapping[str, Dialect] = {
            "react": AlfworldDialect(prompts.load(PROMPT)),
            "tools": ToolCalls(prompts.load(TOOLS), _put_words),
        }

    @classmethod
    def at(cls, place: Place, config: AlfworldConfig) -> AlfworldWorld:
        """Return the world of a run."""
        turns = place.config.collect.max_turns.get(cls.name, MAX_TURNS)
        return cls(config, max_turns=turns, seed=place.config.seed)

    @property
    def card(self) -> Card:
        """Describe the world; what is shown is never cut, so long are its lists not."""
        return Card(self.name, self.contract, self.max_turns, PROMPT, lists_admissible=True)

    @property
    def told(self) -> Mapping[str, Any]:
        """Its limit."""
        return {"turns": self.max_turns}

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return what it knows to play in a household."""
        from environments.alfworld.rehearsal import AlfworldRehearsal

        return AlfworldRehearsal()

    @property
    def author(self) -> AlfworldAuthor:
        """Return who makes games and asks for goals."""
        return AlfworldAuthor(self.config, seed=self._seed, most_turns=self.max_turns)

    def open(self, spec: TaskSpec) -> AlfworldEnvironment:
        """Return an episode, not yet reset."""
        return AlfworldEnvironment(spec)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse a home or a goal that cannot be read."""
        problem = read_problem(spec)
        return problem if isinstance(problem, Refusal) else None

    def unfit(self, environment: Environment, turns: Sequence[tuple[Action, Step]]) -> str:
        """Refuse a reference that is longer than an episode."""
        needed = len(turns)
        return f"the reference takes {needed} turns of {self.max_turns}" if needed > self.max_turns else ""

    def claim(self, spec: TaskSpec) -> Action:
        """Return the action that does nothing: no word ends a game."""
        return Action(ACT, "look")

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try to win without the work."""
        for probe in cheats_fail(spec):
            yield probe

    async def opening(self) -> str:
        """Return how a typical game begins."""
        return Household(make_game(self._seed, 0).home).intro()


def _put_words(spec: TaskSpec) -> Mapping[str, Any]:
    return {"put": prompt_inputs(spec)["put"]}


WORLD = AlfworldWorld
