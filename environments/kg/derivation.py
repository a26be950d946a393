"""Questions made up from the facts of a graph, by number: what they ask, their calls, and what is right.

A question is fit where its answer needs all of its calls: nothing that is found on the way is the answer already, the
words do not hold it, and it is neither empty nor long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from environments.kg.facts import Facts, Value
from environments.kg.ontology import Ontology
from environments.kg.program import Both, Count, Entity, Join, Program, Superlative, entities_in
from environments.kg.wording import Wording, calls_of

SHAPES = ("path", "longer path", "intersection", "path of an intersection", "count", "superlative")
"""What is asked, in the order in which shapes are dealt."""
DIFFICULTIES = {
    "path": 1,
    "longer path": 2,
    "intersection": 2,
    "path of an intersection": 3,
    "count": 2,
    "superlative": 3,
}
MOST_VALUES = 30
LEAST = 3
"""Of a count, and of the things that a superlative chooses from: fewer are soon guessed."""
_TRIES = 400


class MadeQuestion(NamedTuple):
    """A question with all that a task needs."""

    text: str
    shape: str
    program: Program
    entities: Mapping[str, str]
    """Ids of the things that it names, by name."""
    calls: tuple[str, ...]
    answers: frozenset[str]


class Inventor:
    """Makes questions up from one graph."""

    def __init__(self, ontology: Ontology, facts: Facts) -> None:
        self.ontology, self.facts = ontology, facts
        self.wording = Wording(ontology, facts.names)
        self._things = sorted(facts.out)

    def question(self, seed: int, number: int) -> MadeQuestion:
        """Return question `number` of a seed; its shape follows from the number."""
        shape = SHAPES[number % len(SHAPES)]
        return self.of_shape(shape, random.Random(f"{seed} question {number}"))

    def of_shape(self, shape: str, rng: random.Random, among: Sequence[str] = ()) -> MadeQuestion:
        """Make a question of a shape up, about one of the things `among` where there is a fit one.

        Raises:
            ValueError: the graph holds none.
        """
        for attempt in range(_TRIES):
            things = among if among and attempt < _TRIES // 2 else self._things
            program = self._draw(shape, rng, things)
            if program is not None and self._is_fit(program):
                return self._worded(program, shape, rng)
        raise ValueError(f"no question of the shape {shape!r} in {_TRIES} tries: the graph has too few facts for it")

    def _worded(self, program: Program, shape: str, rng: random.Random) -> MadeQuestion:
        names = self.facts.names
        entities = {names[thing]: thing for thing in entities_in(program)}
        text, calls = self.wording.ask(program, rng), tuple(calls_of(program, names))
        return MadeQuestion(text, shape, program, entities, calls, self.answers(program))

    def _draw(self, shape: str, rng: random.Random, things: Sequence[str]) -> Program | None:
        match shape:
            case "path":
                return self._step(Entity(rng.choice(things)), rng)
            case "longer path":
                first = self._step(Entity(rng.choice(things)), rng, leads_on=True)
                return self._step(first, rng) if first else None
            case "intersection":
                return self._both(rng, things)
            case "path of an intersection":
                both = self._both(rng, things)
                return self._step(both, rng) if both else None
            case "count":
                inner = rng.choice(SHAPES[:3])
                of = self._draw(inner, rng, things)
                return Count(of) if of else None
            case _:
                return self._extreme(rng, things)

    def _step(self, of: Program, rng: random.Random, *, leads_on: bool = False) -> Join | None:
        """Go one relation on, from what all of the things have in common that are there."""
        found = [one for one in (self._targets_of(of)) if one in self.facts.out]
        relations = sorted({name for one in found for name in self.facts.out[one]})
        fit = [name for name in relations if not leads_on or name not in self.ontology.attributes]
        return Join(rng.choice(fit), of) if fit else None

    def _targets_of(self, program: Program) -> list[str]:
        if isinstance(program, Entity):
            return [program.name]
        return sorted(one for one in self._values(program) if isinstance(one, str))

    def _both(self, rng: random.Random, things: Sequence[str]) -> Both | None:
        """Look from one thing back along two of its relations: it is in both sets."""
        start = self._step(Entity(rng.choice(things)), rng, leads_on=True)
        targets = self._targets_of(start) if start else []
        if not start or not targets:
            return None
        other = self._back_from(rng.choice(targets), rng, apart=start.of)
        return Both(start, other) if other else None

    def _back_from(self, thing: str, rng: random.Random, apart: Program) -> Join | None:
        relations = self.ontology.relations
        ways = [
            (relations[name].inverse, target)
            for name, targets in sorted(self.facts.out.get(thing, {}).items())
            for target in targets
            if isinstance(target, str) and relations[name].inverse and Entity(target) != apart
        ]
        if not ways:
            return None
        inverse, target = rng.choice(ways)
        return Join(inverse, Entity(target))

    def _extreme(self, rng: random.Random, things: Sequence[str]) -> Superlative | None:
        of = self._draw(rng.choice(SHAPES[:3]), rng, things)
        found = self._targets_of(of) if of else []
        attributes = sorted({name for one in found for name in self.facts.out.get(one, ())} & self.ontology.attributes)
        if of is None or len(found) < LEAST or not attributes:
            return None
        return Superlative(rng.choice(("argmax", "argmin")), of, rng.choice(attributes))

    def _is_fit(self, program: Program) -> bool:
        answers = self.answers(program)
        if not 0 < len(answers) <= MOST_VALUES or (isinstance(program, Count) and int(min(answers)) < LEAST):
            return False
        if any(self.answers(part) == answers for part in parts_of(program)):
            return False
        words = self.wording.ask(program, random.Random(0))
        return not any(self.facts.names.get(one, "\0") in words for one in answers)

    def answers(self, program: Program) -> frozenset[str]:
        """Return a program's values as the store words them."""
        if isinstance(program, Count):
            return frozenset((str(len(self._counted(program.of))),))
        return frozenset(one.text if isinstance(one, Value) else one for one in self._counted(program))

    def _counted(self, program: Program) -> set[str | Value]:
        """Leave out what the question starts from."""
        return self._values(program) - set(entities_in(program))

    def _values(self, program: Program) -> set[str | Value]:
        match program:
            case Entity(name):
                return {name}
            case Join(relation, of):
                sources = [one for one in self._values(of) if isinstance(one, str)]
                return {t for one in sources for t in self.facts.out.get(one, {}).get(relation, ())}
            case Both(left, right):
                return self._values(left) & self._values(right)
            case Superlative(most, of, attribute):
                return self._best(most == "argmax", of, attribute)
            case Count():
                raise ValueError("a number is no set of things")

    def _best(self, is_most: bool, of: Program, attribute: str) -> set[str | Value]:
        def number(one: str | Value) -> float | None:
            held = self.facts.out.get(one, {}).get(attribute) if isinstance(one, str) else None
            return float(held[0].text) if held and isinstance(held[0], Value) else None

        measured = {one: found for one in self._counted(of) if (found := number(one)) is not None}
        best = (max if is_most else min)(measured.values(), default=None)
        return {one for one, found in measured.items() if found == best}


def parts_of(program: Program) -> Iterator[Program]:
    """Yield the variables that are made on the way to a program's."""
    match program:
        case Join(_, of) | Superlative(_, of, _) | Count(of):
            inside: tuple[Program, ...] = (of,)
        case Both(left, right):
            inside = (left, right)
        case Entity():
            return
    for part in inside:
        if not isinstance(part, Entity):
            yield part
            yield from parts_of(part)
