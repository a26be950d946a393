"""Rounds a second on a built-in page and on a large one, and what an open episode holds in memory."""

from __future__ import annotations

import asyncio
import time
import tracemalloc

from environments.base import judge_episode
from environments.mind2web.author import PageAuthor
from environments.mind2web.cleaning import clean_page, controls
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.making import Shot, make_task
from environments.mind2web.page import ID, markup_of
from environments.mind2web.pruning import show
from environments.mind2web.sample import flow_steps
from environments.mind2web.state import WantedStep
from environments.mind2web.world import Mind2WebWorld
from schemas.task_spec import Provenance, TaskSpec

EPISODES = 300
ROWS = 1333
"""Of the large page: about 4,000 elements and 230 kB, as that which the original was measured on (109 rounds/s)."""


def measure() -> dict[str, float | str]:
    """Return figures of this world, CPU time and megabytes (docs: benchmarks/worlds.py)."""
    author = PageAuthor(Mind2WebConfig())
    small = [author.derived(step, "interact") for step in list(flow_steps())[::40]]
    large, markup_chars, per_round = _large()
    return {
        "rounds/s, built-in pages": round(asyncio.run(_rounds(small)), 1),
        f"rounds/s, page of {markup_chars // 1000} kB as its task keeps it": round(asyncio.run(_rounds([large])), 1),
        f"rounds/s, page of {markup_chars // 1000} kB shown whole": round(per_round, 1),
        "kB an open episode": round(asyncio.run(_memory(small)) / 1024, 1),
    }


def _large() -> tuple[TaskSpec, int, float]:
    """Return a task on a large page, the page's length, and how often a second it is shown uncut."""
    rows = "".join(
        f'<li class="row"><a title="Open item {n}" href=x>Item number {n}</a><span>{"Some words. " * 6}</span></li>'
        for n in range(ROWS)
    )
    page = clean_page(f"<ul>{rows}</ul>").page
    names = tuple(str(node.get(ID)) for node in controls(page))[:: ROWS // 10][:10]
    began, count = time.process_time(), 20
    for _ in range(count):
        show(page, names[:5])
    wanted = WantedStep(elements=names[3:4], op="CLICK")
    given = {"origin": "own", "provenance": Provenance(source="benchmark")}
    task = make_task("Open it.", "large", "", [Shot(page, names, (), wanted)], "0", **given)
    return task, len(markup_of(page)), count / (time.process_time() - began)


async def _rounds(specs: list[TaskSpec]) -> float:
    world, played, began = Mind2WebWorld(), 0, time.process_time()
    for number in range(EPISODES):
        async with world.open(specs[number % len(specs)]) as environment:
            await environment.reset()
            played += len(await environment.follow())
            await judge_episode(environment)
    return played / (time.process_time() - began)


async def _memory(specs: list[TaskSpec]) -> float:
    """Return the bytes that an episode takes beside its task, which is there already."""
    world = Mind2WebWorld()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    there = [world.open(specs[number % len(specs)]) for number in range(200)]
    for environment in there:
        await environment.reset()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown / len(there)
