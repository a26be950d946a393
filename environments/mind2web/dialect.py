"""The rounds dialect: each request is three worked rounds and the round at hand, and nothing of the rounds before."""

from __future__ import annotations

from typing import Any, NamedTuple

from environments.base import Action, Reading
from environments.dialects.prompted import in_turn
from environments.dialects.text import TextDialect
from environments.mind2web.pruning import Shown
from environments.mind2web.reply import Unreadable, read_choice, write_choice
from environments.mind2web.tournament import LETTERS
from prompts import Prompt
from schemas.message import Message
from schemas.task_spec import TaskSpec

PROMPT = "solve_mind2web"
PREVIOUS = 5
"""Actions that a round tells of what was done before (AgentBench: previous_k)."""
CHOOSE = "choose"
"""The one kind of action."""


class Round(NamedTuple):
    """What a solver is asked."""

    task: str
    previous: tuple[str, ...]
    shown: Shown


def word_round(prompt: Prompt, asked: Round) -> str:
    """Word a round as the prompt's last part."""
    lines = [(LETTERS[number], choice.words) for number, choice in enumerate(asked.shown.choices)]
    said: dict[str, Any] = {
        "task": asked.task,
        "previous": asked.previous[-PREVIOUS:],
        "html": asked.shown.html,
        "choices": lines,
    }
    return prompt.sections(**said)[-1]


class ChoiceText(TextDialect):
    """A choice as text: a thought, a letter, an operation and its value."""

    name = "rounds"

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt)
        self.contract = prompt.front.get("contract", 1)
        *before, _ = prompt.sections(task="", previous=(), html="", choices=[])
        self._context = in_turn(before)

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the worked rounds."""
        return self._context

    def observe(self, observation: str, index: int) -> str:
        """Show a round as the world words it."""
        return observation

    def read_text(self, reply: str) -> Reading:
        """Read a reply as one choice."""
        try:
            thought, chosen = read_choice(reply)
        except Unreadable as error:
            return Reading(None, (), str(error), reply.strip())
        return Reading(thought, (Action(CHOOSE, write_choice(chosen)),))

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a choice; its text is canonical already."""
        return f"Thought: {thought}\n{action.text}" if thought else action.text


def now(task: str, observation: str) -> str:
    """Show a round alone: it says its task itself."""
    return observation
