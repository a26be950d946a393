"""The facts of a graph in memory: what questions are made up from, and what an embedded store is filled with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from environments.kg.ontology import NAME, TYPE

_XSD = "http://www.w3.org/2001/XMLSchema#"
_TYPES = {int: "integer", float: "decimal"}


class Value(NamedTuple):
    """A number, as it is written."""

    text: str
    type: str
    """integer or decimal: XML Schema's words."""

    @classmethod
    def of(cls, number: int | float) -> Value:
        """Return a number's value, in the one form that a store gives it back in: 59, and not 59.0."""
        return cls(f"{number:g}" if isinstance(number, float) else str(number), _TYPES[type(number)])


class Facts:
    """Triples by subject and relation, in the order in which they came; none is there twice."""

    def __init__(self) -> None:
        self.out: dict[str, dict[str, list[str | Value]]] = {}
        """Subject -> relation -> objects: ids and values."""
        self.names: dict[str, str] = {}
        """Id -> name."""
        self.types: dict[str, str] = {}

    def name(self, thing: str, name: str, type_: str) -> None:
        """Say what a thing is called and what it is."""
        self.names[thing], self.types[thing] = name, type_

    def add(self, subject: str, relation: str, target: str | Value) -> None:
        """Add a fact, once."""
        targets = self.out.setdefault(subject, {}).setdefault(relation, [])
        if target not in targets:
            targets.append(target)

    def __len__(self) -> int:
        """Count the facts, names and types apart."""
        return sum(len(targets) for relations in self.out.values() for targets in relations.values())

    def triples(self, namespace: str) -> Iterator[str]:
        """Yield every fact, name and type as a line of N-Triples."""
        for thing, name in self.names.items():
            text = name.replace("\\", "\\\\").replace('"', '\\"')
            yield f'<{namespace}{thing}> <{namespace}{NAME}> "{text}"@en .'
            yield f"<{namespace}{thing}> <{namespace}{TYPE}> <{namespace}{self.types[thing]}> ."
        for subject, relations in self.out.items():
            for relation, targets in relations.items():
                for one in targets:
                    end = f'"{one.text}"^^<{_XSD}{one.type}>' if isinstance(one, Value) else f"<{namespace}{one}>"
                    yield f"<{namespace}{subject}> <{namespace}{relation}> {end} ."

    def digest(self, namespace: str) -> str:
        """Digest all that is there, whatever its order."""
        return hashlib.sha256("\n".join(sorted(self.triples(namespace))).encode()).hexdigest()[:32]
