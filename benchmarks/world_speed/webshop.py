"""How fast the shop is: steps, searches, rewards, and what an open visit takes in memory.

The original's text environment needs Flask, Pyserini with Java and a model of spaCy, none of which is on PyPI whole: it
is not measured beside. `python -m benchmarks.world_speed.webshop` prints the figures.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import tracemalloc
from pathlib import Path

from environments.base import Action, Environment, judge_episode
from environments.webshop import sample
from environments.webshop.actions import write_actions
from environments.webshop.catalogue import Catalogue, catalogues_of, keep_catalogue
from environments.webshop.goal import Goal, check_of, state_of
from environments.webshop.solver import solve
from environments.webshop.world import WebShopWorld
from schemas.task_spec import Provenance, Script, TaskSpec

MANY = 20_000
"""Products of the large catalogue: the built-in ones again and again, under other names."""
OPEN = 200


def measure() -> dict[str, float | str]:
    """Return plain figures, in CPU time: steps a second of gold episodes, milliseconds a search, KiB an open visit."""
    with tempfile.TemporaryDirectory() as folder:
        world = WebShopWorld(Path(folder))
        began = time.process_time()
        catalogue = world.catalogues.open(world.catalogues.built_in)
        opened = time.process_time() - began
        figures = asyncio.run(_measure(world, catalogue))
        large = _large(Path(folder))
        world.catalogues.close()
        return {"products": len(catalogue), "open_seconds": round(opened, 3), **figures, **large}


async def _measure(world: WebShopWorld, catalogue: Catalogue) -> dict[str, float | str]:
    goals = sample.goals(233)
    specs = [_spec(goal, world, catalogue) for goal in goals]
    steps, began = 0, time.process_time()
    for spec in specs:
        visit = world.open(spec)
        await visit.reset()
        steps += len(await visit.follow())
        assert (await judge_episode(visit)).reward == 1
    took = time.process_time() - began
    return {
        "steps_per_second": round(steps / took),
        "search_ms": round(_search_ms(catalogue, [goal.instruction for goal in goals]), 3),
        "kib_per_open_visit": round(await _kib(world, specs), 1),
        "tagger": world.tagger.name,
    }


def _spec(goal: Goal, world: WebShopWorld, catalogue: Catalogue) -> TaskSpec:
    way = solve(goal, catalogue, world.measure, world.max_turns)
    assert way is not None
    return TaskSpec.make(
        environment="webshop",
        instruction=goal.instruction,
        setup=state_of(catalogue.catalogue_id),
        reference=(Script(code=write_actions(way.actions)),),
        check=check_of(goal.wanted),
        origin="own",
        provenance=Provenance(source="benchmark"),
    )


def _search_ms(catalogue: Catalogue, queries: list[str]) -> float:
    began = time.process_time()
    for query in queries:
        catalogue.search(query)
    return (time.process_time() - began) / len(queries) * 1000


async def _kib(world: WebShopWorld, specs: list[TaskSpec]) -> float:
    """Return what a visit holds that stands on a page of results."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    visits: list[Environment] = [world.open(spec) for spec in specs[:OPEN]]
    for visit in visits:
        await visit.reset()
        await visit.step(Action("search", visit.spec.instruction))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(visits) / 1024


def _large(folder: Path) -> dict[str, float | str]:
    own = sample.products()
    many = (own[n % len(own)]._replace(asin=f"L{n:09d}") for n in range(MANY))
    kept = keep_catalogue(many, catalogues_of(folder))
    began = time.process_time()
    catalogue = Catalogue(next(catalogues_of(folder).glob(f"{kept}*")))
    opened = time.process_time() - began
    milliseconds = _search_ms(catalogue, [goal.instruction for goal in sample.goals(233)[:100]])
    catalogue.close()
    return {"large_products": MANY, "large_open_seconds": round(opened, 2), "large_search_ms": round(milliseconds, 2)}


if __name__ == "__main__":
    for name, figure in measure().items():
        print(f"{name}: {figure}")
