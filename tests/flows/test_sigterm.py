"""SIGTERM ends every command within seconds, whatever it is at, and the same command goes on where it stood."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.killed_builds import STOPPED, descendants, left_of, position, stage_of

pytestmark = [pytest.mark.slow]

TRAJMILL = str(Path(sys.executable).with_name("trajmill"))
WAITS = 30
"""Seconds that a command which would run for ever gets to end; five is what is promised, on an idle machine."""
TASKS = 3
CONFIG = """
name = "stuck"
environments = ["stuck"]

[teacher]
kind = "openai"
name = "nobody"
generator = "m"
solver = "m"
backfiller = "m"
prices = { m = "free" }
"""


class Ended(NamedTuple):
    """How a command ended that got a SIGTERM."""

    code: int
    said: str
    left: list[str]
    """Processes that outlived it."""


class Site(NamedTuple):
    """Where the world of stuck judges is installed, with a home that has its tasks."""

    folder: Path
    environment: dict[str, str]

    def run(self, home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([TRAJMILL, *arguments, "--home", home], env=self.environment, capture_output=True)

    @contextmanager
    def running(self, home: Path, *arguments: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command as a terminal would: a process group of its own."""
        with home.with_suffix(".err").open("wb") as errors:
            process = subprocess.Popen(
                [TRAJMILL, *arguments, "--home", home],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=self.environment | more,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def end(
        self, home: Path, send: Send, when: Callable[[subprocess.Popen[bytes]], bool], *arguments: str, **more: str
    ) -> Ended:
        """Send a command a SIGTERM once it is somewhere, and wait until it has ended."""
        with self.running(home, *arguments, **more) as process:
            while not when(process):
                assert process.poll() is None, home.with_suffix(".err").read_text()
                time.sleep(0.01)
            family = descendants(process.pid)
            send(process, list(family))
            code = process.wait(WAITS)
        return Ended(code, home.with_suffix(".err").read_text(), left_of(family))


Send = Callable[[subprocess.Popen[bytes], list[tuple[int, str]]], None]


def to_process(process: subprocess.Popen[bytes], family: list[tuple[int, str]]) -> None:
    process.terminate()


def to_group(process: subprocess.Popen[bytes], family: list[tuple[int, str]]) -> None:
    """Do what `timeout` does."""
    process.terminate()
    os.killpg(process.pid, signal.SIGTERM)


def to_everything(process: subprocess.Popen[bytes], family: list[tuple[int, str]]) -> None:
    """Do what systemd does: KillMode=control-group."""
    for pid in (process.pid, *(pid for pid, _ in family)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Install the world of stuck judges, as pip would, and import its tasks while it judges them."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("stuck_world.py"), folder)
    about = folder / "stuck_world-1.0.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text("[trajmill.worlds]\nstuck = stuck_world:StuckWorld\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck-world\nVersion: 1.0\n")
    (folder / "stuck.toml").write_text(CONFIG)
    tasks = [
        {
            "environment": "stuck",
            "instruction": f"Say what stands on shelf {number} of the cellar.",
            "setup": {},
            "reference": [{"code": str(number + 100)}],
            "check": {"kind": "stuck"},
        }
        for number in range(TASKS)
    ]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    own = {"PYTHONPATH": str(folder), "STUCK_TOLD": str(folder / "told"), "TRAJMILL_SERVER_IDLE_MINUTES": "0"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRAJMILL_"))}
    site = Site(folder, clean | own)
    imported = site.run(folder / "home", *import_of(site))
    assert imported.returncode == 0, imported.stderr
    return site


def import_of(site: Site) -> tuple[str, ...]:
    return ("import", "tasks", str(site.folder / "tasks.jsonl"), "--config", str(site.folder / "stuck.toml"))


def collect_of(site: Site) -> tuple[str, ...]:
    return ("collect", "--solver", "reference", "--config", str(site.folder / "stuck.toml"))


def end_judging(site: Site, home: Path, how: str, send: Send, *arguments: str) -> Ended:
    """End a command while a judge of it computes for ever."""
    told = site.folder / "told"
    told.unlink(missing_ok=True)
    return site.end(home, send, lambda process: told.exists(), *arguments, STUCK=how)


@pytest.mark.parametrize("send", [to_process, to_group, to_everything])
@pytest.mark.parametrize(
    ("how", "code"), [("loop", 130), ("sleep", 130), ("pattern", 130), ("number", 130), ("C code", -signal.SIGKILL)]
)
def test_a_judge_that_computes_for_ever_holds_no_command(
    site: Site, tmp_path: Path, how: str, code: int, send: Send
) -> None:
    ended = end_judging(site, tmp_path / "home", how, send, *import_of(site))
    assert ended == (code, STOPPED, [])
    assert b"3 imported" in site.run(tmp_path / "home", *import_of(site)).stdout


@pytest.mark.parametrize(
    ("how", "send", "code"),
    [("loop", to_process, 130), ("pattern", to_group, 130), ("C code", to_everything, -signal.SIGKILL)],
)
def test_nor_does_one_hold_a_run_which_then_goes_on(
    site: Site, tmp_path: Path, how: str, send: Send, code: int
) -> None:
    home = shutil.copytree(site.folder / "home", tmp_path / "home")
    ended = end_judging(site, home, how, send, *collect_of(site))
    assert (ended.code, ended.said[-len(STOPPED) :], ended.left) == (code, STOPPED, [])
    assert "Traceback" not in ended.said
    again = site.run(home, *collect_of(site), "--json")
    assert again.returncode == 0, again.stderr
    counted = site.run(home, "sql", "SELECT count(*) AS n FROM episodes WHERE verdict = 'passed'", "--json")
    assert json.loads(counted.stdout)["rows"] == [[TASKS]]


def test_nor_a_proof_that_is_run_again(site: Site, tmp_path: Path) -> None:
    home = shutil.copytree(site.folder / "home", tmp_path / "home")
    assert site.run(home, *collect_of(site)).returncode == 0
    (task, *_) = json.loads(site.run(home, "sql", "SELECT task_id FROM task_specs", "--json").stdout)["rows"][0]
    assert end_judging(site, home, "loop", to_process, "verify", task) == (130, STOPPED, [])


def is_watched(process: subprocess.Popen[bytes]) -> bool:
    return bool(descendants(process.pid))


def has_server(process: subprocess.Popen[bytes]) -> bool:
    return any("warm_server" in command for command in descendants(process.pid).values())


@pytest.mark.parametrize("send", [to_process, to_group, to_everything])
@pytest.mark.parametrize("when", [is_watched, has_server])
def test_a_command_that_starts_ends_with_words(
    site: Site, tmp_path: Path, when: Callable[[subprocess.Popen[bytes]], bool], send: Send
) -> None:
    assert site.end(tmp_path / "home", send, when, "build") == (130, STOPPED, [])


@pytest.mark.parametrize(
    ("stage", "send"),
    [("generate_tasks", to_process), ("collect_episodes", to_everything), ("publish_mixture", to_group)],
)
def test_a_build_ends_in_any_stage_and_goes_on(site: Site, tmp_path: Path, stage: str, send: Send) -> None:
    home, build = tmp_path / "home", ("build", "--config", "smoke")
    ended = site.end(home, send, lambda process: position(stage_of(home)) >= position(stage), *build)
    assert (ended.code, ended.said[-len(STOPPED) :], ended.left) == (130, STOPPED, [])
    assert "Traceback" not in ended.said
    again = site.run(home, *build, "--json")
    assert again.returncode == 0, again.stderr
    told: dict[str, Any] = json.loads(again.stdout)
    assert (told["build"], told["resumed"]) == (1, True) and told["rows"] > 0
