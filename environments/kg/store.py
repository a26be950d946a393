"""The seam to a SPARQL store: one query in, the values of its one variable out. Embedded, or any endpoint by URL."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyoxigraph

from environments.kg.facts import Facts
from environments.kg.ontology import Ontology
from schemas.errors import EnvironmentFault

SECONDS = 60.0
"""Wall time of a query on an embedded store; the slowest that was seen over a million triples took 0.1 s."""
PACIFIC = "-08:00"
"""What hangs on Freebase's dates; AgentBench's answers are without it."""


class SparqlStore(ABC):
    """Reads a graph that nobody changes while episodes are open. An async context manager."""

    software: str
    """For provenance: what answers, and its version."""

    @abstractmethod
    async def select(self, query: str, most: int) -> tuple[str, ...]:
        """Return the values of a query's one variable, in the store's order: IRIs and literals as plain text.

        Raises:
            EnvironmentFault: the store is not there, took too long, or gave more than `most`.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None


@dataclass(frozen=True)
class Graph:
    """A graph as episodes have it: shared, and never changed."""

    name: str
    """As tasks name it."""
    ontology: Ontology
    store: SparqlStore
    digest: str
    """Of facts and ontology; of an endpoint's graph of its name and ontology, since nobody can read it whole."""

    async def values(self, query: str, most: int) -> tuple[str, ...]:
        """Ask, and return names without the graph's namespace and dates without their zone.

        Raises:
            EnvironmentFault: the store is not there, took too long, or gave more than `most`.
        """
        found = await self.store.select(query, most)
        return tuple(value.replace(self.ontology.namespace, "").replace(PACIFIC, "") for value in found)


class EmbeddedStore(SparqlStore):
    """A graph in the memory of this process, asked in threads: a heavy query holds nobody else's episode."""

    def __init__(self, lines: Iterable[str] | None = None, store: pyoxigraph.Store | None = None) -> None:
        """`lines` are N-Triples; or `store` is one that is filled already."""
        self.software = f"pyoxigraph {pyoxigraph.__version__}"
        self._store = store or pyoxigraph.Store()
        if lines is not None:
            self._store.load("\n".join(lines).encode(), pyoxigraph.RdfFormat.N_TRIPLES)

    @classmethod
    def of(cls, facts: Facts, ontology: Ontology) -> EmbeddedStore:
        """Return a store that holds these facts."""
        return cls(facts.triples(ontology.namespace))

    async def select(self, query: str, most: int) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.to_thread(self._select, query, most)
        except TimeoutError as error:  # its thread goes on to its end; nobody waits for it
            raise EnvironmentFault(f"the store gave no answer within {SECONDS:g} s to {query[:300]!r}") from error

    def _select(self, query: str, most: int) -> tuple[str, ...]:
        try:
            solutions: Any = self._store.query(query)
            found = [term.value for solution in solutions for term in _terms(solution)]
        except (SyntaxError, OSError, RuntimeError) as error:
            raise EnvironmentFault(f"the store cannot answer: {error}; the query was {query[:500]!r}") from error
        return bounded(found, most)


def _terms(solution: Sequence[Any]) -> list[Any]:
    return [term for term in solution if term is not None]


def bounded(found: Sequence[str], most: int) -> tuple[str, ...]:
    """Return values that are not too many.

    Raises:
        EnvironmentFault: they are.
    """
    if len(found) > most:
        raise TooManyValues(f"more than {most:,} values; a question has fewer", transient=False)
    return tuple(found)


class TooManyValues(EnvironmentFault):
    """A variable stands for more than is read: the fault of who made it, not of the store."""
