"""What a tool call over one million triples costs, and what an open episode holds.

`python -m benchmarks.world_speed.kg` prints it. The graph is the built-in coast, as often as a million triples need;
calls go through an episode's workbench, so that a thread is changed, SPARQL is parsed and a list is worded each time.
"""

from __future__ import annotations

import asyncio
import random
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping

from environments.kg.author import derived_spec
from environments.kg.calls import find_call
from environments.kg.derivation import SHAPES, Inventor, MadeQuestion
from environments.kg.episode import KgEnvironment
from environments.kg.sample import NAME, NAMESPACE, invent, load_graph
from environments.kg.store import EmbeddedStore, Graph
from environments.kg.tools import Workbench
from environments.kg.world import KgWorld

TRIPLES = 1_000_000
QUESTIONS = 240
OPEN = 500
"""Episodes that are open at a time while their memory is looked at."""


def measure(triples: int = TRIPLES, questions: int = QUESTIONS) -> dict[str, float | str]:
    """Return the figures: seconds of wall time of one process, bytes an episode, calls a second."""
    return asyncio.run(_measure(triples, questions))


async def _measure(triples: int, count: int) -> dict[str, float | str]:
    ontology, _ = load_graph()
    one = sum(1 for _ in invent().triples(NAMESPACE))
    began = time.perf_counter()
    facts = invent(max(1, -(-triples // one)))
    made_in, began = time.perf_counter() - began, time.perf_counter()
    before = _resident()
    store = EmbeddedStore.of(facts, ontology)
    loaded_in = time.perf_counter() - began
    graph = Graph(NAME, ontology, store, "measured")
    maker = Inventor(ontology, facts)
    rng = random.Random(1)
    questions = [maker.of_shape(SHAPES[number % len(SHAPES)], rng) for number in range(count)]
    calls = await _time_calls(graph, questions)
    every = sorted(span for spans in calls.values() for span in spans)
    cpu = [span for spans in (await _time_calls(graph, questions, time.process_time)).values() for span in spans]
    return {
        "triples": float(await _count(store)),
        "facts made in, s": round(made_in, 1),
        "loaded in, s": round(loaded_in, 1),
        "memory of the store, MB": round((_resident() - before) / 1e6),
        "tool call, median ms": round(statistics.median(every) * 1e3, 3),
        "tool call, median ms of CPU": round(statistics.median(cpu) * 1e3, 3),
        "tool call, 95th percentile ms": round(every[int(len(every) * 0.95)] * 1e3, 3),
        "slowest call, ms": round(every[-1] * 1e3, 1),
        **{f"{name}, median ms": round(statistics.median(spans) * 1e3, 3) for name, spans in calls.items()},
        "tool calls a second, one after the other": round(len(every) / sum(every)),
        **await _episodes(graph, questions),
    }


async def _count(store: EmbeddedStore) -> str:
    return (await store.select("SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }", 1))[0]


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _time_calls(
    graph: Graph, questions: list[MadeQuestion], clock: Callable[[], float] = time.perf_counter
) -> Mapping[str, list[float]]:
    spans: dict[str, list[float]] = {}
    for question in questions:
        bench = Workbench(graph, question.entities)
        for text in question.calls:
            call = find_call(text)
            assert call is not None
            began = clock()
            await bench.call(call.name, call.arguments)
            spans.setdefault(call.name, []).append(clock() - began)
        began = clock()
        found = await bench.values_of(bench.variables[-1].program)
        spans.setdefault("final answer", []).append(clock() - began)
        assert set(found) == question.answers, question.text
    return spans


async def _episodes(graph: Graph, questions: list[MadeQuestion]) -> dict[str, float | str]:
    """Return what whole episodes cost on this graph, judged, and what each holds while it is open."""
    card = KgWorld().card
    specs = [derived_spec(question, "measured", "interact") for question in questions]
    began, steps = time.perf_counter(), 0
    for spec in specs:
        async with KgEnvironment(spec, graph, card) as played:
            await played.reset()
            steps += len(await played.follow())
    seconds = time.perf_counter() - began
    tracemalloc.start()
    held = [KgEnvironment(specs[n % len(specs)], graph, card) for n in range(OPEN)]
    for environment in held:
        await environment.reset()
        await environment.follow()
    memory = tracemalloc.get_traced_memory()[0] / OPEN
    tracemalloc.stop()
    return {"steps a second, whole episodes": round(steps / seconds), "memory of an open episode, bytes": round(memory)}


if __name__ == "__main__":
    for name, figure in measure().items():
        print(f"{name}: {figure}")
