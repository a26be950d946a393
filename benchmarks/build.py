"""The default build, measured: seconds per stage, episodes a second, CPU, and Prefect's share.

Prefect's share is the same stages run through the flow against the same task functions called without it, start-up
apart, as medians of alternating runs on one machine (machines here are noisy: read the ratio).

    python benchmarks/build.py [--runs N] [--config NAME] [--write docs/speed.md]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.page import Marks

TABLE = Marks("<!-- table: python benchmarks/build.py --write docs/speed.md -->")
WAYS = ("flow", "plain")


def main() -> None:
    """Measure, or make one measured run of one way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--config", default="demo")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--once", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        run_once(chosen.once, chosen.config)
        return
    runs = {way: [] for way in WAYS}
    for number in range(chosen.runs):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            runs[way].append(run_apart(way, chosen.config))
    page = render(runs)
    print(page)
    if chosen.write:
        chosen.write.write_text(TABLE.put(chosen.write.read_text(encoding="utf-8"), page), encoding="utf-8")


def run_apart(way: str, config: str) -> dict[str, Any]:
    """Run one way in a process and a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        started, before = time.monotonic(), cpu_of_children()
        command = [sys.executable, __file__, "--once", way, "--config", config]
        done = subprocess.run(command, env={**os.environ, "TRAJMILL_HOME": home}, capture_output=True, check=True)
        measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        seconds, cpu = time.monotonic() - started, cpu_of_children() - before
        return {**measured, "process_seconds": seconds, "all_cpu": cpu}


def cpu_of_children() -> float:
    """Return what the processes that this one has waited for took, and those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_once(way: str, config: str) -> None:
    """Run one build and print what it took, as JSON."""
    from commands.run_flow import Watch
    from flows.open_workshop import watched_by

    watch = Watch(quiet=True)
    run: Callable[[str], Coroutine[Any, Any, Any]] = through_prefect if way == "flow" else without_prefect
    with watched_by(watch):
        asyncio.run(run(config))
    workshop = watch.workshop
    assert workshop is not None
    stages = workshop.progress.stages
    began = min(stage.started for stage in stages.values() if stage.started)
    ended = max(stage.finished for stage in stages.values() if stage.finished)
    own = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.flush()
    measured = {
        "stages": {name: stage.seconds for name, stage in stages.items()},
        "span": ended - began,
        "own_cpu": own.ru_utime + own.ru_stime,
        "episodes": stages["collect_episodes"].done,
        "task_runs": workshop.progress.task_runs,
    }
    sys.stdout.write("\n" + json.dumps(measured) + "\n")


async def through_prefect(config: str) -> None:
    """Run the build as users do."""
    from flows.build import build

    await build(config)


async def without_prefect(config: str) -> None:
    """Call the same task functions in the same order, with no orchestrator."""
    from flows.open_workshop import open_workshop
    from flows.publish_mixture import card_table
    from flows.stages import stage
    from reports import funnel as report
    from tasks.collect import episodes as collection
    from tasks.curate import trajectories as curation
    from tasks.generate import rounds as generation
    from tasks.ingest import conversations as ingestion
    from tasks.publish import mixture as publication
    from tasks.publish.validate_tables import validate_tables

    async def collect(world: str) -> None:
        for wave in range(1, workshop.config.collect.attempts + 1):
            for part, index in collection.plan_shards(workshop, world, wave, "teacher", None):
                await collection.collect_shard.fn(workshop.build, part, index)

    async with open_workshop("build", config) as workshop:
        async with stage(workshop, generation.STAGE):
            await generation.derive_tasks.fn(workshop.build)
            for index in range(workshop.config.generate.rounds):
                await generation.generate_round.fn(workshop.build, index)
        async with stage(workshop, collection.STAGE):
            await asyncio.gather(*(collect(world) for world in workshop.worlds))
        async with stage(workshop, curation.STAGE):
            for index in range(curation.count_shards(workshop)):
                await curation.curate_shard.fn(workshop.build, index)
        async with stage(workshop, ingestion.STAGE):
            for path in ingestion.general_files(workshop):
                await ingestion.ingest_file.fn(path, ingestion.BUILT_IN_LICENSE)
        async with stage(workshop, publication.STAGE):
            await validate_tables.fn(workshop.build)
            tables = [card_table("Acceptance", report.acceptance(workshop.warehouse))]
            await publication.publish_release.fn(workshop.build, tables)


def render(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Render the second table of docs/speed.md."""
    names = list(runs["flow"][0]["stages"])
    rows = [(name, *(_median(runs[way], lambda r, n=name: r["stages"][n]) for way in WAYS)) for name in names]
    span = {way: _median(runs[way], lambda r: r["span"]) for way in WAYS}
    share = (span["flow"] - span["plain"]) / span["flow"]
    episodes = _median(runs["flow"], lambda r: r["episodes"] / r["stages"]["collect_episodes"])
    lines = [f"`python benchmarks/build.py --runs {len(runs['flow'])}` on {date.today().isoformat()}, "]
    lines[-1] += f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of alternating runs."
    lines += ["On a machine with other work to do a share below 10 %, or below zero, is noise: measure on an idle one."]
    lines += ["", "| stage | through Prefect, s | without, s |", "|---|---:|---:|"]
    lines += [f"| {name} | {flow:.2f} | {plain:.2f} |" for name, flow, plain in rows]
    lines += [f"| first stage to last | {span['flow']:.2f} | {span['plain']:.2f} |", ""]
    lines += [f"- Prefect's share of the build, start-up apart: {share:.1%} (goal: at most 5 %)"]
    lines += [f"- episodes a second while collecting: {episodes:.0f}"]
    lines += [f"- Prefect task runs: {runs['flow'][0]['task_runs']}"]
    for way in WAYS:
        keys = ("process_seconds", "own_cpu", "all_cpu")
        seconds, own, every = (_median(runs[way], lambda r, k=key: r[k]) for key in keys)
        lines += [f"- {way}: {seconds:.1f} s for the whole process, {own:.1f} CPU s in it"]
        lines[-1] += f" and {every:.1f} with sandboxes and server"
    return "\n".join(lines)


def _median(runs: list[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> float:
    return statistics.median(value(run) for run in runs)


if __name__ == "__main__":
    main()
