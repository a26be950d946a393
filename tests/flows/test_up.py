"""`trajmill up`: a server with dashboard, schedules that fire, and an end that leaves nothing running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from commands.dashboard.login import basic, login_path
from warehouse.warehouse import Warehouse

TRAJMILL = Path(sys.executable).with_name("trajmill")
STAGES = ("generate_tasks", "collect_episodes", "curate_trajectories", "ingest_conversations", "publish_mixture")
KEYS = {"funnel", "reject-reasons", "yield-by-world", "cost", "data-card", "release"}
START_SECONDS = 120
FIRINGS_SECONDS = 420
"""Start, a wait for the full minute, a build, a minute more and a build."""
LOG_SECONDS = 30
BUSY_SECONDS = 60


class Up(NamedTuple):
    """A running `trajmill up`, its home and what it printed."""

    process: subprocess.Popen[str]
    home: Path
    port: int
    output: Path

    def ask(self, path: str, body: dict[str, Any]) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/{path}"
        login = basic(login_path(self.home).read_text().strip())
        request = urllib.request.Request(address, orjson.dumps(body), {"Content-Type": "application/json"} | login)
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return orjson.loads(answer.read())
            except urllib.error.HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)  # SQLite was busy and nothing was written: Prefect's own client asks again, too

    def page(self, path: str) -> tuple[str, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode(), answer.headers

    def builds(self, *states: str) -> list[dict[str, Any]]:
        wanted = {"state": {"type": {"any_": list(states)}}, "parent_task_run_id": {"is_null_": True}}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", {"flow_runs": wanted, "sort": "START_TIME_ASC"})
        return found

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30 if number == signal.SIGTERM else 90)


@contextmanager
def up(home: Path, *arguments: str, cwd: Path | None = None) -> Iterator[Up]:
    """Run `trajmill up` on a free port, away from the repository; a test that fails leaves nothing running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = home.with_name("up.out")
    command = [str(TRAJMILL), "up", "--home", str(home), "--port", str(port), *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRAJMILL_"))}
    with output.open("w") as printed:
        process = subprocess.Popen(
            command, stdout=printed, stderr=printed, text=True, cwd=cwd or home.parent, env=clean
        )
    try:
        yield Up(process, home, port, output)
    finally:
        if process.poll() is None:
            process.kill()  # what `up` started ends with it
            process.wait()


def wait_until(true: Callable[[], Any], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if true():
                return
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s")


def processes_of(home: Path) -> list[str]:
    """List the command lines of processes that have this home in their environment or arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            known = folder.joinpath("environ").read_bytes() + folder.joinpath("cmdline").read_bytes()
            if str(home).encode() in known and folder.joinpath("cmdline").read_bytes():
                found.append(folder.joinpath("cmdline").read_text().replace("\0", " "))
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def stages_of(running: Up, build: dict[str, Any]) -> dict[str, str]:
    """Return the state of each stage of a build: its subflow runs by the names of their flows."""
    runs = running.ask("flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [build["id"]]}}})
    flows = {flow["id"]: flow["name"] for flow in running.ask("flows/filter", {})}
    assert {run["name"] for run in runs} == {build["name"]}
    return {flows[run["flow_id"]]: run["state_type"] for run in runs}


def artifacts_of(running: Up, build: dict[str, Any]) -> set[str]:
    wanted = {"flow_run_id": {"any_": [build["id"]]}}
    return {artifact["key"] for artifact in running.ask("artifacts/filter", {"artifacts": wanted})}


def log_of(running: Up, build: dict[str, Any]) -> list[str]:
    lines = running.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [build["id"]]}}})
    return [line["message"] for line in lines]


def stages_told(running: Up, build: dict[str, Any]) -> list[str]:
    log = log_of(running, build)
    return [stage for stage in STAGES if any(line.startswith(f"{stage}: ") for line in log)]


def rows_of_build(home: Path, build: int) -> dict[str, int]:
    warehouse = Warehouse(home)
    rows = {table: warehouse.count(table, f"build = {build}") for table in ("task_specs", "episodes", "releases")}
    query = "SELECT count(*) FROM trajectories JOIN latest_episodes e USING (episode_id) WHERE e.build = ?"
    return rows | {"trajectories": warehouse.query(query, (build,))[0][0]}


@pytest.mark.slow
def test_the_smoke_deployment_fires_twice_and_its_second_build_is_whole(tmp_path: Path) -> None:
    with up(tmp_path / "home", "--deployment", "smoke") as running:
        wait_until(lambda: len(running.builds("COMPLETED")) >= 2, FIRINGS_SECONDS, "two completed builds")
        second = running.builds("COMPLETED")[1]
        assert (second["name"], second["auto_scheduled"]) == ("build 2 · smoke", True)
        assert {"trajmill", "smoke", "config:smoke"} <= set(second["tags"])
        assert stages_of(running, second) == dict.fromkeys(STAGES, "COMPLETED")
        assert artifacts_of(running, second) == KEYS
        # Prefect sends a run's lines every two seconds, the last of them after its state
        wait_until(lambda: stages_told(running, second) == list(STAGES), LOG_SECONDS, "a line of every stage")
        assert running.stop(signal.SIGINT) == 0
    assert all(rows_of_build(running.home, 2).values()), rows_of_build(running.home, 2)
    assert (running.home / "prefect" / "server.log").read_text() == ""
    assert "Error" not in (running.home / "prefect" / "serving.log").read_text()


@pytest.mark.slow
def test_it_shows_pages_that_reach_nobody_else_and_leaves_nothing_running_when_it_ends(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "flows").mkdir(parents=True)
    (elsewhere / "flows" / "__init__.py").write_text("raise RuntimeError('a package of the place, not ours')")
    with up(tmp_path / "home", "--deployment", "smoke", cwd=elsewhere) as running:
        wait_until(lambda: "Ctrl-C stops." in running.output.read_text(), START_SECONDS, "the dashboard")
        html, headers = running.page("/v2/runs")
        assert "<html" in html
        assert "default-src 'self'" in headers["content-security-policy"]
        api_url = orjson.loads(running.page("/ui-settings")[0])["api_url"]
        assert api_url == f"http://127.0.0.1:{running.port}/api"
        wait_until(lambda: running.builds("RUNNING"), FIRINGS_SECONDS, "a running build")
        assert running.stop(signal.SIGTERM) == 0
    assert processes_of(running.home) == []
    assert is_free(running.port)
    assert "Traceback" not in running.output.read_text()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["flows"]

    with up(tmp_path / "home", "--deployment", "upkeep") as again:
        wait_until(lambda: "Ctrl-C stops." in again.output.read_text(), START_SECONDS, "the dashboard")
        assert again.builds("RUNNING", "PENDING") == [], "the stopped build still counts as running"
        waiting = {tag for run in again.builds("SCHEDULED") for tag in run["tags"]}
        assert "upkeep" in waiting
        assert "smoke" not in waiting, "a deployment that is no longer served still fires"
        again.process.kill()
        wait_until(lambda: not processes_of(again.home) and is_free(again.port), 30, "the end of what `up` started")


@pytest.mark.slow
def test_the_weekly_check_reports_drift_and_fails_in_words_where_there_is_too_much(
    smoke: Any, tamper: Callable[[Path], str], tmp_path: Path
) -> None:
    home = smoke.copy(tmp_path / "home")
    with up(home, "--deployment", "verify") as running:
        wait_until(lambda: "Ctrl-C stops." in running.output.read_text(), START_SECONDS, "the dashboard")
        assert "verify, next at" in running.output.read_text()
        (deployment,) = running.ask("deployments/filter", {})
        start = f"deployments/{deployment['id']}/create_flow_run"
        running.ask(start, {"parameters": {"config": "smoke", "seed": 1}})
        wait_until(lambda: running.builds("COMPLETED"), FIRINGS_SECONDS, "a check that passes")
        (passed,) = running.builds("COMPLETED")
        assert artifacts_of(running, passed) == {"drift", "drift-by-world"}
        changed = tamper(home)
        strict = {"verify.max_drift": 0.01}  # one of the smoke build's episodes is about a twentieth
        running.ask(start, {"parameters": {"config": "smoke", "seed": 2, "overrides": strict}})
        wait_until(lambda: running.builds("FAILED"), FIRINGS_SECONDS, "a check that fails")
        (failed,) = running.builds("FAILED")
        told = failed["state"]["message"]
        assert "1 of " in told and "came out otherwise" in told and "trajmill verify --sample" in told
        assert artifacts_of(running, failed) > {"drift", "drift-by-world"}  # and the error, without a key
        page = running.ask("artifacts/latest/filter", {"artifacts": {"key": {"any_": ["drift"]}}})[0]["data"]
        assert changed in page and "somebody else's rows" in page
        assert running.stop(signal.SIGINT) == 0
    reports = [orjson.loads(path.read_bytes()) for path in sorted((home / "reports").iterdir())]
    assert [(report["seed"], report["differs"]) for report in reports] == [(1, 0), (2, 1)]


def test_an_unknown_deployment_and_a_port_in_use_are_told_before_anything_starts(
    trajmill: Callable[..., Any], tmp_path: Path
) -> None:
    unknown = trajmill("up", "--deployment", "weekly", home=tmp_path / "home")
    assert unknown.code == 2
    assert "no deployment weekly" in unknown.err
    assert "nightly, smoke, upkeep, verify" in unknown.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        in_use = trajmill("up", "--port", port, home=tmp_path / "home")
    assert in_use.code == 2
    assert f"port {port}" in in_use.err
    assert "--port" in in_use.err
    assert not (tmp_path / "home").exists()
