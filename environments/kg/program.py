"""Programs: what a variable stands for, and the SPARQL that finds its values.

A variable is not looked up when it is made; its program is compiled where relations are asked for, and for the answer.
Source: THUDM/AgentBench@578c5e9f knowledgegraph/api.py and utils/logic_form_util.py. Kept from there: an answer never
holds an entity that its program starts from, texts count in English alone, ties of a superlative all count. Written
otherwise: IRIs in full (Oxigraph's parser refuses prefixed names with two dots), COUNT and `||` as SPARQL 1.1 has
them, and a superlative within another program has a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from environments.kg.ontology import Ontology

MOST_ANSWERS = 10_000
"""Values that a variable is read to; the gold of AgentBench's standard set has at most 189."""


@dataclass(frozen=True)
class Entity:
    """One thing, by its id."""

    name: str


@dataclass(frozen=True)
class Join:
    """What `of` is related to."""

    relation: str
    of: Program


@dataclass(frozen=True)
class Both:
    """What is in both."""

    left: Program
    right: Program


@dataclass(frozen=True)
class Superlative:
    """Those with the highest or lowest value of an attribute."""

    most: Literal["argmax", "argmin"]
    of: Program
    attribute: str


@dataclass(frozen=True)
class Count:
    """How many there are; only ever the outermost."""

    of: Program


Program: TypeAlias = "Entity | Join | Both | Superlative | Count"


def joins_in(program: Program) -> int:
    """Count the steps that a program is made of, each as often as it stands there."""
    match program:
        case Entity():
            return 0
        case Both(left, right):
            return 1 + joins_in(left) + joins_in(right)
        case Join(_, of) | Superlative(_, of, _) | Count(of):
            return 1 + joins_in(of)


def entities_in(program: Program) -> Iterator[str]:
    """Yield the entities that a program starts from, from left to right."""
    match program:
        case Entity(name):
            yield name
        case Both(left, right):
            yield from entities_in(left)
            yield from entities_in(right)
        case Join(_, of) | Superlative(_, of, _) | Count(of):
            yield from entities_in(of)


def answers_query(program: Program, ontology: Ontology, most: int = MOST_ANSWERS) -> str:
    """Return the query for the values of a program, at most `most` and one more."""
    inner = program.of if isinstance(program, Count) else program
    where = "\n".join(_Compiler(ontology).counting(inner, "x"))
    if isinstance(program, Count):
        return f"SELECT (COUNT(DISTINCT ?x) AS ?value) WHERE {{\n{where}\n}}"
    return f"SELECT DISTINCT ?x WHERE {{\n{where}\n}} LIMIT {most + 1}"


def relations_query(program: Program, ontology: Ontology) -> str:
    """Return the query for the relations that lead on from a program's values, or from one entity."""
    if isinstance(program, Entity):
        return f"SELECT DISTINCT ?relation WHERE {{ <{ontology.namespace}{program.name}> ?relation ?object . }}"
    where = "\n".join(_Compiler(ontology).counting(program, "x"))
    values = f"{{ SELECT DISTINCT ?x WHERE {{\n{where}\n}} }}"
    return f"SELECT DISTINCT ?relation WHERE {{\n{values}\n?x ?relation ?object .\n}}"


class _Compiler:
    """Words a program's steps as patterns; each inner variable gets a number of its own."""

    def __init__(self, ontology: Ontology) -> None:
        self._namespace, self._used = ontology.namespace, 0

    def counting(self, program: Program, variable: str) -> list[str]:
        """Return the patterns with the filters of what counts as an answer."""
        entities = dict.fromkeys(entities_in(program))
        apart = [f"FILTER (?{variable} != {self._iri(name)})" for name in entities]
        words = f'FILTER (!isLiteral(?{variable}) || lang(?{variable}) = "" || langMatches(lang(?{variable}), "en"))'
        return [*self._patterns(program, variable), *apart, words]

    def _patterns(self, program: Program, variable: str) -> list[str]:
        match program:
            case Join(relation, Entity(name)):
                return [f"{self._iri(name)} {self._iri(relation)} ?{variable} ."]
            case Join(relation, of):
                inner = self._fresh()
                return [*self._patterns(of, inner), f"?{inner} {self._iri(relation)} ?{variable} ."]
            case Both(left, right):
                return list(dict.fromkeys((*self._patterns(left, variable), *self._patterns(right, variable))))
            case Superlative():
                return self._extreme(program, variable)
            case _:
                raise ValueError(f"{program} is no set of things")

    def _extreme(self, program: Superlative, variable: str) -> list[str]:
        inner, best = self._fresh(), self._fresh()
        order = f"DESC(?{best})" if program.most == "argmax" else f"?{best}"
        among = "\n".join(self.counting(program.of, inner))
        attribute = self._iri(program.attribute)
        found = f"{{ SELECT ?{best} WHERE {{\n{among}\n?{inner} {attribute} ?{best} .\n}} ORDER BY {order} LIMIT 1 }}"
        return [found, *self._patterns(program.of, variable), f"?{variable} {attribute} ?{best} ."]

    def _iri(self, name: str) -> str:
        return f"<{self._namespace}{name}>"

    def _fresh(self) -> str:
        self._used += 1
        return f"v{self._used}"
