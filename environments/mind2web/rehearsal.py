"""The part of the offline teacher that plays on the built-in pages: writes tasks on them, and picks actions.

Implements `rehearsals.base.Rehearsal`. It reads the prompt alone; what it knows are the built-in flows and the
sentences that it writes itself.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import prompts
from environments.mind2web.dialect import PROMPT
from environments.mind2web.pruning import show
from environments.mind2web.reply import Chosen, write_choice
from environments.mind2web.sample import FlowStep, flow_steps
from environments.mind2web.state import OPERATIONS, GoldStep, Operation
from rehearsals.base import Move
from rehearsals.orders import topic_in
from schemas.message import Message

TASK_FAULTS = ("reference_fails",)
SOLVER_FAULTS = ("wrong_value", "other_form", "malformed", "gives_up")
_SLOT = "\0"
_CHOICE = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)
_CONTROL = re.compile(r"^- (\d+) \((\w+)\) ([^:\n]*)(?:: (.*))?$", re.MULTILINE)
_WORDINGS: dict[Operation, tuple[str, ...]] = {
    "CLICK": ("I am on {title}. Take me to {name}.", "On {title} I now want this: {name}."),
    "SELECT": ("For {name}, {value} is what I need on {title}.", "On {title}, have {name} set to {value}."),
    "TYPE": ("On {title}, the {name} is {value}.", "Please give {value} as the {name} for {title}."),
}
_VALUES = ("Maple", "Robin Vale", "Q-2210", "north side", "blue lantern", "Odette", "K 18", "early May")


_KINDS: dict[Operation, tuple[str, ...]] = {"CLICK": ("link", "button"), "SELECT": ("list",), "TYPE": ("field",)}
_TAGS: dict[Operation, tuple[str, ...]] = {
    "CLICK": ("<a ", "<button "),
    "SELECT": ("<select ",),
    "TYPE": ("<input ", "<textarea "),
}


class Asked(NamedTuple):
    """A round, read."""

    task: str
    previous: int
    choices: tuple[tuple[str, str], ...]


class PageRehearsal:
    """Drafts tasks on a listed page, and plays rounds."""

    def drafts(self, prompt: str) -> bool:
        """Whether the text is this world's generation prompt."""
        return prompt.startswith(_generation_head())

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: one action on a control that the prompt lists."""
        op: Operation = next((one for one in OPERATIONS if one == topic_in(prompt)), "CLICK")
        title = prompt.partition('The page is "')[2].partition('"')[0]
        listed = prompt.partition("Its controls:\n")[2].partition("\n\n")[0]
        kinds = _KINDS[op]
        there = [found for found in _CONTROL.finditer(listed) if found[2] in kinds]
        if not there:
            return f"No {op} can be made up on {title}."
        control = rng.choice(there)
        options = [one for one in (control[4] or "").split("; ") if one]
        value = rng.choice(options[1:] or options) if op == "SELECT" else rng.choice(_VALUES) if op == "TYPE" else ""
        problem = rng.choice(_WORDINGS[op]).format(title=title, name=control[3], value=value)
        number = "9999" if fault == "reference_fails" else control[1]
        lines = [f"Element: {number}", f"Action: {op}", *([f"Value: {value}"] if value else [])]
        reference = "\n".join(lines)
        return (
            f"### Problem\n{problem}\n### Explanation\nThe page has one control for this: {control[3]}.\n"
            f"### Reference\n```\n{reference}\n```"
        )

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft can show."""
        return TASK_FAULTS

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the task where the last message is a round of this world."""
        asked = _read_round(messages[-1].content)
        return asked.task if asked else None

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode can show."""
        return SOLVER_FAULTS

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Pick the next action from the choices of the round.

        Raises:
            ValueError: this is no round of this world.
        """
        asked = _read_round(messages[-1].content)
        if asked is None:
            raise ValueError("no round of a page in this conversation; `problem` says whether there is one")
        letter, gold = _right(asked)
        if fault == "malformed":
            return Move(None, "choose", raw="I would press the one that looks right, but I am not sure which it is.")
        if fault == "gives_up":
            return Move("I do not see anything here that I could use.", "choose", write_choice(Chosen("A")))
        if fault == "wrong_value" and letter is not None:
            others = [one for one, _ in asked.choices if one not in ("A", letter)]
            letter = others[0] if others else "A"
        return _move(asked, letter, gold, fault)

    def say(self, move: Move) -> str:
        """Word a move as the world's dialect reads it."""
        if move.raw is not None:
            return move.raw
        return f"Thought: {move.thought}\n{move.text}" if move.thought else move.text

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name a tool: this world has none."""
        return kind, "text"


def _move(asked: Asked, letter: str | None, gold: GoldStep | None, fault: str | None) -> Move:
    if letter is None or gold is None:
        return Move(_pick(asked, _NOTHING), "choose", write_choice(Chosen("A")))
    chosen = Chosen(letter, gold.op, "" if gold.op == "CLICK" else gold.value)
    text = write_choice(chosen)
    if fault == "other_form":
        text = text.replace("Answer:", "**Answer:**").replace("Action:", "**Action:**").replace("Value:", "**Value:**")
    return Move(_pick(asked, _SOMETHING[gold.op]), "choose", text)


_NOTHING = (
    "None of these elements brings the task further.",
    "What the task needs next is not among these choices.",
)
_SOMETHING: dict[Operation, tuple[str, ...]] = {
    "CLICK": ("This element leads to the next part of the task.", "What comes next can be reached with this one."),
    "SELECT": ("The list has the option that the task names.", "The task asks for one of the options of this list."),
    "TYPE": ("This field takes what the task gives.", "The words from the task belong into this field."),
}


def _pick(asked: Asked, words: Sequence[str]) -> str:
    return words[zlib.crc32(f"{asked.task} {asked.previous}".encode()) % len(words)]


@cache
def _generation_head() -> str:
    said: dict[str, Any] = {"site": "", "title": "", "controls": [], "examples": [], "taken": [], "orders": []}
    return prompts.load("generate_mind2web").render(**said)[:200]


@cache
def _frame() -> tuple[str, str]:
    """Return what stands before the task, and between it and what was done."""
    said: dict[str, Any] = {"task": _SLOT, "previous": (_SLOT,), "html": _SLOT, "choices": []}
    _, before, between, _ = prompts.load(PROMPT).sections(**said)[-1].split(_SLOT)
    return before, between


def _read_round(text: str) -> Asked | None:
    before, between = _frame()
    _, found, rest = text.rpartition(before)
    task, is_there, rest = rest.partition(between)
    if not found or not is_there:
        return None
    done, _, listed = rest.partition("\nA. ")
    previous = [line for line in done.split("\n")[:-1] if " -> " in line]
    return Asked(task, len(previous), tuple((one[1], one[2]) for one in _CHOICE.finditer(f"A. {listed}")))


def _right(asked: Asked) -> tuple[str | None, GoldStep | None]:
    """Return the letter of the right choice, None where it is not there, and the action."""
    step = _flows().get((asked.task, asked.previous))
    if step is not None:
        look = _bare(show(step.page.cleaned.page, [step.gold.element]).choices[0].words)
        return next((letter for letter, words in asked.choices if _bare(words) == look), None), step.gold
    return _own(asked)


def _own(asked: Asked) -> tuple[str | None, GoldStep | None]:
    """Read a task that was drafted here: its control is the choice that has the control's words."""
    for op, wordings in _WORDINGS.items():
        for wording in wordings:
            found = re.fullmatch(_pattern(wording), asked.task)
            if found is None:
                continue
            name, value = found["name"], found.groupdict().get("value", "")
            gold = GoldStep(element="", op=op, value=value)
            return _named(asked, name, op), gold
    return None, None


def _named(asked: Asked, name: str, op: Operation) -> str | None:
    wanted = [word for word in name.lower().split() if len(word) < 15][:5]
    for letter, words in asked.choices:
        said = re.sub(r"[<>/]", " ", words.lower()).split()
        if words.startswith(_TAGS[op]) and all(word in said for word in wanted):
            return letter
    return None


@cache
def _pattern(wording: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(wording))


@cache
def _flows() -> dict[tuple[str, int], FlowStep]:
    return {(step.task, len(step.previous)): step for step in flow_steps()}


def _bare(words: str) -> str:
    return re.sub(r" id=\d+", "", words)
