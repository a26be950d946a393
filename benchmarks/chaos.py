"""Kills at random moments all over a build's processes, among faults of every other kind; the same command goes on.

`python -m benchmarks.chaos --kills 50 --seed 20231019` prints every build and a table; `--write docs/recovery.md` puts
the table into the page. A seed draws the same faults again; on which process a share of a moment falls is the
machine's. Every build has its home, all have one cache and one endpoint (the offline teacher, which writes down what
it is asked), and only processes that descend from a build of ours are struck.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos_faults import (
    Fault,
    Ground,
    Struck,
    draw_faults,
    is_at_work,
    make_clock,
    own_disk,
    with_own_clock,
)
from benchmarks.chaos_verdict import Bill, Verdict, judge
from benchmarks.killed_builds import SEED, Builder, Process, descendants, left_of, position, said_by, stage_of
from benchmarks.listening_endpoint import Endpoint
from benchmarks.page import Marks, table_line
from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal

FAULTS_A_BUILD = 5
MOST_COMMANDS = 3 * FAULTS_A_BUILD
"""Of one build: more of them, and it does not come to its end."""
COMMAND_SECONDS = 900
"""After which a command that no fault is due for is taken to hang."""
TABLE = Marks("<!-- table: python -m benchmarks.chaos --write docs/recovery.md -->")
CONFIG = """
name = "chaos"
environments = ["os", "db"]

[teacher]
kind = "openai"
name = "endpoint"
timeout_seconds = 15

[generate]
rounds = 2

[generate.os]
requests = 12

[generate.db]
requests = 6
questions = 6

[collect]
shard_size = 6

[general]
conversations = 120

[mixture.source_models]
offline-a = "gpt-4"
offline-b = "gpt-3.5"
"""


@dataclass
class Endured:
    """A build, what struck it, and what came of it."""

    number: int
    struck: list[Struck] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    """With which its commands ended, in order."""
    words: list[str] = field(default_factory=list)
    """The last thing that each command said that ended by itself and was not done."""
    left: list[str] = field(default_factory=list)
    """Processes that outlived their command."""
    hung: int = 0
    """Commands that did not end though nothing was due for them."""
    verdict: Verdict | None = None
    """None = it did not come to its end."""

    @property
    def is_clean(self) -> bool:
        return self.verdict is not None and self.verdict.is_clean and not self.left and not self.hung


@dataclass
class Campaign:
    """Builds one after the other, until so many kills were done."""

    builder: Builder
    cache: Path
    clock: Path | None
    """The library of a clock that can be set back; None = there is none."""
    tell: Callable[[str], None]
    endured: list[Endured] = field(default_factory=list)

    def run(self, kills: int, seed: int, minutes: float) -> None:
        """Build undisturbed, then strike builds; none is begun once so many minutes are over."""
        deadline = time.monotonic() + 60 * minutes
        self.builder.endpoint.settings["TRAJMILL_CACHE"] = str(self.cache)
        reference = self._undisturbed()
        faults = draw_faults(seed, with_clock=self.clock is not None)
        done = 0
        while done < kills and time.monotonic() < deadline:
            drawn = take(faults, FAULTS_A_BUILD, kills - done)
            one = self._endure(drawn, reference)
            self.endured.append(one)
            self.tell(describe(one))
            done += sum(was_killed(struck) for struck in one.struck)

    def _undisturbed(self) -> Path:
        """Build once with nothing struck; time its stages, its start among them."""
        home, began = self.builder.new_home(), time.monotonic()
        with self.builder.running(home) as process:
            while process.poll() is None and not is_at_work(process.pid):
                time.sleep(0.1)
            start = time.monotonic() - began
            code = process.wait()
        assert code == 0, said_by(home)
        whole = time.monotonic() - began
        self.builder.seconds = {"start": start, **self.builder.told(home)["seconds"]}
        seconds = ", ".join(f"{stage} {took:.1f}" for stage, took in self.builder.seconds.items())
        self.tell(f"undisturbed: {whole:.0f} s ({seconds})")
        return home

    def _endure(self, faults: Sequence[Fault], reference: Path) -> Endured:
        one = Endured(len(self.endured) + 1)
        with ExitStack() as stack:
            ground = stack.enter_context(self._ground(faults))
            bill = Bill(self.builder.endpoint, ground.home)
            todo = list(faults)
            while stage_of(ground.home) != "done" and len(one.codes) < MOST_COMMANDS:
                self._run_once(ground, todo, one)
                self.builder.endpoint.fail("500", 0)
                bill.close_command()
            if stage_of(ground.home) == "done":
                one.verdict = judge(ground.home, reference, bill)
        return one

    @contextmanager
    def _ground(self, faults: Sequence[Fault]) -> Iterator[Ground]:
        """Make what the faults of a build need: a disk, a clock."""
        kinds = {fault.kind for fault in faults}
        endpoint, home = self.builder.endpoint, self.builder.new_home()
        before = dict(endpoint.settings)
        clock = home.with_suffix(".clock") if "clock" in kinds else None
        if clock and self.clock:
            endpoint.settings |= with_own_clock(self.clock, clock)
        try:
            with ExitStack() as stack:
                mounted = stack.enter_context(own_disk(home)) if "disk" in kinds else False
                yield Ground(home, self.cache, clock, endpoint, mounted)
        finally:
            endpoint.settings = before

    def _run_once(self, ground: Ground, todo: list[Fault], one: Endured) -> None:
        """Run the command and strike it with what is due, until it ends."""
        last: Struck | None = None
        with self.builder.running(ground.home) as process:
            family = dict(descendants(process.pid))
            while todo and ground.comes_to(process, todo[0], self.builder.seconds):
                family |= descendants(process.pid)
                last = ground.strike(process, todo.pop(0))
                one.struck.append(last)
            code = self._wait(process, family, one)
        if last is not None and code != 0:
            last.code = code
        one.codes.append(code)
        one.left += left_of(family)
        if code > 0:
            one.words.append((said_by(ground.home).strip().splitlines() or ["(nothing)"])[-1])

    def _wait(self, process: subprocess.Popen[bytes], family: dict[Process, str], one: Endured) -> int:
        """Wait for the end; look at its processes from time to time, which must be gone then."""
        deadline = time.monotonic() + COMMAND_SECONDS
        while time.monotonic() < deadline:
            try:
                return process.wait(1)
            except subprocess.TimeoutExpired:
                family |= descendants(process.pid)
        one.hung += 1
        process.kill()
        return process.wait()


def take(faults: Iterator[Fault], count: int, kills: int) -> list[Fault]:
    """Take a build's faults, no more kills among them than are left to do, in the order of their moments."""
    taken: list[Fault] = []
    for fault in itertools.islice(faults, count):
        taken.append(fault)
        kills -= fault.kind == "kill"
        if not kills:
            break
    return sorted(taken, key=lambda fault: (position(fault.stage), fault.share))


def was_killed(struck: Struck) -> bool:
    return struck.fault.kind == "kill" and not struck.target.endswith("(had ended)")


def describe(one: Endured) -> str:
    """Say in some lines what struck a build and what came of it."""
    faults = "; ".join(
        f"{struck.fault.kind} {struck.target} in {struck.stage}"
        + ("" if struck.code is None else f" (command ended: {struck.code})")
        for struck in one.struck
    )
    words = "".join(f"\n    said: {word}" for word in one.words)
    ended = f"commands ended {one.codes}; left {one.left}, hung {one.hung}"
    return f"build {one.number}: {faults}\n    {ended}; {one.verdict}{words}"


def draw_table(endured: Sequence[Endured], seed: int) -> str:
    """Draw what was struck, how often, and what it cost in all."""
    head = table_line(("fault", "struck", "times", "of them the command ended", "in stages"))
    lines = [head, table_line(["---"] * 5)]
    groups: dict[tuple[str, str], list[Struck]] = {}
    for struck in (struck for one in endured for struck in one.struck):
        groups.setdefault((struck.fault.kind, struck.target), []).append(struck)
    for (kind, target), found in sorted(groups.items()):
        ended = sum(struck.code is not None for struck in found)
        stages = Counter(struck.stage for struck in found)
        where = ", ".join(f"`{stage}` {stages[stage]}" for stage in sorted(stages, key=position))
        lines.append(table_line((kind, target, str(len(found)), str(ended), where)))
    return "\n".join([*lines, "", sum_up(endured, seed)])


def sum_up(endured: Sequence[Endured], seed: int) -> str:
    """Say what all builds together lost and paid."""
    kills = sum(was_killed(struck) for one in endured for struck in one.struck)
    verdicts = [one.verdict for one in endured if one.verdict]
    others = sum(len(one.struck) for one in endured) - kills
    lost, changed = sum(count_rows(v.lost) for v in verdicts), sum(count_rows(v.changed) for v in verdicts)
    return (
        f"Seed {seed}: {kills} kills and {others} other faults over {len(endured)} builds, which took "
        f"{sum(len(one.codes) for one in endured)} commands; {len(verdicts)} came to their end, "
        f"{sum(v.is_same for v in verdicts)} with every table's digest that of an undisturbed build. "
        f"Rows lost {lost}, changed {changed}, twice {sum(v.twice for v in verdicts)}, "
        f"more than there {sum(count_rows(v.more) for v in verdicts)}; tasks told as "
        f"without an outcome or tried again {sum(v.told for v in verdicts)}; answers paid twice "
        f"{sum(v.paid_twice for v in verdicts)}, in flight when a command ended {sum(v.in_flight for v in verdicts)}; "
        f"processes left {sum(len(one.left) for one in endured)}, "
        f"commands that hung {sum(one.hung for one in endured)}."
    )


def say(text: str) -> None:
    print(text, flush=True)


def count_rows(by_table: dict[str, int]) -> int:
    return sum(by_table.values())


def run_campaign(
    folder: Path, kills: int, seed: int, tell: Callable[[str], None] = say, minutes: float = math.inf
) -> list[Endured]:
    """Run a campaign in a folder of its own and return its builds."""
    os.environ["TRAJMILL_SERVER_IDLE_MINUTES"] = "0"  # the server belongs to the build, and is struck with it
    config = folder / "chaos.toml"
    config.write_text(CONFIG, encoding="utf-8")
    endpoint = Endpoint(OsRehearsal(volatile=False), DbRehearsal())
    endpoint.start()
    try:
        library = make_clock(folder)
        tell(f"seed {seed}, {kills} kills" + ("" if library else "; no C compiler, so no clock is set back"))
        campaign = Campaign(Builder(folder, config, endpoint), folder / "cache", library, tell)
        campaign.run(kills, seed, minutes)
        return campaign.endured
    finally:
        endpoint.stop()


def main() -> None:
    """Run a campaign and print or write its table; exit code 1 where anything was lost, twice or left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no other build is begun")
    parser.add_argument("--folder", type=Path, help="an empty one, kept; else one that is removed")
    parser.add_argument("--write", type=Path, help="the page that the table is put into")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trajmill-chaos-") as made:
        folder: Path = chosen.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # sandboxes of root's drop root and read the cache
        endured = run_campaign(folder.resolve(), chosen.kills, chosen.seed, minutes=chosen.minutes)
    table = draw_table(endured, chosen.seed)
    print(table)
    if chosen.write:
        chosen.write.write_text(TABLE.put(chosen.write.read_text(encoding="utf-8"), table), encoding="utf-8")
    sys.exit(0 if all(one.is_clean for one in endured) else 1)


if __name__ == "__main__":
    main()
