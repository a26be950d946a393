"""Questions as words and as programs: each is the other's inverse, so that whoever reads one knows what is asked.

A set is a thing's name, a relation's phrase before a set (`the captains of the ships based at Orlen Quay`), or `those
of A that are also among B`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from environments.kg.ontology import Ontology
from environments.kg.program import Both, Count, Entity, Join, Program, Superlative

_AMONG = " that are also among "
_MOST_CHARS, _MOST_SETS = 1_000, 3
_LISTS = (
    "Name {}.",
    "Which are {}?",
    "What are {}?",
    "I am looking for {}. Which are they?",
    "List {}.",
)
_COUNTS = ("How many are {}?", "Count {}.", "What is the number of {}?")
_EXTREMES = {
    "argmax": ("Which of {} has the highest {}?", "Of {}, which has the greatest {}?"),
    "argmin": ("Which of {} has the lowest {}?", "Of {}, which has the smallest {}?"),
}


@dataclass(frozen=True)
class Wording:
    """Words and reads questions over one graph."""

    ontology: Ontology
    names: Mapping[str, str]
    """Id -> name."""

    def ask(self, program: Program, rng: random.Random) -> str:
        """Word a program as a question."""
        match program:
            case Count(of):
                return rng.choice(_COUNTS).format(self.set(of))
            case Superlative(most, of, attribute):
                return rng.choice(_EXTREMES[most]).format(self.set(of), self.ontology.relations[attribute].noun)
            case _:
                return rng.choice(_LISTS).format(self.set(program))

    def set(self, program: Program) -> str:
        """Word a set of things.

        Raises:
            ValueError: it is a number or a superlative, which are only ever asked for.
        """
        match program:
            case Entity(name):
                return self.names[name]
            case Join(relation, of):
                return f"{self.ontology.relations[relation].phrase} {self.set(of)}"
            case Both(left, right):
                return f"those of {self.set(left)}{_AMONG}{self.set(right)}"
        raise ValueError(f"{program} is no set that is worded within another")

    def read(self, question: str) -> Program | None:
        """Return what a question asks for; None = it is none of these."""
        text = " ".join(question.split())
        if len(text) > _MOST_CHARS or text.count(_AMONG) > _MOST_SETS:  # each may be parted in many ways
            return None
        for form in _LISTS:
            if (found := _within(form, text)) and (read := self._set(found[0])):
                return read
        for form in _COUNTS:
            if (found := _within(form, text)) and (read := self._set(found[0])):
                return Count(read)
        for most in ("argmax", "argmin"):
            for form in _EXTREMES[most]:
                found = _within(form, text)
                attribute = self._nouns.get(found[1]) if found else None
                if found and attribute and (read := self._set(found[0])):
                    return Superlative(most, read, attribute)
        return None

    def _set(self, text: str) -> Program | None:
        if text in self._ids:
            return Entity(self._ids[text])
        if text.startswith("those of "):
            return self._both(text.removeprefix("those of "))
        for phrase, relation in self._phrases:
            if text.startswith(f"{phrase} ") and (read := self._set(text[len(phrase) + 1 :])):
                return Join(relation, read)
        return None

    def _both(self, text: str) -> Program | None:
        for cut in re.finditer(re.escape(_AMONG), text):
            left, right = self._set(text[: cut.start()]), self._set(text[cut.end() :])
            if left and right:
                return Both(left, right)
        return None

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {name: thing for thing, name in self.names.items()}

    @cached_property
    def _nouns(self) -> dict[str, str]:
        return {one.noun: one.name for one in self.ontology.relations.values() if one.noun}

    @cached_property
    def _phrases(self) -> list[tuple[str, str]]:
        worded = [(one.phrase, one.name) for one in self.ontology.relations.values() if one.phrase]
        return sorted(worded, key=lambda pair: -len(pair[0]))


def _within(form: str, text: str) -> tuple[str, ...] | None:
    pattern = re.escape(form).replace(r"\{\}", "(.+)")
    found = re.fullmatch(pattern, text)
    return found.groups() if found else None


def calls_of(program: Program, names: Mapping[str, str]) -> list[str]:
    """Return the calls that make a program, in their order, things by their names; the last one makes the answer."""
    calls: list[str] = []

    def made(call: str) -> str:
        calls.append(call)
        return f"#{sum(not one.startswith(('get_relations', 'get_attributes')) for one in calls) - 1}"

    def make(part: Program) -> str:
        match part:
            case Entity(name):
                return names[name]
            case Join(relation, of):
                source = make(of)
                calls.append(f"get_relations({source})")
                return made(f"get_neighbors({source}, {relation})")
            case Both(left, right):
                return made(f"intersection({make(left)}, {make(right)})")
            case Superlative(most, of, attribute):
                source = make(of)
                calls.append(f"get_attributes({source})")
                return made(f"{most}({source}, {attribute})")
            case Count(of):
                return made(f"count({make(of)})")

    make(program)
    return calls
