"""The sandbox, measured beside Docker and a bare bash: the table of docs/sandbox-speed.md.

Contenders take turns, so that whatever else the machine does meets both; ratios are of one run. Exit code 1 if a goal
is missed.

    python -m benchmarks.sandbox                                      about 8 minutes
    python -m benchmarks.sandbox --only speed,memory
    python -m benchmarks.sandbox --write docs/sandbox-speed.md
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks import database_episodes, neighbours
from benchmarks.page import Marks, table_line
from benchmarks.sandbox_contenders import COMMANDS, BareBash, Contender, Docker, Ours, Times, docker_is_missing
from sandboxes.images import host_image
from schemas.settings import default_cache
from schemas.task_spec import Script

TABLE = Marks("<!-- table: python -m benchmarks.sandbox --write docs/sandbox-speed.md -->")
PAGE = "# How fast the sandbox is\n"
TIMES_DOCKER = {1: 10, 2: 10, 4: 8, 8: 8}
"""Goal by episodes in parallel."""
EPISODE_MS, COMMAND_MS, IDLE_MB, GROWTH, NEIGHBOUR = 15.0, 1.5, 3.0, 1.15, 1.2
DATABASE_GOALS = {"sqlite": 1000, "postgres": 150, "mysql": 100}
"""Episodes a second on four slots."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    found: str
    goal: str
    met: bool | None
    """None = it was left out, `found` says why."""


def main() -> int:
    """Measure, print, write; return 1 if a goal is missed."""
    chosen = read_arguments()
    load = os.getloadavg()[0]
    rows: list[Row] = []
    for name in chosen.only.split(","):
        for row in asyncio.run(PARTS[name](chosen)):
            print(render_row(row), file=sys.stderr, flush=True)
            rows.append(row)
    table = render(rows, load)
    print(table)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8") if chosen.write.exists() else PAGE
        chosen.write.write_text(TABLE.put(page, table), encoding="utf-8")
    missed = [row.what for row in rows if row.met is False]
    print(f"goals missed: {'; '.join(missed)}" if missed else "every goal that was measured is met", file=sys.stderr)
    return 1 if missed else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line; exit 2 on an unknown part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--episodes", type=int, default=40, help="of ours, or of the bare bash, in a turn")
    parser.add_argument("--docker-episodes", type=int, default=8, help="of Docker's in a turn; twice as many from 4 on")
    parser.add_argument("--idle", type=int, default=30, help="sandboxes that stand idle when memory is measured")
    parser.add_argument("--many", type=int, default=1000, help="episodes in a row")
    parser.add_argument("--write", type=Path, help="page to put the table into")
    chosen = parser.parse_args()
    if unknown := set(chosen.only.split(",")) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; allowed are {', '.join(PARTS)}")
    return chosen


async def measure_speed(chosen: argparse.Namespace) -> list[Row]:
    """Measure episodes a second, ours against Docker."""
    if reason := docker_is_missing():
        return [Row("episodes a second, ours and Docker", f"left out: {reason}", "", None)]
    image = host_image(default_cache())
    rows = []
    async with Ours(image) as ours, Docker(image) as docker, BareBash(image) as bash:
        for contender in (ours, docker, bash):
            await contender.episode()
        for parallel, goal in TIMES_DOCKER.items():
            fewer = chosen.docker_episodes * (2 if parallel >= 4 else 1)
            turns = [
                (await rate(ours, parallel, chosen.episodes), await rate(docker, parallel, fewer))
                for _ in range(chosen.rounds)
            ]
            rows.append(compare(parallel, goal, turns))
            if parallel == 1:
                bare = [await bash.episode() for _ in range(chosen.episodes)]
                rows.append(ceiling(bare, [theirs for _, theirs in turns]))
    return rows


def ceiling(episodes: list[Times], docker: list[float]) -> Row:
    """Return the row that says what the commands alone allow: a sandbox that costs nothing would reach it."""
    bare = 1 / middle(episodes, lambda t: t.whole)
    times = bare / statistics.median(docker)
    return Row(
        "the same commands without any sandbox, 1 in parallel", f"{bare:.1f} a second: {times:.1f} times", "", None
    )


async def rate(contender: Contender, parallel: int, episodes: int) -> float:
    """Return episodes a second."""
    gate = asyncio.Semaphore(parallel)

    async def one() -> None:
        async with gate:
            await contender.episode()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(episodes)))
    return episodes / (time.perf_counter() - began)


def compare(parallel: int, goal: int, turns: list[tuple[float, float]]) -> Row:
    """Return the row of one degree of parallelism: medians, and the median of the turns' ratios."""
    ours, docker = (statistics.median(side) for side in zip(*turns, strict=True))
    ratios = sorted(mine / theirs for mine, theirs in turns)
    ratio = statistics.median(ratios)
    found = f"{ours:.1f} and {docker:.2f} a second: {ratio:.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    return Row(
        f"episodes of 20 commands, {parallel} in parallel, ours and Docker", found, f"{goal} times", ratio >= goal
    )


async def measure_overhead(chosen: argparse.Namespace) -> list[Row]:
    """Measure what an episode and a command cost over the same in a bare bash."""
    image = host_image(default_cache())
    mine: list[Times] = []
    bare: list[Times] = []
    async with Ours(image) as ours, BareBash(image) as bash:
        for contender in (ours, bash):
            await contender.episode()
        for _ in range(chosen.rounds * 4):
            for contender, times in ((ours, mine), (bash, bare)):
                times += [await contender.episode() for _ in range(max(chosen.episodes // 8, 1))]
    whole = 1000 * (middle(mine, lambda t: t.whole) - middle(bare, lambda t: t.whole))
    each = [  # not of the first: the shell starts in its time
        1000 * (middle(mine, lambda t, at=at: t.commands[at]) - middle(bare, lambda t, at=at: t.commands[at]))  # type: ignore[misc]
        for at in range(1, len(COMMANDS))
    ]
    frame = 1000 * (middle(mine, outside_commands) - middle(bare, outside_commands))
    in_all = f"of {1000 * middle(mine, lambda t: t.whole):.1f} ms; the 20 commands included: {whole:.1f} ms"
    found = f"{frame:.1f} ms {in_all}"
    command = f"{statistics.mean(each):.2f} ms (most: {max(each):.2f} ms, `{COMMANDS[1 + each.index(max(each))]}`)"
    return [
        Row("start and end of an episode, over a bare bash", found, f"{EPISODE_MS:.0f} ms", frame <= EPISODE_MS),
        Row("a command, over a bare bash", command, f"{COMMAND_MS} ms", statistics.mean(each) <= COMMAND_MS),
    ]


def middle(times: Iterable[Times], value: Callable[[Times], float]) -> float:
    return statistics.median(map(value, times))


def outside_commands(times: Times) -> float:
    """Return what an episode takes before and after its commands; the shell's start is in the first one's wait."""
    return times.whole - sum(times.commands[1:])


async def measure_memory(chosen: argparse.Namespace) -> list[Row]:
    """Measure the memory of sandboxes that stand idle, each with its shell."""
    async with Ours(host_image(default_cache())) as ours:
        await (await ours.sandbox.start()).close()
        before = memory_mb(os.getpid())
        sessions = [await ours.sandbox.start() for _ in range(chosen.idle)]
        for session in sessions:
            await session.exec("cd /tmp")
        each = (memory_mb(os.getpid()) - before) / chosen.idle
        for session in sessions:
            await session.close()
    found = f"{each:.2f} MB (PSS, {chosen.idle} of them)"
    return [Row("memory of an idle sandbox", found, f"{IDLE_MB:.0f} MB", each <= IDLE_MB)]


def memory_mb(parent: int) -> float:
    """Return the proportional memory of all processes below one, in MB."""
    rollups = (said(Path(f"/proc/{pid}/smaps_rollup")) for pid in descendants(parent))
    return sum(int(found[1]) for text in rollups if (found := re.search(r"^Pss: +(\d+) kB", text, re.M))) / 1024


def descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, said(children).split()):
            yield child
            yield from descendants(child)


def said(file: Path) -> str:
    """Read a file of /proc; a process that has ended meanwhile says nothing."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def measure_growth(chosen: argparse.Namespace) -> list[Row]:
    """Measure whether the thousandth episode costs more than the first hundred did."""
    tenth = max(chosen.many // 10, 1)
    async with Ours(host_image(default_cache())) as ours:
        await ours.episode()
        costs = [await small_episode(ours) for _ in range(chosen.many)]
    first, last = statistics.median(costs[:tenth]), statistics.median(costs[-tenth:])
    found = f"{1000 * first:.1f} ms at first, {1000 * last:.1f} ms at last: {last / first:.2f} times"
    what = f"an episode's cost after {chosen.many:,}, of two commands and a check"
    return [Row(what, found, f"{GROWTH} times", last / first <= GROWTH)]


async def small_episode(ours: Ours) -> float:
    began = time.perf_counter()
    session = await ours.sandbox.start()
    await session.exec("echo 1 > /root/answer")
    await session.exec("cat /root/answer")
    await session.run(Script(code="cat /root/answer"), on=await session.snapshot(), trusted_tools=True)
    await session.close()
    return time.perf_counter() - began


async def measure_databases(_: argparse.Namespace) -> list[Row]:
    """Measure episodes a second of each database engine."""
    rows = []
    for engine, found in (await asyncio.to_thread(database_episodes.measure)).items():
        goal = DATABASE_GOALS[engine]
        what = f"{engine} episodes a second, four slots"
        if isinstance(found, str):
            rows.append(Row(what, f"left out: {found}", f"{goal:,}", None))
        else:
            rate = statistics.median(found)
            told = f"{rate:,.0f} ({min(found):,.0f} to {max(found):,.0f} in {len(found)} turns)"
            rows.append(Row(what, told, f"{goal:,}", rate >= goal))
    return rows


async def measure_neighbours(chosen: argparse.Namespace) -> list[Row]:
    """Measure what a sandbox that floods costs its neighbour's commands, processor shares apart."""
    rows = []
    for flood, ratios in (await neighbours.measure(chosen.rounds)).items():
        ratio = statistics.median(ratios)
        found = f"{ratio:.2f} times ({min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} turns)"
        what = f"a command beside a flood of {flood}, over one beside a busy loop"
        rows.append(Row(what, found, f"{NEIGHBOUR} times", ratio <= NEIGHBOUR))
    return rows


PARTS: dict[str, Callable[[argparse.Namespace], Coroutine[None, None, list[Row]]]] = {
    "speed": measure_speed,
    "overhead": measure_overhead,
    "memory": measure_memory,
    "growth": measure_growth,
    "databases": measure_databases,
    "neighbours": measure_neighbours,
}


def render(rows: list[Row], load_before: float) -> str:
    """Render the table, with under which load it was measured."""
    command = " ".join(["python -m benchmarks.sandbox", *sys.argv[1:]])
    told = (
        f"`{command}` on {date.today().isoformat()}: Linux {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores; load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after (the "
        "benchmark's own included)."
    )
    return "\n".join([told, "", "| | found | goal | |", "|---|---|---|---|", *map(render_row, rows)])


def render_row(row: Row) -> str:
    verdict = {True: "met", False: "**missed**", None: ""}[row.met]
    return table_line(cell.replace("|", r"\|") for cell in (row.what, row.found, row.goal, verdict))


if __name__ == "__main__":
    sys.exit(main())
