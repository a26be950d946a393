"""The seven tools of an episode and the variables that they make: AgentBench's rules and words.

Source: THUDM/AgentBench@578c5e9f knowledgegraph/api.py and task.py. There a tool is found by its name among all that
the module holds; here the table below is all that can be called. Lists are sorted, and what was listed before is the
episode's own: there they came from sets of texts, and one memory was shared by all episodes.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from environments.kg.ontology import NUMBER
from environments.kg.program import (
    MOST_ANSWERS,
    Both,
    Count,
    Entity,
    Join,
    Program,
    Superlative,
    answers_query,
    joins_in,
    relations_query,
)
from environments.kg.store import Graph, TooManyValues

ENTITY_ID = re.compile(r"[mfg]\.\w+")
"""AgentBench takes m. and f. for tools, and m. and g. in programs."""
MOST_JOINS = 40
"""Steps of a program: fifteen turns make twelve honest ones, and far more where a variable is combined with itself."""
MOST_RELATIONS = 20_000
"""Read of one thing; Freebase has 19,281 in all."""
_VARIABLE = re.compile(r"(?:variable\s+)?#(\d{1,9})", re.IGNORECASE)
_NOTED = re.compile(r"\Avariable\s+", re.IGNORECASE)

CANNOT = "{call} cannot be executed. You may make a mistake and need to fix it."
OTHER_TYPES = (
    "{call} cannot be executed. The two variables are not of the same type. You may further explore them by call "
    "get_relations"
)
NO_SUCH_TOOL = (
    "I may make a syntax error when calling {name} (e.g., unmatched parenthesis). I need to fix it and reuse the tool"
)
INVALID_VARIABLE = "Invalid variable id! Need to recheck the action."


class CannotBeExecuted(Exception):
    """A call that does not fit: the solver's own mistake, told to it."""


@dataclass(frozen=True)
class Variable:
    """What a call made."""

    program: Program
    type: str


class Tool(NamedTuple):
    """A row of the table."""

    parameters: tuple[str, ...]
    run: Callable[[Workbench, Sequence[str]], Awaitable[str]]


class Workbench:
    """The variables of one episode, and what was listed of them."""

    def __init__(self, graph: Graph, entities: Mapping[str, str]) -> None:
        """`entities` are the ids of the things that the question names, by name."""
        self.graph = graph
        self.variables: list[Variable] = []
        self._entities = entities
        self._folded = {name.casefold().strip(): thing for name, thing in entities.items()}
        self._relations: dict[Program, frozenset[str]] = {}
        self._attributes: dict[Program, frozenset[str]] = {}

    async def call(self, name: str, arguments: Sequence[str]) -> str:
        """Carry out a call and return what the solver is told, mistakes included.

        Raises:
            EnvironmentFault: the store broke.
        """
        said = f"{name}({', '.join(arguments)})"
        tool = TOOLS.get(name)
        if tool is None:
            return NO_SUCH_TOOL.format(name=name)
        try:
            if len(arguments) != len(tool.parameters):
                raise CannotBeExecuted
            return await tool.run(self, arguments)
        except (CannotBeExecuted, TooManyValues):
            return (OTHER_TYPES if name == "intersection" else CANNOT).format(call=said)

    def chosen(self, text: str) -> Variable | None:
        """Return the variable that a final answer names; None = there is none of that id."""
        found = re.search(r"#(\d{1,9})", text) or re.fullmatch(r"\s*(?:variable\s+)?(\d{1,9})\s*", text)
        number = int(found[1]) if found else -1
        return self.variables[number] if 0 <= number < len(self.variables) else None

    async def values_of(self, program: Program) -> tuple[str, ...]:
        """Return what a program stands for, sorted.

        Raises:
            EnvironmentFault: the store broke, or these are too many.
        """
        query = answers_query(program, self.graph.ontology)
        return tuple(sorted(await self.graph.values(query, MOST_ANSWERS)))

    async def get_relations(self, arguments: Sequence[str]) -> str:
        program = self._things(arguments[0])
        found = await self._leading_on(program, self.graph.ontology.listed)
        self._relations[program] = found
        return _listed(found)

    async def get_attributes(self, arguments: Sequence[str]) -> str:
        program = self._set(arguments[0]).program
        found = await self._leading_on(program, self.graph.ontology.attributes)
        self._attributes[program] = found
        return _listed(found)

    async def get_neighbors(self, arguments: Sequence[str]) -> str:
        program, relation = self._things(arguments[0]), arguments[1]
        if relation not in self._relations.get(program, ()):
            raise CannotBeExecuted
        known = self.graph.ontology.relations.get(relation)
        if known is None:  # listed in the vocabulary, and of no known range
            raise CannotBeExecuted
        return self._made(Join(relation, program), known.range)

    async def intersection(self, arguments: Sequence[str]) -> str:
        left, right = (self._set(one) for one in arguments)
        if left.type != right.type:
            raise CannotBeExecuted
        return self._made(Both(left.program, right.program), left.type)

    async def argmax(self, arguments: Sequence[str]) -> str:
        return self._extreme("argmax", arguments)

    async def argmin(self, arguments: Sequence[str]) -> str:
        return self._extreme("argmin", arguments)

    async def count(self, arguments: Sequence[str]) -> str:
        return self._made(Count(self._set(arguments[0]).program), NUMBER)

    def _extreme(self, most: Literal["argmax", "argmin"], arguments: Sequence[str]) -> str:
        variable, attribute = self._set(arguments[0]), arguments[1]
        if attribute not in self._attributes.get(variable.program, ()):
            raise CannotBeExecuted
        return self._made(Superlative(most, variable.program, attribute), variable.type)

    async def _leading_on(self, program: Program, listed: frozenset[str]) -> frozenset[str]:
        query = relations_query(program, self.graph.ontology)
        return listed.intersection(await self.graph.values(query, MOST_RELATIONS))

    def _made(self, program: Program, type_: str) -> str:
        if joins_in(program) > MOST_JOINS:
            raise CannotBeExecuted
        self.variables.append(Variable(program, type_))
        said = "which is a number" if isinstance(program, Count) else f"which are instances of {type_}"
        return f"variable #{len(self.variables) - 1}, {said}"

    def _things(self, text: str) -> Program:
        """Return what an argument stands for: a set of things, or one of the question's."""
        if text.lstrip().lower().startswith(("#", "variable #")):
            return self._set(text).program
        name = _NOTED.sub("", text).strip()
        thing = self._entities.get(name) or self._folded.get(name.casefold()) or name
        if not ENTITY_ID.fullmatch(thing):
            raise CannotBeExecuted
        return Entity(thing)

    def _set(self, text: str) -> Variable:
        """Return the variable of a set of things: a number has neither relations nor parts."""
        found = _VARIABLE.fullmatch(text.strip())
        number = int(found[1]) if found else -1
        if not 0 <= number < len(self.variables) or isinstance(self.variables[number].program, Count):
            raise CannotBeExecuted
        return self.variables[number]


def is_found(said: str) -> bool:
    """Whether a tool's words tell what it found, and not of a mistake."""
    return said.startswith(("[", "variable #"))


def _listed(found: frozenset[str]) -> str:
    return f"[{', '.join(sorted(found))}]"


TOOLS: Mapping[str, Tool] = {
    "get_relations": Tool(("variable",), Workbench.get_relations),
    "get_neighbors": Tool(("variable", "relation"), Workbench.get_neighbors),
    "intersection": Tool(("variable1", "variable2"), Workbench.intersection),
    "get_attributes": Tool(("variable",), Workbench.get_attributes),
    "argmax": Tool(("variable", "attribute"), Workbench.argmax),
    "argmin": Tool(("variable", "attribute"), Workbench.argmin),
    "count": Tool(("variable",), Workbench.count),
}
"""All that can be called, with the names of what each takes. AgentBench's code has `union`, too, and never says so."""
