"""The graph world's part of the offline teacher: asks questions about what a prompt shows, and answers them in calls.

Implements `rehearsals.base.Rehearsal`. It knows the built-in graph's questions by their words; any other gets an honest
attempt from the lists that it is shown.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache

import prompts
from environments.base import Action
from environments.kg.calls import find_call, make_action, written
from environments.kg.derivation import SHAPES, Inventor
from environments.kg.program import Entity, Join, Program
from environments.kg.sample import load_graph
from environments.kg.wording import calls_of
from rehearsals.base import Move, find_tool
from rehearsals.orders import topic_in
from schemas.message import Message
from schemas.record import canonical_json

FAULTS = ("wrong_value", "other_form", "repeats", "malformed", "gives_up")
"""What can go wrong, or only look wrong (`other_form`), in a question that it knows."""
FAULTS_UNKNOWN = ("repeats", "malformed")
TASK_FAULTS = ("reference_fails",)
_SLOT = "\0"
_ENTITIES = "\nEntities: ["
_THING = re.compile(r"^\* (.+) \([\w.]+\)$", re.MULTILINE)
_SHAPES = {
    "path": ("longer path", "path"),
    "intersection": ("intersection", "path of an intersection"),
    "count": ("count",),
    "superlative": ("superlative",),
}


@cache
def _inventor() -> Inventor:
    return Inventor(*load_graph())


@lru_cache(maxsize=4096)
def _program_of(question: str) -> Program | None:
    return _inventor().wording.read(question)


@dataclass(frozen=True)
class _Position:
    question: str
    entities: tuple[str, ...]
    turn: int
    seen: str
    """The last observation."""

    def rng(self) -> random.Random:
        """Return the question's own source of choices, the same in every turn."""
        return random.Random(zlib.crc32(self.question.encode()))


class KgRehearsal:
    """Drafts questions over the built-in graph, and answers them turn by turn."""

    @cached_property
    def _asking(self) -> str:
        return prompts.load("solve_kg").sections(problem=_SLOT)[-1].partition(_SLOT)[0]

    @cached_property
    def _system(self) -> str:
        return prompts.load("solve_kg_tools").sections(problem=_SLOT)[0]

    @cached_property
    def _drafting(self) -> str:
        return prompts.load("generate_kg").text.partition("{{")[0]

    def drafts(self, prompt: str) -> bool:
        """Whether the text is the graph world's generation prompt."""
        return prompt.startswith(self._drafting)

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: one question of the topic that is asked for, about a thing that is shown."""
        ids = {name: thing for thing, name in _inventor().facts.names.items()}
        shown = [ids[name] for name in _THING.findall(prompt) if name in ids]
        shape = rng.choice(_SHAPES.get(topic_in(prompt), SHAPES))
        made = _inventor().of_shape(shape, rng, shown)
        calls = _with_foreign_relation(made.calls) if fault == "reference_fails" else made.calls
        reference = "\n".join(calls)
        explanation = f"This is {'an' if shape[0] in 'aeiou' else 'a'} {shape}, one call after the other."
        return f"### Problem\n{made.text}\n### Explanation\n{explanation}\n### Reference\n```\n{reference}\n```"

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show."""
        return TASK_FAULTS

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the question's text where this is the graph world's solver conversation, else None."""
        index = self._asked_at(messages)
        return None if index is None else self._task(messages[index]).partition(_ENTITIES)[0].strip()

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this question can show."""
        return FAULTS if _program_of(problem) is not None else FAULTS_UNKNOWN

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the solver's next move, from the question and the observations in the conversation.

        Raises:
            ValueError: this is not the graph world's solver conversation.
        """
        index = self._asked_at(messages)
        if index is None:
            raise ValueError("no question in this conversation; `problem` says whether there is one")
        question, _, listed = self._task(messages[index]).partition(_ENTITIES)
        turn = sum(message.role == "assistant" for message in messages[index + 1 :])
        names = tuple(listed.rstrip().removesuffix("]").split(", "))
        at = _Position(question.strip(), names, turn, messages[-1].content if turn else "")
        program = _program_of(at.question)
        return _known(at, program, fault) if program is not None else _unknown(at, fault)

    def say(self, move: Move) -> str:
        """Word a move as `environments/kg/dialect.py` reads it."""
        if move.raw is not None:
            return move.raw
        lead = f"Thought: {move.thought}\n" if move.thought else ""
        if move.kind == "answer":
            return f"{lead}Final Answer: {move.text}"
        return f"{lead}Action: {written(Action(move.kind, move.text))}"

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text."""
        return find_tool("solve_kg_tools", kind)

    def expected(self, problem: str) -> frozenset[str]:
        """Return the right values of a question, computed from the facts without any store.

        Raises:
            KeyError: it is none that it knows.
        """
        program = _program_of(problem)
        if program is None:
            raise KeyError(problem)
        return _inventor().answers(program)

    def _task(self, message: Message) -> str:
        return message.content.removeprefix(self._asking).strip()

    def _asked_at(self, messages: Sequence[Message]) -> int | None:
        """Return where the task stands: after the tools' system message, or behind the words of the ReAct prompt."""
        if len(messages) > 1 and messages[0].role == "system" and messages[0].content.startswith(self._system):
            return 1
        asked = (i for i, m in enumerate(messages) if m.role == "user" and m.content.startswith(self._asking))
        return next(asked, None)


def _known(at: _Position, program: Program, fault: str | None) -> Move:
    """Make the next move on a question that it knows."""
    names = _inventor().facts.names
    plan = [_call(text) for text in calls_of(program, names)]
    if fault == "repeats":
        return plan[0]
    if fault == "malformed" and at.turn >= at.rng().randrange(len(plan)):
        return replace(plan[-1], raw=f"The next thing to do is to look at {at.entities[0]} and what leads on from it.")
    if fault in ("wrong_value", "gives_up"):
        return _astray(at, program, plan, gives_up=fault == "gives_up")
    if fault == "other_form":
        plan = [*plan, plan[-1]]  # made once more: the same values under another number
    if at.turn < len(plan):
        return plan[at.turn]
    return _answer("This variable is what the question asks for, so it is the answer.", _variables(plan) - 1)


def _astray(at: _Position, program: Program, plan: Sequence[Move], *, gives_up: bool) -> Move:
    """End with a variable on the way; where there is none, go along another relation than the one asked for."""
    short = plan[:2] if _variables(plan) > 1 else [plan[0], _other_relation(program)]
    if at.turn < len(short):
        return short[at.turn]
    thought = "I do not see how to go on from here, so I give up." if gives_up else "That is all I need to answer."
    return _answer(thought, 0)


def _other_relation(program: Program) -> Move:
    assert isinstance(program, Join) and isinstance(program.of, Entity)
    inventor, thing = _inventor(), program.of.name
    right = inventor.answers(program)
    others = [name for name in sorted(inventor.facts.out[thing]) if inventor.answers(Join(name, program.of)) != right]
    if not others:  # the only one: its number is not what was asked for
        return _call("count(#0)")
    return _call(f"get_neighbors({inventor.facts.names[thing]}, {others[0]})")


def _unknown(at: _Position, fault: str | None) -> Move:
    """Try a question that it does not know: follow the relation whose words the question shares most."""
    look = replace(_call(f"get_relations({at.entities[0]})"), thought="I look at what leads on from the first entity.")
    if fault == "malformed":
        return replace(look, raw="The next thing to do is to see what leads on from the first entity.")
    listed = re.search(r"\[([^\]]+)\]", at.seen)
    if at.turn == 0 or fault == "repeats":
        return look
    if at.turn == 1 and listed:
        words = set(re.findall(r"[a-z]+", at.question.lower()))
        shared = sorted(listed[1].split(", "), key=lambda name: -len(words & set(re.findall(r"[a-z]+", name))))
        return _call(f"get_neighbors({at.entities[0]}, {shared[0]})")
    return _answer("I do not know a better way than this.", 0)


def _call(text: str) -> Move:
    call = find_call(text)
    assert call is not None, text
    action = make_action(call.name, call.arguments)
    arguments = canonical_json(action.arguments).decode() if action.arguments else ""
    return Move(_thought(call.name, call.arguments), action.kind, action.text, arguments=arguments)


def _thought(name: str, arguments: Sequence[str]) -> str:
    first = arguments[0]
    return {
        "get_relations": f"I need to know what leads on from {first}.",
        "get_neighbors": f"{arguments[-1]} leads to what the question speaks of.",
        "intersection": f"Both conditions hold for what is in {first} and in {arguments[-1]}.",
        "get_attributes": f"The question asks for the most or the least, so I look at the numbers of {first}.",
        "argmax": f"The one with the highest {arguments[-1]} is asked for.",
        "argmin": f"The one with the lowest {arguments[-1]} is asked for.",
        "count": f"The question asks how many are in {first}.",
    }[name]


def _variables(plan: Sequence[Move]) -> int:
    return sum(move.kind not in ("get_relations", "get_attributes") for move in plan)


def _answer(thought: str, number: int) -> Move:
    return Move(thought, "answer", f"#{number}")


def _with_foreign_relation(calls: Sequence[str]) -> list[str]:
    """Follow a relation that things of another kind have."""
    at = next(number for number, call in enumerate(calls) if call.startswith("get_neighbors"))
    call = find_call(calls[at])
    assert call is not None
    other = "culture.song.about" if call.arguments[1].startswith("people.") else "people.person.mentor"
    return [*calls[:at], f"get_neighbors({call.arguments[0]}, {other})", *calls[at + 1 :]]
