"""The knowledge-graph world: questions answered with seven tools over a SPARQL store. `KgWorld` owns the graphs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import prompts
from environments.base import UNCHANGED, Action, Author, Card, Dialect, Environment, Honest, Place, World
from environments.dialects.tool_calls import ToolCalls
from environments.endings import Ending
from environments.kg.author import KgAuthor
from environments.kg.config import KgConfig
from environments.kg.dialect import KgDialect
from environments.kg.episode import KgEnvironment
from environments.kg.graphs import built_in, configured
from environments.kg.store import Graph
from environments.kg.task import problem_in, state_of
from environments.kg.trials import answer_is_not_told, counts_more_than_a_guess, guess_of, shorter_ways_fail
from rehearsals.base import Rehearsal
from schemas.errors import ConfigError, EnvironmentFault
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.task_spec import GUESSABLE, Probe, TaskSpec

PROMPT = "solve_kg"
TOOLS_PROMPT = "solve_kg_tools"
MAX_TURNS = 15
"""AgentBench: knowledgegraph round 15."""
OBSERVATION_CHARS = 4_000
"""AgentBench cuts no list of relations; Freebase's longest would fill a small model's context."""


class KgWorld(World):
    """Opens episodes on the built-in graph, and on the one that a configuration names."""

    name = "kg"
    Config = KgConfig
    typical = (6.0, 40, 60)

    def __init__(
        self, config: KgConfig | None = None, *, max_turns: int = MAX_TURNS, seed: int = 0, url: str = ""
    ) -> None:
        """`url` is a SPARQL endpoint that goes before the configuration's."""
        self.config, self.max_turns = config or KgConfig(), max_turns
        self._seed, self._stack = seed, AsyncExitStack()
        self.dialects: Mapping[str, Dialect] = {
            "react": KgDialect(prompts.load(PROMPT)),
            "tools": ToolCalls(prompts.load(TOOLS_PROMPT)),
        }
        first, other = built_in(), configured(self.config, url)
        self._graphs = {first.name: first} | ({other.name: other} if other else {})
        self._first = first

    @classmethod
    def at(cls, place: Place, config: KgConfig) -> KgWorld:
        """Return the world of a run; its graphs are opened when it is entered."""
        turns = place.config.collect.max_turns.get(cls.name, MAX_TURNS)
        return cls(config, max_turns=turns, seed=place.config.seed, url=place.servers.get("sparql", ""))

    @property
    def card(self) -> Card:
        """Describe the world on the built-in graph."""
        return self._card_on(self._first)

    def _card_on(self, graph: Graph) -> Card:
        extra = {"graph": graph.name, "digest": graph.digest}
        return Card(self.name, self.contract, self.max_turns, PROMPT, OBSERVATION_CHARS, extra=extra)

    @property
    def told(self) -> Mapping[str, Any]:
        """How many actions there are."""
        return {"turns": self.max_turns}

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return what it knows to play with the built-in graph."""
        from environments.kg.rehearsal import KgRehearsal

        return KgRehearsal()

    @property
    def author(self) -> Author:
        """Return who makes up questions over the built-in graph."""
        return KgAuthor(self.config, self._seed, self.max_turns)

    async def probe(self) -> None:
        """Read one value of each graph.

        Raises:
            ConfigError: a graph's store does not answer; the text says what to do.
        """
        async with self:
            for graph in self._graphs.values():
                try:
                    await graph.store.select("SELECT ?s WHERE { ?s ?p ?o } LIMIT 1", 1)
                except EnvironmentFault as fault:
                    raise ConfigError(f"the graph {graph.name!r} does not answer: {fault}") from fault

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id of the world on the task's graph.

        Raises:
            ConfigError: there is no such graph here; the text says what brings it.
        """
        return digest("world", self._card_on(self._graph_of(spec)))

    def _graph_of(self, spec: TaskSpec) -> Graph:
        try:
            name = state_of(spec).graph
        except ValueError:
            return self._first  # the episode says what is wrong
        if name not in self._graphs:
            raise ConfigError(
                f"the task asks about the graph {name!r}, and there is {', '.join(self._graphs)}; [worlds.kg] takes "
                f"graph (a file of RDF or an endpoint's URL), graph_name = {name!r} and ontology (docs/worlds/kg.md)"
            )
        return self._graphs[name]

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image (the graph and what answers), sandbox."""
        graph = self._first if spec is None else self._graph_of(spec)
        return {"image": f"{graph.name} {graph.digest}, {graph.store.software}", "sandbox": "none: nothing is run"}

    def open(self, spec: TaskSpec) -> KgEnvironment:
        """Return an episode, not yet reset."""
        try:
            graph = self._graph_of(spec)
        except ConfigError as error:
            raise EnvironmentFault(str(error), transient=False) from error
        return KgEnvironment(spec, graph, self._card_on(graph))

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse a set-up, a reference or a check that cannot be read."""
        return problem_in(spec)

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Refuse more calls than an agent has turns for."""
        most = self.max_turns - 1
        detail = (
            "" if len(spec.reference) <= most else f"{len(spec.reference)} calls; an agent has {most} and an answer"
        )
        return [Probe(name="fits_in_the_turns", passed=not detail, detail=detail)]

    async def honest(self, environment: Environment, answer: str | None) -> Honest:
        """What the answer's variable stands for is what came of it."""
        found = await _kg(environment).found() or ()
        return Honest(environment, "\n".join(found), answer)

    def claim(self, spec: TaskSpec) -> Action:
        """Return an answer that names the first variable, where none was made."""
        return Action("answer", "#0")

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try every variable on the reference's way as the answer; tag what a guess may hit."""
        environment = _kg(honest.environment)
        yield answer_is_not_told(spec, await environment.found() or ())
        yield await shorter_ways_fail(environment)
        yield await counts_more_than_a_guess(environment)
        guess = await guess_of(self, spec)
        if guess:
            yield Probe(name=GUESSABLE, passed=True, detail=guess)

    async def same_outcome(self, spec: TaskSpec, one: Ending, other: Ending) -> bool:
        """Compare what the answers stand for: `#3` of one attempt is not `#3` of another."""
        return one.state is not None and one.state != UNCHANGED and one.state == other.state

    async def __aenter__(self) -> KgWorld:
        for graph in self._graphs.values():
            await self._stack.enter_async_context(graph.store)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()


def _kg(environment: Environment) -> KgEnvironment:
    assert isinstance(environment, KgEnvironment)
    return environment


WORLD = KgWorld
