"""Builds that are ended at a moment of their own and go on: how one is, and what is compared afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from environments.os.families.catalogue import recognise
from schemas.tables import TABLES
from teachers.ledger.ledger import Ledger
from warehouse.digests import digest_rows, lasting_keys
from warehouse.state import State
from warehouse.warehouse import Warehouse

STAGES = ("generate_tasks", "collect_episodes", "curate_trajectories", "ingest_conversations", "publish_mixture")
SEED = 20231019
TRIES = 5
STOPPED = "trajmill: stopped; run the same command again to go on where it stood\n"

Process = tuple[int, str]
"""A process id and the tick at which it began: ids are used again."""


# Where a build stands, read from its home as anybody may.


def stage_of(home: Path) -> str:
    """Return the stage that a build is in: `start` before the first, `done` after the last."""
    if not (home / "state.sqlite").exists():
        return "start"
    with closing(sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True)) as db:
        try:
            ends = [row[0] for row in db.execute("SELECT finished_at FROM builds")]
            planned = {row[0] for row in db.execute("SELECT DISTINCT stage FROM plans")}
        except sqlite3.OperationalError:  # the tables are being made
            return "start"
    if not ends or ends[0]:
        return "done" if ends else "start"
    chats = sorted((home / "general").glob("*/*")) if (home / "general").exists() else []
    if chats:
        commits = len(list((home / "tables" / "conversations" / "_delta_log").glob("*.json")))
        return STAGES[4] if commits >= 1 + 2 * len(chats) else STAGES[3]
    return next((stage for stage in (STAGES[2], STAGES[1]) if stage in planned), STAGES[0])


def share_of(stage: str) -> float:
    """Return how far into a stage a build is killed: the same in every run."""
    return random.Random(f"{SEED} {stage}").random()


def position(stage: str) -> int:
    return ("start", *STAGES, "done").index(stage)


# Processes.


def table_of_processes() -> Iterator[tuple[int, int, str, str]]:
    """Yield pid, parent, beginning and state of every process that can be seen."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), int(fields[1]), fields[19], fields[0]


def descendants(root: int) -> dict[Process, str]:
    """Return every process that another one started, with its command line."""
    children: dict[int, list[Process]] = {}
    for pid, parent, began, _ in table_of_processes():
        children.setdefault(parent, []).append((pid, began))
    found: dict[Process, str] = {}
    todo = [root]
    while todo:
        for pid, began in children.get(todo.pop(), []):
            found[pid, began] = command_of(pid)
            todo.append(pid)
    return found


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:120]
    except OSError:
        return ""


def left_of(processes: dict[Process, str], seconds: float = 60) -> list[str]:
    """Return the command lines of those that still live after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        living = {(pid, began) for pid, _, began, state in table_of_processes() if state != "Z"}
        left = [command for process, command in processes.items() if process in living]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


# One build, its death and its continuation.


@dataclass
class Builder:
    """Runs the command on homes of its own, with one configuration and one endpoint."""

    folder: Path
    config: Path
    endpoint: Any
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each stage, in an undisturbed build: what shares of a stage are taken of."""
    homes: int = 0

    def new_home(self) -> Path:
        self.homes += 1
        return self.folder / f"home-{self.homes}"

    def run(self, home: Path) -> dict[str, Any]:
        """Build to the end; return what `--json` says."""
        with self.running(home) as process:
            code = process.wait()
        assert code == 0, said_by(home)
        return self.told(home)

    def told(self, home: Path) -> dict[str, Any]:
        """Return what the last command on a home said, as `--json` has it."""
        told: dict[str, Any] = json.loads(self.out(home).read_text())
        return told

    @contextmanager
    def running(self, home: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start the command as a terminal would: a process group of its own."""
        home.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).with_name("trajmill")), "build", "--config", str(self.config), "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        with self.out(home).open("wb") as out, errors_of(home).open("wb") as errors:
            process = subprocess.Popen(
                [*command, "--home", str(home)],
                stdout=out,
                stderr=errors,
                env=environment | self.endpoint.settings,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def out(self, home: Path) -> Path:
        return home.with_suffix(".out")

    def undisturbed(self) -> Path:
        home = self.new_home()
        self.seconds = self.run(home)["seconds"]
        return home


def errors_of(home: Path) -> Path:
    return home.with_suffix(".err")


def said_by(home: Path) -> str:
    return errors_of(home).read_text()


@dataclass
class Killed:
    """A build that was ended at a moment, and what came of it."""

    home: Path
    share: float
    stage: str
    """In which it stood when it died."""
    code: int
    said: str
    left: list[str]
    """Processes that outlived it."""
    asked: list[str]
    """Requests that the endpoint had got by then."""
    paid: set[str]
    """Those whose answer was in the ledger."""
    journalled: int
    again: list[str] = field(default_factory=list)
    """Requests of the continuation."""
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def in_flight(self) -> Counter[str]:
        return Counter(self.asked) - Counter(self.paid)


def kill_and_continue(builder: Builder, stage: str, share: float, how: signal.Signals = signal.SIGKILL) -> Killed:
    """End a fresh build when it is some share into a stage, then run the same command again."""
    killed = end_at(builder, stage, share, how)
    for _ in range(TRIES):
        if killed is None:
            share /= 2  # it went faster than the one that the stages' lengths were taken of
            killed = end_at(builder, stage, share, how)
    assert killed is not None, f"{1 + TRIES} builds were over before {how.name} in {stage} ended them"
    return continued(builder, killed)


def kill_amid_a_rollout(builder: Builder, seen: dict[str, str]) -> Killed:
    """End a fresh build once an attempt has shown what it did not show in another build, then run it to its end."""
    for _ in range(1 + TRIES):
        killed = end_when(builder, lambda process, home: wait_for_news(process, home, seen), 0.0, signal.SIGKILL)
        if killed and shows_news(killed.home, seen):  # else its shard landed meanwhile
            return continued(builder, killed)
    raise AssertionError(f"{1 + TRIES} builds landed what they showed before they were killed")


def continued(builder: Builder, killed: Killed) -> Killed:
    builder.endpoint.asked.clear()
    killed.told = builder.run(killed.home)
    killed.again = list(builder.endpoint.asked)
    return killed


def end_at(builder: Builder, stage: str, share: float, how: signal.Signals) -> Killed | None:
    """Return what a build left when it was ended in a stage, or None where it was over before."""
    seconds = share * builder.seconds[stage]
    return end_when(builder, lambda process, home: wait_until(process, home, stage, seconds), share, how)


def end_when(
    builder: Builder, wait: Callable[[subprocess.Popen[bytes], Path], None], share: float, how: signal.Signals
) -> Killed | None:
    home = builder.new_home()
    builder.endpoint.asked.clear()
    with builder.running(home) as process:
        wait(process, home)
        family = descendants(process.pid)
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # what Ctrl-C in a terminal does
        else:
            process.send_signal(how)
        code = process.wait()
    asked = list(builder.endpoint.asked)
    left, stood = left_of(family), stage_of(home)
    if stood == "done":
        return None
    paid = paid_of(builder, home)
    return Killed(home, share, stood, code, said_by(home), left, asked, paid, State(home).count_journalled())


def wait_until(process: subprocess.Popen[bytes], home: Path, stage: str, seconds: float) -> None:
    """Wait for a stage to begin and for some seconds of it, but no longer than it lasts."""
    while position(stage_of(home)) < position(stage):
        assert process.poll() is None, said_by(home)
        time.sleep(0.01)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and stage_of(home) == stage:
        time.sleep(0.005)


def wait_for_news(process: subprocess.Popen[bytes], home: Path, seen: dict[str, str]) -> None:
    wait_until(process, home, "collect_episodes", 0)
    while process.poll() is None and stage_of(home) == "collect_episodes" and not shows_news(home, seen):
        time.sleep(0.005)


def shows_news(home: Path, seen: dict[str, str]) -> bool:
    """Whether the journal holds what an attempt did not show in the build that `seen` is of."""
    with closing(sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True)) as db:
        shown = db.execute("SELECT episode_id, observation FROM journal").fetchall()
    return any(episode in seen and observation not in seen[episode] for episode, observation in shown)


def paid_of(builder: Builder, home: Path) -> set[str]:
    """Return the fingerprints of the requests whose answers the ledger holds."""
    with closing(Ledger(home / "ledger.sqlite")) as ledger:
        rows = ledger.rows_after(0, 100_000)
        return {builder.endpoint.fingerprint(ledger.request(row.completion_id)) for _, row in rows}


def is_frugal(kill: Killed) -> bool:
    """Whether the continuation sent nothing again but what was in flight, and nothing twice."""
    repeated = Counter(request for request in kill.again if request in set(kill.asked))
    once = max(Counter(kill.again).values(), default=1) == 1
    return once and repeated <= kill.in_flight and kill.paid <= set(kill.asked)


# Rows, compared without what is allowed to differ; a home that was compared is not built on before the last test.


@cache
def rows_of(home: Path, table: str) -> dict[tuple[Any, ...], str]:
    """Return the digest of each row, volatile fields apart, by key."""
    columns, rows = Warehouse(home).sql(f"SELECT * FROM {table}")
    keys = lasting_keys(TABLES[table])
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return {tuple(row[key] for key in keys): digest_rows(TABLES[table], [row]) for row in named}


@cache
def task_of_row(home: Path) -> dict[str, Callable[[tuple[Any, ...]], str | None]]:
    """For each table: which task a row belongs to, by its key; None = it belongs to no attempt at a task."""
    warehouse = Warehouse(home)
    episodes = dict(warehouse.query("SELECT DISTINCT episode_id, task_id FROM episodes"))
    trajectories = dict(warehouse.query("SELECT trajectory_id, task_id FROM trajectories"))
    curated = "SELECT rejection_id, split_part(source, '/', 1) FROM rejections WHERE stage = 'curate'"
    rejections = {id_: episodes[episode] for id_, episode in warehouse.query(curated)}
    completions = tasks_of_completions(home)
    return {
        "task_specs": lambda key: None,
        "episodes": lambda key: episodes[key[0]],
        "turns": lambda key: episodes[key[0]],
        "trajectories": lambda key: trajectories[key[0]],
        "rejections": lambda key: rejections.get(key[0]),
        "completions": lambda key: completions.get(key[0]),
        "conversations": lambda key: None,
    }


def tasks_of_completions(home: Path) -> dict[str, str]:
    """Find the task that a request of a rollout or a backfill speaks of, by its instruction."""
    instructions = Warehouse(home).query("SELECT instruction, task_id FROM task_specs")
    found: dict[str, str] = {}
    with closing(Ledger(home / "ledger.sqlite")) as ledger:
        for _, row in ledger.rows_after(0, 100_000):
            if row.purpose != "generate_tasks":
                text = "\n".join(message.content for message in ledger.request(row.completion_id).messages)
                found[row.completion_id] = next(task for instruction, task in instructions if instruction in text)
    return found


def differing_tasks(one: Path, other: Path) -> set[str]:
    """Return the tasks whose attempts came out in different rows."""
    found: set[str] = set()
    for table in ("episodes", "turns", "trajectories"):
        of, rows = task_of_row(one)[table], rows_of(one, table)
        of_other, others = task_of_row(other)[table], rows_of(other, table)
        found |= {str(of(key)) for key, row in rows.items() if others.get(key) != row}
        found |= {str(of_other(key)) for key, row in others.items() if rows.get(key) != row}
    return found


def shown_in(home: Path, tasks: set[str]) -> dict[str, str]:
    """Return all that the attempts at some tasks showed, by episode."""
    query = "SELECT e.episode_id, string_agg(t.observation, chr(10)) FROM episodes e JOIN turns t USING (episode_id) "
    return dict(
        Warehouse(home).query(query + "WHERE list_contains(?::VARCHAR[], e.task_id) GROUP BY ALL", (sorted(tasks),))
    )


def told_tasks(home: Path) -> set[str]:
    """Return the tasks of which an attempt is told as not reproducible."""
    where = "outcome = 'environment_error' AND outcome_reason = 'not_reproducible'"
    return set(Warehouse(home).column("episodes", "task_id", where))


def restless_tasks(home: Path) -> set[str]:
    """Return the tasks whose families show times, process ids or random names."""
    specs = Warehouse(home).query("SELECT task_id, instruction FROM task_specs WHERE environment = 'os'")
    found = {task: recognise(instruction) for task, instruction in specs}
    return {task for task, known in found.items() if known and known.family.volatile}


def without(home: Path, table: str, tasks: set[str]) -> dict[tuple[Any, ...], str]:
    of = task_of_row(home)[table]
    return {key: row for key, row in rows_of(home, table).items() if of(key) not in tasks}


def is_the_same_home(one: Path, other: Path) -> bool:
    """Compare every table's digest and every byte of the release."""
    mine, theirs = Warehouse(one), Warehouse(other)
    assert {table: mine.digest(table) for table in TABLES} == {table: theirs.digest(table) for table in TABLES}
    return files(one / "releases") == files(other / "releases")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
