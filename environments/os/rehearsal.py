"""The OS world's part of the offline teacher: makes up tasks and solves them, reading nothing but prompts.

Implements `rehearsals.base.Rehearsal`. The families are in `environments/os/families/`: a question and a change for
every topic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

import prompts
from environments.os.families.catalogue import FAMILIES, Found, of_topic, recognise
from environments.os.families.family import Family
from environments.os.families.grown import grow
from environments.os.families.solver import Position, faults_of, solve_known, solve_unknown
from environments.os.families.task_faults import QUESTIONS_ONLY, TASK_FAULTS, Draft, plant
from rehearsals.base import Move, find_tool
from rehearsals.orders import parent_in, topic_in
from schemas.message import Message

_SLOT = "\0"


class OsRehearsal:
    """Drafts tasks of our families, and solves them turn by turn."""

    def __init__(self, volatile: bool = True) -> None:
        """With `volatile` false, no family is drafted whose observations hold times or random names."""
        self._volatile = volatile

    @cached_property
    def _first(self) -> tuple[str, str]:
        """What stands around the topic in the first prompt, which names one and asks for one task."""
        before, _, after = prompts.load("generate_os", "v1").render(examples=[], topic=_SLOT).partition(_SLOT)
        return before, after.split("\n", 2)[0] + "\n"

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        """How the prompts begin that ask for tasks: up to their first slot."""
        newer = (prompts.load(name).text.partition("\n")[0] for name in ("generate_os", "grow_os"))
        return (self._first[0], *newer)

    @cached_property
    def _asking(self) -> str:
        return prompts.load("solve_os").sections(problem=_SLOT)[-1].partition(_SLOT)[0]

    @cached_property
    def _observing(self) -> str:
        return str(prompts.load("solve_os").front["observation"]).partition("{{")[0]

    @cached_property
    def _system(self) -> str:
        return prompts.load("solve_os_tools").sections(problem=_SLOT)[0]

    def drafts(self, prompt: str) -> bool:
        """Whether the text is one of the OS world's generation prompts."""
        return prompt.startswith(self._beginnings)

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: one task of the topic that the prompt names, or a harder version of the one that it
        shows, with a planted fault or none."""
        parent = recognise(parent_in(prompt) or "")
        longer = grow(parent_in(prompt) or "", parent.family, parent.scene, rng) if parent else None
        if longer is None:
            family = rng.choice(self._families(self._topic(prompt), fault))
            params = family.draw(rng)
            longer = family.problem.format(**params)
        found = recognise(longer)
        assert found is not None, longer
        family, scene = found.family, found.scene
        explanation = family.explanation.format(**found.params)
        draft = Draft(longer, explanation, scene.initialisation, scene.reference, scene.evaluation)
        return _reply(plant(draft, fault, family.kind, scene.before.root, rng) if fault else draft)

    def _topic(self, prompt: str) -> str:
        before, after = self._first
        return topic_in(prompt) or prompt[len(before) :].partition(after)[0]

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show; what is grown tells no answer."""
        is_grown = parent_in(prompt) is not None
        return tuple(fault for fault in TASK_FAULTS if not (is_grown and fault in QUESTIONS_ONLY))

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the problem's text where this is the OS world's solver conversation, else None."""
        index = self._asked_at(messages)
        return None if index is None else messages[index].content.removeprefix(self._asking).strip()

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""
        return faults_of(recognise(problem))

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the solver's next move, from the problem and the observations in the conversation.

        Raises:
            ValueError: this is not the OS world's solver conversation.
        """
        index, problem = self._asked_at(messages), self.problem(messages)
        if index is None or problem is None:
            raise ValueError("no OS problem in this conversation; `problem` says whether there is one")
        turn = sum(message.role == "assistant" for message in messages[index + 1 :])
        at = Position(problem, turn, self._observation(messages[-1]) if turn else "")
        found = recognise(problem)
        return solve_known(at, found, fault) if found else solve_unknown(at, fault)

    def say(self, move: Move) -> str:
        """Word a move as `environments/os/dialect.py` reads it."""
        if move.raw is not None:
            return move.raw
        act = {
            "bash": f"bash\n\n```bash\n{move.text}\n```",
            "answer": f"answer({move.text})",
            "finish": "finish",
        }[move.kind]
        return f"Think: {move.thought}\n\nAct: {act}" if move.thought else f"Act: {act}"

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text."""
        return find_tool("solve_os_tools", kind)

    def expected(self, problem: str) -> str | None:
        """Return the right answer, computed from the parameters without any command; None for changes and strangers."""
        found: Found | None = recognise(problem)
        return found.scene.answer if found else None

    def _asked_at(self, messages: Sequence[Message]) -> int | None:
        """Return where the task stands: after the tools' system message, or behind the words of the ReAct prompt."""
        if len(messages) > 1 and messages[0].role == "system" and messages[0].content.startswith(self._system):
            return 1
        asked = (i for i, m in enumerate(messages) if m.role == "user" and m.content.startswith(self._asking))
        return next(asked, None)

    def _observation(self, message: Message) -> str:
        if message.role == "tool":
            empty = prompts.load("solve_os_tools").front["empty_observation"]
            return "" if message.content == empty else message.content
        return message.content.removeprefix(self._observing) if message.content.startswith(self._observing) else ""

    def _families(self, topic: str, fault: str | None) -> tuple[Family, ...]:
        def fits(family: Family) -> bool:
            return (self._volatile or not family.volatile) and not (fault in QUESTIONS_ONLY and family.kind == "change")

        return tuple(filter(fits, of_topic(topic))) or tuple(filter(fits, FAMILIES))


def _reply(draft: Draft) -> str:
    scripts = (("Initialisation", draft.init), ("Reference", draft.reference), ("Evaluation", draft.evaluation))
    blocks = "\n".join(f"### {title}\n```bash\n{code}\n```" for title, code in scripts)
    return f"### Problem\n{draft.problem}\n### Explanation\n{draft.explanation}\n{blocks}"
