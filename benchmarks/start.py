"""How long commands take to begin: beside an empty Prefect flow, the first table of docs/speed.md.

Each round takes every measurement once, so that whatever else the machine does meets all; a table holds medians of the
rounds and ratios of those. Every round has a home of its own, with a release in it, and the servers that it starts end
with it. Exit code 1 if a goal is missed.

    python -m benchmarks.start                             about 15 minutes on two idle cores
    python -m benchmarks.start --write docs/speed.md
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.page import Marks, table_line
from commands.dashboard.home_server import HomeServer
from commands.dashboard.server_folder import ServerRecord

TABLE = Marks("<!-- table: python -m benchmarks.start --write docs/speed.md -->")
TRAJMILL = Path(sys.executable).with_name("trajmill")
IDLE_MINUTES = "30"
"""Longer than a round."""

EMPTY_FLOW = """
import asyncio
from prefect import flow

@flow
async def nothing() -> None: pass

asyncio.run(nothing())
"""


class Took(NamedTuple):
    """One process, and what it started."""

    seconds: float
    cpu_seconds: float


class Line(NamedTuple):
    """One line of the table; `beside` and `at_most` make the goal."""

    what: str
    key: str
    beside: str = ""
    at_most: float = 0.0
    """Times `beside`, or seconds where that is empty; 0 = measured to compare with."""
    plus: str = ""
    """What may come on top of it."""


LINES = (
    Line("an empty flow, server running", "flow, served"),
    Line("`publish` of a release that stands, server running", "publish, served", "flow, served", 2),
    Line("the smoke build, server running", "smoke, served", "flow, served", 5),
    Line("an empty flow, with a server of its own", "flow, alone"),
    Line("`publish` of a release that stands, no server yet", "publish, cold", "flow, alone", 1.2),
    Line("the same again: the server is warm", "publish, warm", "flow, alone", 1 / 3),
    Line("the start of the home's server, by itself", "server"),
    Line("the smoke build, no server yet", "smoke, cold", "smoke, served", 1.1, plus="server"),
    Line("a missing key: `build --config openai`", "no key", at_most=2),
    Line("a home that is not there: `publish`", "no home", at_most=2),
    Line("nothing to publish", "nothing", at_most=2),
    Line("`status`", "status", at_most=1),
    Line("`sql`", "sql", at_most=1),
    Line("`show`", "show", at_most=1),
    Line("`--help`", "help"),
)


def main() -> int:
    """Measure, print, write; return 1 if a goal is missed."""
    chosen = read_arguments()
    load = os.getloadavg()[0]
    taken: dict[str, list[Took]] = {line.key: [] for line in LINES}
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory(prefix="trajmill-start-", ignore_cleanup_errors=True) as folder:
            for key, took in measure(Path(folder)):
                taken[key].append(took)
                print(f"round {number + 1}: {key}: {took.seconds:.1f} s", file=sys.stderr, flush=True)
    medians = {key: Took(*map(statistics.median, zip(*all_, strict=True))) for key, all_ in taken.items()}
    table = render(medians, chosen.rounds, load)
    print(table)
    if chosen.write:
        chosen.write.write_text(TABLE.put(chosen.write.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0 if all(is_met(line, medians) is not False for line in LINES) else 1


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="page to put the table into")
    return parser.parse_args()


def measure(folder: Path) -> Iterator[tuple[str, Took]]:
    """Take every measurement once."""
    home, other = folder / "home", folder / "other"
    yield "smoke, cold", trajmill("build", "--config", "smoke", "--home", str(home))
    trajmill("publish", "--config", "smoke", "--home", str(home))  # so that a release of all that landed stands
    quiet = copy_of(home, folder / "quiet")
    yield "flow, alone", run([sys.executable, "-c", EMPTY_FLOW], PREFECT_HOME=str(folder / "own"))
    yield "publish, cold", trajmill("publish", "--config", "smoke", "--home", str(quiet))
    yield "publish, warm", trajmill("publish", "--config", "smoke", "--home", str(quiet))
    (other / "prefect").mkdir(parents=True)
    started = time.monotonic()
    with server_of(other) as record:
        yield "server", Took(time.monotonic() - started, 0.0)
        served = {"PREFECT_API_URL": record.api, "PREFECT_API_AUTH_STRING": record.password}
        yield "flow, served", run([sys.executable, "-c", EMPTY_FLOW], PREFECT_HOME=str(folder / "own"), **served)
        yield "publish, served", trajmill("publish", "--config", "smoke", "--home", str(quiet), **served)
        yield "smoke, served", trajmill("build", "--config", "smoke", "--home", str(folder / "new"), **served)
    (folder / "empty" / "tables").mkdir(parents=True)
    yield "no key", trajmill("build", "--config", "openai", "--home", str(folder / "none"), code=2)
    yield "no home", trajmill("publish", "--home", str(folder / "nowhere"), code=2)
    yield "nothing", trajmill("publish", "--home", str(folder / "empty"), code=2)
    yield "status", trajmill("status", "--home", str(home))
    yield "sql", trajmill("sql", "SELECT count(*) FROM episodes", "--home", str(home))
    release = next((home / "releases").iterdir()).name
    yield "show", trajmill("show", release, "--home", str(home))
    yield "help", trajmill("--help")


def copy_of(home: Path, to: Path) -> Path:
    """Copy a home without its server and its history."""
    return Path(shutil.copytree(home, to, ignore=shutil.ignore_patterns("prefect", "build.lock")))


@contextmanager
def server_of(home: Path) -> Iterator[ServerRecord]:
    """Start a home's server and use it; it ends afterwards."""
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    server = HomeServer(home, 0.0)
    try:
        yield server.wait(lambda line: print(line, file=sys.stderr))
    finally:
        server.let_go()


def trajmill(*arguments: str, code: int = 0, **environment: str) -> Took:
    """Run a command as users do."""
    return run([str(TRAJMILL), *arguments], code=code, TRAJMILL_SERVER_IDLE_MINUTES=IDLE_MINUTES, **environment)


def run(command: list[str], *, code: int = 0, **environment: str) -> Took:
    """Run a process to its end and return what it took; its CPU seconds are without a server that outlives it."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "OPENAI_", "TRAJMILL_"))}
    plain = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    plain["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "3600"
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        env=mine | plain | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) != code:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{told.decode()}")
    return Took(seconds, usage.ru_utime + usage.ru_stime)


def goal_of(line: Line, medians: dict[str, Took]) -> float | None:
    """Return the seconds that a line may take; None = any."""
    if not line.at_most:
        return None
    base = medians[line.beside].seconds if line.beside else 1.0
    return line.at_most * base + (medians[line.plus].seconds if line.plus else 0.0)


def is_met(line: Line, medians: dict[str, Took]) -> bool | None:
    """Say whether a line's goal is met; None = it has none."""
    goal = goal_of(line, medians)
    return None if goal is None else medians[line.key].seconds <= goal


def render(medians: dict[str, Took], rounds: int, load: float) -> str:
    """Render the table."""
    about = (
        f"{date.today().isoformat()}, {os.cpu_count()} cores, load {load:.1f} before; medians of {rounds}, in turns."
    )
    lines = [about, "", table_line(("what", "s", "CPU s", "goal, s", "")), table_line(("---", *["---:"] * 3, "---"))]
    for line in LINES:
        took, goal, met = medians[line.key], goal_of(line, medians), is_met(line, medians)
        cpu = f"{took.cpu_seconds:.1f}" if took.cpu_seconds else ""
        mark = "" if met is None else "met" if met else "**missed**"
        lines.append(
            table_line((line.what, f"{took.seconds:.1f}", cpu, "" if goal is None else spell(line, goal), mark))
        )
    return "\n".join(lines)


def spell(line: Line, goal: float) -> str:
    """Write a goal with where it comes from."""
    if not line.beside:
        return f"{goal:.0f}"
    times = f"{line.at_most:.2g} x {line.beside}" + (f" + {line.plus}" if line.plus else "")
    return f"{goal:.1f} ({times})"


if __name__ == "__main__":
    sys.exit(main())
