"""One episode: the rounds of a step, then those of the next, whatever was chosen; the page never changes (Mind2Web is
recorded, so that each step begins where the annotator's did)."""

from __future__ import annotations

import asyncio
from typing import Any

from lxml import etree

from environments.base import UNCHANGED, Action, Environment, Step, no_action
from environments.mind2web.dialect import CHOOSE, Round, word_round
from environments.mind2web.page import read_page
from environments.mind2web.pruning import Shown, show
from environments.mind2web.reply import Chosen, Unreadable, read_choice, write_choice
from environments.mind2web.reward import REWARDS, Measured, RewardName, f1, parts
from environments.mind2web.state import Known, read_known
from environments.mind2web.tournament import LETTERS, NONE_OF_THEM, Line
from prompts import Prompt
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.record import canonical_json
from schemas.task_spec import TaskSpec


class PageEnvironment(Environment):
    """A recorded page, or several one after the other."""

    def __init__(self, spec: TaskSpec, prompt: Prompt, per_round: int, reward: RewardName) -> None:
        self.spec, self._prompt, self._per_round, self._reward = spec, prompt, per_round, reward
        self._known: Known | None = None
        self._page: etree._Element | None = None
        self._shown = Shown("", ())
        self._line = Line([])
        self._last: Chosen | None = None
        self._done: list[tuple[str, str]] = []
        """Of each step that is over: the element that was chosen, and `OP value`."""

    @property
    def known(self) -> Known:
        """The task, read once."""
        self._known = self._known or read_known(self.spec)
        return self._known

    async def reset(self) -> Step:
        """Show the first round.

        Raises:
            EnvironmentFault: the task cannot be read.
        """
        self._done = []
        return await self._begin()

    async def step(self, action: Action) -> Step:
        """Choose one of the round, or none; a letter that it does not have is none of them, as in AgentBench."""
        if action.kind != CHOOSE:
            raise no_action(self.spec.environment, action.kind, CHOOSE)
        if self._page is None:
            return Step("", terminated=True)
        self._choose(_read(action.text))
        if self._line.ask():
            return Step(await self._word())
        self._done.append((self._line.prediction or "", self._last.action if self._last and self._predicts else ""))
        return await self._begin()

    @property
    def _predicts(self) -> bool:
        return self._line.prediction is not None

    def _choose(self, chosen: Chosen) -> None:
        number = LETTERS.find(chosen.letter)
        if chosen.letter != NONE_OF_THEM and 0 <= number < len(self._shown.choices):
            self._line.choose(self._shown.choices[number].element)
            self._last = chosen

    async def _begin(self) -> Step:
        """Begin the next step that has something to ask; the episode is over where there is none."""
        for step in self.known.state.steps[len(self._done) :]:
            self._line, self._last = Line(list(step.order), self._per_round), None
            self._page = await asyncio.to_thread(read_page, step.page)
            if self._line.ask():
                return Step(await self._word())
            self._done.append(("", ""))
        self._page = None
        return Step("", terminated=True)

    async def _word(self) -> str:
        assert self._page is not None
        self._shown = await asyncio.to_thread(show, self._page, tuple(self._line.asked))
        step = self.known.state.steps[len(self._done)]
        return word_round(self._prompt, Round(self.spec.instruction, step.previous, self._shown))

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Choose what the reference chooses wherever it is asked about, and else none.

        Raises:
            EnvironmentFault: there is no reference.
        """
        if not self.known.gold:
            raise EnvironmentFault("the task has no reference: its label alone cannot be run", transient=False)
        turns: list[tuple[Action, Step]] = []
        while self._page is not None:
            gold = self.known.gold[len(self._done)]
            asked = [choice.element for choice in self._shown.choices]
            letter = LETTERS[asked.index(gold.element)] if gold.element in asked else NONE_OF_THEM
            action = Action(CHOOSE, write_choice(Chosen(letter, gold.op, "" if gold.op == "CLICK" else gold.value)))
            turns.append((action, await self.step(action)))
        return tuple(turns)

    async def verify(self) -> Verdict:
        """Compare each step's element and action with what is right; a step that is not over counts as wrong."""
        measured, wrong = [], []
        for number, wanted in enumerate(self.known.wanted.steps):
            element, action = self._done[number] if number < len(self._done) else ("", "")
            one = Measured(float(element in wanted.elements), f1(action, wanted.action) if element else 0.0)
            measured.append(one)
            if not one.success:
                right = "the element is right" if one.element else "the element is wrong" if element else "no element"
                wrong.append(f"step {number}: {right}, {action!r} for {wanted.action!r}")
        reward = REWARDS[self._reward](measured)
        passed = not wrong and self._page is None
        detail = "" if passed else "; ".join(wrong)[:400] or "the last round was not answered"
        return Verdict(name="passed" if passed else "failed", reward=reward, parts=parts(measured), detail=detail)

    async def fingerprint(self) -> str:
        """Say what was chosen at each step."""
        chosen: list[Any] = [list(one) for one in self._done]
        return canonical_json(chosen).decode() if any(element for element, _ in self._done) else UNCHANGED


def _read(text: str) -> Chosen:
    """Read an action's text; what is no choice is none of them, as in AgentBench."""
    try:
        return read_choice(text)[1]
    except Unreadable:
        return Chosen(NONE_OF_THEM)
