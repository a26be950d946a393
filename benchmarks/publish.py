"""What publishing, its expectations, planning, status and landing cost in large homes, each in a process of its own.

    python -m benchmarks.publish [--rows 100000] [--write docs/speed.md]

Beside publication stands what DuckDB's COPY takes to write the same rows again: the same tables, codec and row groups.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import duckdb
import orjson

from benchmarks.bulk_home import CURATION, bulk_episode, bulk_home, bulk_task, land_numbered
from benchmarks.page import Marks, table_line
from environments.db.world import DbWorld
from environments.registry import Worlds
from flows.configuration import load_config
from tasks.workshop import Workshop, at_work
from teachers.base import NoTeacher
from teachers.ledger.ledger import Ledger
from warehouse.state import State
from warehouse.warehouse import Warehouse

ETA = 0.2
GOALS = {
    "publish": "2 x COPY, 500 MB",
    "expectations": "10 s, 500 MB",
    "plan": "5 s, flat memory",
    "funnel": "0.2 s",
    "land": "11 x",
}


def main() -> int:
    """Measure and print, or measure one thing in this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--episodes", type=int, default=1_000_000)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--only", choices=sorted(MEASURES))
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    if given.only:
        sys.stdout.write(orjson.dumps(MEASURES[given.only](given.home)).decode())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lines = _measure_all(Path(folder), given.rows, given.episodes)
    about = f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} after."
    table = "\n".join(
        [about, "", table_line(["what", "s", "CPU s", "peak MB", "goal"]), table_line(["---"] * 5), *lines]
    )
    print(table)
    if given.write:
        marks = Marks("<!-- table: python -m benchmarks.publish --write docs/speed.md -->")
        given.write.write_text(marks.put(given.write.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0


def _measure_all(folder: Path, rows: int, episodes: int) -> list[str]:
    agent = round(rows * ETA)
    home, tasks, many = folder / "mixed", folder / "tasks", folder / "episodes"
    bulk_home(home, agent=agent, chats=rows - agent)
    lines = [_line(f"publish {rows:,} rows, expectations apart", "publish", home, GOALS["publish"])]
    lines.append(_line("DuckDB's COPY of the same tables", "copy", home, ""))
    whole = folder / "trajectories"
    bulk_home(whole, agent=rows, chats=0)
    lines.append(_line(f"expectations over {rows:,} trajectories", "expectations", whole, GOALS["expectations"]))
    for count in (rows // 10, rows):
        place = tasks / str(count)
        land_numbered(
            Warehouse(place), "task_specs", bulk_task(), count, {"task_id": "task-{}", "instruction": "Do {}."}
        )
        lines.append(_line(f"ten attempts planned at {count:,} open tasks", "plan", place, GOALS["plan"]))
    land_numbered(Warehouse(many), "task_specs", bulk_task(), episodes // 10, {"task_id": "task-{}"})
    land_numbered(Warehouse(many), "episodes", bulk_episode(), episodes, {"episode_id": "e-{}", "task_id": "task-{}"})
    Warehouse(many).gc()
    lines.append(_line(f"funnel over {episodes:,} episodes, warm", "funnel", many, GOALS["funnel"]))
    lines += _landing(folder)
    return lines


def _line(what: str, measure: str, home: Path, goal: str) -> str:
    found = _measured(measure, home)
    seconds, cpu, peak = (found[name] for name in ("seconds", "cpu", "peak_mb"))
    return table_line([what, f"{seconds:.2f}", f"{cpu:.2f}", f"{peak:.0f}", goal])


def _measured(measure: str, home: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.publish", "--only", measure, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{measure}: {done.stderr[-2000:]}")
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


def _timed(work: Callable[[], object], *, warm: int = 0) -> dict[str, float]:
    for _ in range(warm):
        work()
    began, cpu = time.perf_counter(), time.process_time()
    work()
    took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return {**took, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """Return the most memory that this process had; `ru_maxrss` is at least its parent's, which made the homes."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _publish(home: Path) -> dict[str, float]:
    from tasks.publish import mixture

    with _shop(home) as shop, patch.object(mixture, "validate_folder"):
        return _timed(lambda: asyncio.run(mixture.publish_release.fn(shop.build, [])))


def _copy(home: Path) -> dict[str, float]:
    (release,) = (home / "releases").iterdir()
    tables = sorted((release / "data").iterdir())

    def copy() -> None:
        with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
            connection.execute("SET memory_limit = '400MB'")
            for table in tables:
                to = f"{folder}/{table.name}.parquet"
                connection.execute(
                    f"COPY (FROM '{table}/*.parquet') TO '{to}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)"
                )

    return _timed(copy)


def _expectations(home: Path) -> dict[str, float]:
    from warehouse.expectations import validate_stages

    warehouse = Warehouse(home)
    return _timed(lambda: validate_stages(warehouse, build=1))


def _plan(home: Path) -> dict[str, float]:
    from tasks.collect.plan import plan_wave

    with _shop(home, **{"collect.attempts": 10}) as shop:
        waves = range(1, 11)
        return _timed(lambda: sum(len(plan_wave(shop, "db", wave, "teacher", ["own"])) for wave in waves))


def _funnel(home: Path) -> dict[str, float]:
    from reports.funnel import funnel

    warehouse = Warehouse(home)
    return _timed(lambda: funnel(warehouse, 1), warm=2)


def _landing(folder: Path) -> list[str]:
    def land(count: int, name: str) -> float:
        warehouse = Warehouse(folder / name)
        numbered = {"episode_id": "e-{}"}
        return _timed(lambda: land_numbered(warehouse, "episodes", bulk_episode(), count, numbered))["seconds"]

    land(1_000, "warm")
    small, large = min(land(20_000, f"small-{n}") for n in range(3)), land(200_000, "large")
    goal = f"{GOALS['land']}: {large / small:.1f} x"
    return [table_line(["landing 200,000 rows, ten times 20,000", f"{large:.2f}", "", "", goal])]


@contextmanager
def _shop(home: Path, **overrides: object) -> Iterator[Workshop]:
    """Open a workshop on a home, without Prefect and without a teacher."""
    recipe = {"mixture.curation_id": CURATION, "mixture.validation": 0.0, "mixture.eta": ETA}
    config = load_config("demo", {**recipe, **overrides})
    models = {"gpt-4": "gpt-4", "gpt-3.5": "gpt-3.5"}
    config = config.model_copy(update={"mixture": config.mixture.model_copy(update={"source_models": models})})
    with closing(State(home)) as state, closing(Ledger(home / "ledger.sqlite")) as ledger:
        shop = Workshop(
            config=config,
            config_name="demo",
            home=home,
            build=1,
            resumed=False,
            warehouse=Warehouse(home),
            state=state,
            ledger=ledger,
            teacher=NoTeacher(),
            worlds=Worlds({"db": DbWorld.on_sqlite(home / "databases")}, entered=True),
        )
        with at_work(shop):
            yield shop


MEASURES: dict[str, Callable[[Path], dict[str, float]]] = {
    "publish": _publish,
    "copy": _copy,
    "expectations": _expectations,
    "plan": _plan,
    "funnel": _funnel,
}

if __name__ == "__main__":
    sys.exit(main())
