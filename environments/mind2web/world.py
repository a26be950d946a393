"""Mind2Web: the next action on recorded pages, chosen among candidates in rounds without memory (Deng et al. 2023, as
AgentBench asks it and AgentTuning collected it)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Self

import prompts
from environments.base import Action, Author, Card, Dialect, Honest, Place, World
from environments.dialects.rounds import Rounds
from environments.mind2web.author import PageAuthor
from environments.mind2web.cheats import cheats_fail, choice_stands_out, options_are_there
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.dialect import CHOOSE, PROMPT, ChoiceText, now
from environments.mind2web.episode import PageEnvironment
from environments.mind2web.reply import Chosen, write_choice
from environments.mind2web.reward import THRESHOLD
from environments.mind2web.state import problem_of
from environments.mind2web.tournament import NONE_OF_THEM
from rehearsals.base import Rehearsal
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

MAX_TURNS = 30
"""Rounds of an episode: three a step of ten candidates, ten steps."""


class Mind2WebWorld(World):
    """Opens recorded pages; nothing runs, nothing is downloaded."""

    name = "mind2web"
    Config = Mind2WebConfig
    threshold = THRESHOLD
    typical = (2.0, 60, 700)  # a step of ten candidates: two rounds, three where both had something

    def __init__(self, config: Mind2WebConfig | None = None, *, max_turns: int = MAX_TURNS, seed: int = 0) -> None:
        super().__init__(config or Mind2WebConfig())
        self.max_turns, self._seed = max_turns, seed
        self._prompt = prompts.load(PROMPT)
        self.dialects: Mapping[str, Dialect] = {"rounds": Rounds(ChoiceText(self._prompt), now)}

    @classmethod
    def at(cls, place: Place, config: Mind2WebConfig) -> Self:
        """Return the world of a run."""
        turns = place.config.collect.max_turns.get(cls.name, MAX_TURNS)
        return cls(config, max_turns=turns, seed=place.config.seed)

    @property
    def card(self) -> Card:
        """Describe the world."""
        extra = {"per_round": self.config.per_round, "reward": self.config.reward, "prompt": self._prompt.version}
        return Card(self.name, self.contract, self.max_turns, PROMPT, extra=extra)

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return what it knows to play on the built-in pages."""
        from environments.mind2web.rehearsal import PageRehearsal

        return PageRehearsal()

    @property
    def author(self) -> Author:
        """Return who makes up tasks on the built-in pages, and derives steps of their flows."""
        return PageAuthor(self.config, self._seed)

    def open(self, spec: TaskSpec) -> PageEnvironment:
        """Return an episode, not yet reset."""
        return PageEnvironment(spec, self._prompt, self.config.per_round, self.config.reward)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse a task whose pages, candidates or steps do not hold together."""
        return problem_of(spec)

    def claim(self, spec: TaskSpec) -> Action:
        """Say that none of the first candidates is right."""
        return Action(CHOOSE, write_choice(Chosen(NONE_OF_THEM)))

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Refuse a task that no page can tell: an option that is not there, a choice that looks like another."""
        return [options_are_there(spec), choice_stands_out(spec)]

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Cheat: say the same in every round, whatever the page."""
        async for probe in cheats_fail(self, spec, self.config.per_round):
            yield probe


WORLD = Mind2WebWorld
