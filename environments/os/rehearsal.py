"""The OS world's part of the offline teacher: makes up tasks and solves them, reading nothing but prompts.

Implements `teachers.base.Rehearsal`. The families are in `environments/os/families/`, one file per topic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

import prompts
from environments.os.families.catalogue import Found, of_topic, recognise
from environments.os.families.family import Family
from environments.os.families.scenario import frame
from environments.os.families.solver import Position, faults_of, solve_known, solve_unknown
from environments.os.families.task_faults import QUESTIONS_ONLY, TASK_FAULTS, Draft, plant
from schemas.completion import ChatMessage

_SLOT = "\0"


class OsRehearsal:
    """Drafts tasks of our families, and solves them turn by turn."""

    def __init__(self, volatile: bool = True) -> None:
        """With `volatile` false, no family is drafted whose observations hold times, process ids or random names."""
        self._volatile = volatile

    @cached_property
    def _generation(self) -> tuple[str, str]:
        before, _, after = prompts.load("generate_os").render(examples=[], topic=_SLOT).partition(_SLOT)
        return before, after.split("\n", 2)[0] + "\n"

    @cached_property
    def _asking(self) -> str:
        return prompts.load("solve_os").sections(problem=_SLOT)[-1].partition(_SLOT)[0]

    @cached_property
    def _observing(self) -> str:
        return str(prompts.load("solve_os").front["observation"]).partition("{{")[0]

    def drafts(self, prompt: str) -> bool:
        """Whether the text is the OS world's generation prompt."""
        return prompt.startswith(self._generation[0])

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: one task of the topic that the prompt names, with a planted fault or none."""
        family = rng.choice(self._families(self._topic(prompt), fault))
        params = family.draw(rng)
        problem = frame(rng.choice(family.cores).write(rng, params), family.kind, rng)
        scene = family.scene(params)
        explanation = family.explanation.format(**params)
        draft = Draft(problem, explanation, scene.initialisation, scene.reference, scene.evaluation)
        return _reply(plant(draft, fault, family, scene, rng) if fault else draft)

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show."""
        return TASK_FAULTS

    def problem(self, messages: Sequence[ChatMessage]) -> str | None:
        """Return the problem's text where this is the OS world's solver conversation, else None."""
        index = self._asked_at(messages)
        return None if index is None else messages[index].content.removeprefix(self._asking).strip()

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""
        return faults_of(recognise(problem))

    def solve(self, messages: Sequence[ChatMessage], fault: str | None) -> str:
        """Write the solver's next reply, from the problem and the observations in the conversation.

        Raises:
            ValueError: this is not the OS world's solver conversation.
        """
        index = self._asked_at(messages)
        if index is None:
            raise ValueError("no OS problem in this conversation; `problem` says whether there is one")
        problem = messages[index].content.removeprefix(self._asking).strip()
        turn = sum(message.role == "assistant" for message in messages[index + 1 :])
        at = Position(problem, turn, self._observation(messages[-1].content) if turn else "")
        found = recognise(problem)
        return solve_known(at, found, fault) if found else solve_unknown(at, fault)

    def expected(self, problem: str) -> str | None:
        """Return the right answer, computed from the parameters without any command; None for changes and strangers."""
        found: Found | None = recognise(problem)
        return found.scene.answer if found else None

    def _asked_at(self, messages: Sequence[ChatMessage]) -> int | None:
        for index, message in enumerate(messages):
            if message.role == "user" and message.content.startswith(self._asking):
                return index
        return None

    def _observation(self, content: str) -> str:
        return content.removeprefix(self._observing) if content.startswith(self._observing) else ""

    def _topic(self, prompt: str) -> str:
        before, after = self._generation
        return prompt[len(before) :].partition(after)[0]

    def _families(self, topic: str, fault: str | None) -> tuple[Family, ...]:
        chosen = tuple(f for f in of_topic(topic) if self._volatile or not f.volatile)
        if fault in QUESTIONS_ONLY:
            return tuple(f for f in chosen if f.kind != "change")
        return chosen


def _reply(draft: Draft) -> str:
    scripts = (("Initialisation", draft.init), ("Reference", draft.reference), ("Evaluation", draft.evaluation))
    blocks = "\n".join(f"### {title}\n```bash\n{code}\n```" for title, code in scripts)
    return f"### Problem\n{draft.problem}\n### Explanation\n{draft.explanation}\n{blocks}"
