"""What can strike a build: how a fault is drawn, waits for its moment and is done, to processes of the build alone."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.killed_builds import STAGES, Process, descendants, position, stage_of, table_of_processes
from benchmarks.listening_endpoint import Endpoint

KILLS_A_DECK = 12
OTHERS = ("pause", "pause", "disk", "clock", "cache", "429", "500", "hang", "reset")
"""What is shuffled among every twelve kills."""
WEIGHTS = dict(zip(("start", *STAGES), (1, 3, 4, 2, 1, 1), strict=True))
"""How often a stage is drawn: a longer one more often."""
ASKING = STAGES[:3]
"""Stages that ask the endpoint."""
LONGEST_PAUSE_SECONDS = 10
MOST_FAILURES = 40
FULL_SECONDS = 20
"""After which a full disk has room again, where the command does not end before."""
DISK_MEGABYTES = 448
"""A command refuses a home with less than 300 MB of room."""
SET_BACK_SECONDS = -86_400
CLOCK = Path(__file__).with_name("clock.c")
KINDS = (
    ("Prefect's server", "commands.dashboard.warm_server"),
    ("SQLite worker", "environments.db"),
    ("judge", "import json, re, resource"),
    ("sandbox process", "sandboxes/warden.py"),
    ("pod", "_bin/bwrap --args"),
    ("pod", "import os, resource, sys"),
    ("build", "trajmill build"),
)
"""What a process is, by what its command line holds; the rest runs inside of a sandbox."""
INSIDE = "command in a sandbox"


@dataclass(frozen=True)
class Fault:
    """One fault, drawn before the build that it strikes has begun."""

    kind: str
    stage: str
    """In which it strikes, or in a later one where the build is past it."""
    share: float
    """How far into the stage."""
    pick: float
    """Which kind of process of those that live then, from 0 to 1."""
    which: float
    """Which process of the kind."""
    size: float
    """How long a pause, how many failures."""


@dataclass
class Struck:
    """A fault that was done."""

    fault: Fault
    stage: str
    """In which the build stood."""
    target: str
    code: int | None = None
    """With which the command ended; None = it went on."""


def draw_faults(seed: int, with_clock: bool = True) -> Iterator[Fault]:
    """Yield faults for ever, the same ones for a seed: in every deck twelve kills and one of each other kind."""
    rng = random.Random(seed)
    while True:
        deck = ["kill"] * KILLS_A_DECK + [kind for kind in OTHERS if with_clock or kind != "clock"]
        rng.shuffle(deck)
        for kind in deck:
            stages = ASKING if kind in ("429", "500", "hang", "reset") else tuple(WEIGHTS)
            (stage,) = rng.choices(stages, [WEIGHTS[stage] for stage in stages])
            yield Fault(kind, stage, rng.random(), rng.random(), rng.random(), rng.random())


def kind_of(command: str) -> str:
    return next((kind for kind, part in KINDS if part in command), INSIDE)


def processes_of(root: int) -> dict[str, list[Process]]:
    """Return the processes of a build by kind, the oldest first; the build's own two are one kind."""
    mine = [(pid, began) for pid, _, began, _ in table_of_processes() if pid == root]
    kinds: dict[str, list[Process]] = {}
    for process in sorted([*mine, *descendants(root)], key=lambda process: (int(process[1]), process[0])):
        with suppress(OSError):
            command = Path(f"/proc/{process[0]}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if command:
                kinds.setdefault(kind_of(command), []).append(process)
    return kinds


def is_at_work(root: int) -> bool:
    """Say whether a command has come past its start: it has its server, and sandboxes."""
    living = processes_of(root).keys()
    return "Prefect's server" in living and not living.isdisjoint({"pod", "sandbox process"})


def choose(kinds: dict[str, list[Process]], fault: Fault) -> tuple[str, Process]:
    """Choose a kind of those that live, then one of its processes: a build has many commands and one server."""
    kind = sorted(kinds)[int(fault.pick * len(kinds))]
    return kind, kinds[kind][int(fault.which * len(kinds[kind]))]


def send(process: Process, what: signal.Signals) -> bool:
    """Signal a process of a build unless it has ended and its id is another's now."""
    if process not in {(pid, began) for pid, _, began, _ in table_of_processes()}:
        return False
    with suppress(ProcessLookupError):
        os.kill(process[0], what)
        return True
    return False


@dataclass
class Ground:
    """Where a build lies, and what of it can break."""

    home: Path
    cache: Path
    clock: Path | None
    """The file that the build's clock goes with; None = this build keeps its time."""
    endpoint: Endpoint
    is_mounted: bool = False
    """Whether the home has a small disk of its own."""
    awake: set[int] = field(default_factory=set)
    """Commands that have come past their start."""

    def comes_to(self, process: subprocess.Popen[bytes], fault: Fault, seconds: dict[str, float]) -> bool:
        """Wait for a fault's moment; False = the command ended before."""
        while not self._is_there(process, fault):
            if process.poll() is not None:
                return False
            time.sleep(0.03)
        deadline = time.monotonic() + fault.share * seconds[fault.stage]
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        return process.poll() is None and stage_of(self.home) != "done"

    def strike(self, process: subprocess.Popen[bytes], fault: Fault) -> Struck:
        """Do it; what lasts is over when this returns, or the command has ended."""
        stage = stage_of(self.home)
        target = {"kill": self._signal, "pause": self._signal, "disk": self._fill, "clock": self._set_back}.get(
            fault.kind, self._remove_cache if fault.kind == "cache" else self._fail
        )(process, fault)
        return Struck(fault, stage, target)

    def _is_there(self, process: subprocess.Popen[bytes], fault: Fault) -> bool:
        """Say whether the build is in a stage, and this command of it at work and not just starting."""
        if fault.stage == "start":
            return True
        if position(stage_of(self.home)) < position(fault.stage):
            return False
        if process.pid not in self.awake and is_at_work(process.pid):
            self.awake.add(process.pid)
        return process.pid in self.awake

    def _signal(self, process: subprocess.Popen[bytes], fault: Fault) -> str:
        kind, chosen = choose(processes_of(process.pid), fault)
        if fault.kind == "kill":
            return kind if send(chosen, signal.SIGKILL) else f"{kind} (had ended)"
        try:
            send(chosen, signal.SIGSTOP)
            time.sleep(1 + fault.size * (LONGEST_PAUSE_SECONDS - 1))
        finally:
            send(chosen, signal.SIGCONT)
        return kind

    def _fill(self, process: subprocess.Popen[bytes], fault: Fault) -> str:
        if not self.is_mounted:
            return self._forbid_growth(process)
        ballast = self.home / ".ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 20)):
                pass
        with suppress(subprocess.TimeoutExpired):
            process.wait(FULL_SECONDS)
        ballast.unlink()
        return "the home's disk"

    def _forbid_growth(self, process: subprocess.Popen[bytes]) -> str:
        """Let no file of the build's own processes grow: what a plain user can do."""
        own = processes_of(process.pid).get("build", [])
        before: dict[int, tuple[int, int]] = {}
        for pid, _ in own:
            with suppress(ProcessLookupError):
                _, hard = before[pid] = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        with suppress(subprocess.TimeoutExpired):
            process.wait(FULL_SECONDS)
        for pid, limits in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        return "every file"

    def _set_back(self, process: subprocess.Popen[bytes], fault: Fault) -> str:
        assert self.clock is not None
        set_clock(self.clock, SET_BACK_SECONDS)
        return "the clock"

    def _remove_cache(self, process: subprocess.Popen[bytes], fault: Fault) -> str:
        shutil.rmtree(self.cache, ignore_errors=True)  # the build may be writing into it
        return "the cache"

    def _fail(self, process: subprocess.Popen[bytes], fault: Fault) -> str:
        assert fault.kind in ("429", "500", "hang", "reset")
        self.endpoint.fail(fault.kind, 1 + int(fault.size * MOST_FAILURES))
        return "the endpoint"


@contextmanager
def own_disk(home: Path) -> Iterator[bool]:
    """Give a home a small disk of its own where that is allowed; say whether it has one."""
    home.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "trajmill-chaos", str(home)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(home)], check=True)


def make_clock(folder: Path) -> Path | None:
    """Compile the clock that can be set back; None = there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "clock.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(CLOCK)], check=True)
    return library


def set_clock(clock: Path, seconds: int) -> None:
    """Write into the file as it lies: processes have it mapped, and a shorter one would end them."""
    with os.fdopen(os.open(clock, os.O_RDWR | os.O_CREAT), "r+b", buffering=0) as file:
        file.write(struct.pack("l", seconds))


def with_own_clock(library: Path, clock: Path) -> dict[str, str]:
    """Return the environment of a build whose clock goes with a file; timers and file times stay true."""
    set_clock(clock, 0)
    return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(clock)}
