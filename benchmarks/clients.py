"""The clients that are measured: ours, the bare ones, and the peers, each run in a process of its own.

A peer has an environment of its own with pinned versions, made once. Nothing leaves the machine but pip: proxies point
at a closed port, and telemetry is off.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.mock_endpoint import Mock

DRIVERS = Path(__file__).parent / "peers"
NO_NETWORK = "http://127.0.0.1:9"
PROXIES = {
    "HTTP_PROXY": NO_NETWORK,
    "HTTPS_PROXY": NO_NETWORK,
    "ALL_PROXY": NO_NETWORK,
    "NO_PROXY": "127.0.0.1,localhost",
}
SURROUNDINGS = {
    **PROXIES,
    **{name.lower(): value for name, value in PROXIES.items()},
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
SECRETS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN")


@dataclass(frozen=True)
class Client:
    """Who is measured."""

    name: str
    driver: str
    """File in `peers/` that asks with it."""
    arguments: tuple[str, ...] = ()
    python: str = sys.executable
    keeps: bool = True
    """Whether answers outlive the process."""
    pins: tuple[str, ...] = ()
    """What its own environment holds; a client without pins runs in ours."""


OURS = Client("Trajmill", "ours")
BARE = Client("openai on aiohttp", "raw_openai", ("aiohttp",), keeps=False)
RAW = (Client("raw aiohttp", "raw_aiohttp"), BARE, Client("openai on httpx", "raw_openai", ("httpx",), keeps=False))
PEERS = (
    Client("curator 0.1.31", "curator", pins=("bespokelabs-curator==0.1.31",)),
    Client("DataDesigner 0.9.6", "datadesigner", pins=("data-designer==0.9.6",)),
    # it imports requests and bs4 and declares neither
    Client("distilabel 1.5.3", "distilabel", pins=("distilabel[openai]==1.5.3", "requests", "beautifulsoup4")),
)


@dataclass(frozen=True)
class Run:
    """One process of a client, from its start to its end."""

    stats: dict[str, Any]
    """The endpoint's counts; see `mock_endpoint.Run`."""
    said: dict[str, Any]
    """The driver's last line; empty where it did not come to it."""
    wall: float
    cpu: float
    """CPU seconds of the process and its children, start-up included."""
    peak_rss_mb: float
    """Of its largest process. What the system says of a peer is at least what this process takes: 80 MB."""
    code: int
    """Exit code; -9 = killed, by us or for want of time."""
    error: str
    load: float
    """The machine's load average before it."""

    @property
    def is_done(self) -> bool:
        return self.code == 0 and bool(self.said)


@dataclass
class Stand:
    """Where clients are measured: an endpoint, and how much is asked of it."""

    mock: Mock
    rows: int = 2000
    in_flight: int = 64
    latency: float = 0.2
    limit_seconds: float = 100
    """After which a client is taken for not finishing."""
    rest_seconds: float = 1.0
    """Between two runs, so that one does not disturb the next."""
    kills: int = 10
    """In a row."""
    loads: list[float] = field(default_factory=list)

    @property
    def ideal(self) -> float:
        """Seconds that the rows take at least."""
        return self.rows * self.latency / self.in_flight

    def with_(self, **changes: Any) -> Stand:
        """Return the same stand with another amount of work."""
        return replace(self, **changes)

    def run(self, client: Client, folder: Path, *options: str, kill_after: int | None = None) -> Run:
        """Run a client to its end, or kill it and its children once so many answers were given in all.

        The endpoint is not reset. Returns once nothing is in flight any more.
        """
        time.sleep(self.rest_seconds)
        load = os.getloadavg()[0]
        self.loads.append(load)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
            process = subprocess.Popen(
                self._command(client, folder, options),
                env=surroundings(folder),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            code, usage = self._wait(process, began, kill_after)
        wall = time.monotonic() - began
        said = last_json((folder / "stdout").read_text()) if code == 0 else {}
        return Run(
            stats=self._settled(),
            said=said,
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            peak_rss_mb=said.get("peak_rss_mb", usage.ru_maxrss / 1024),
            code=code,
            error=last_line((folder / "stderr").read_text()),
            load=load,
        )

    def _command(self, client: Client, folder: Path, options: tuple[str, ...]) -> list[str]:
        driver = str(DRIVERS / f"{client.driver}.py")
        # -P: a driver is named like the package that it drives
        work = [self.mock.url, str(self.rows), str(self.in_flight), str(folder)]
        return [client.python, "-P", driver, *work, *client.arguments, *options]

    def _wait(self, process: subprocess.Popen[bytes], began: float, kill_after: int | None) -> tuple[int, Any]:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not ended:
            time.sleep(0.02)
            late = time.monotonic() - began > self.limit_seconds
            if late or (kill_after is not None and self.mock.stats()["answered"] >= kill_after):
                break
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a peer may leave children behind
        if not ended:
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage

    def _settled(self) -> dict[str, Any]:
        """Return the counts once the endpoint has seen the last of the client."""
        until = time.monotonic() + 10 * self.latency + 2
        while (stats := self.mock.stats())["in_flight"] and time.monotonic() < until:
            time.sleep(0.02)
        return stats


def installed(peer: Client, folder: Path) -> tuple[Client, str | None]:
    """Make a peer's environment where there is none; the second part says why it cannot be run."""
    home = folder / peer.driver
    python, ready = home / "bin" / "python", home / "ready"
    wanted = " ".join(peer.pins)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {wanted} into {home} ...", file=sys.stderr, flush=True)
        make = [sys.executable, "-m", "venv", "--clear", str(home)]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.pins]
        for command in (make, pip):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return peer, f"{wanted} cannot be installed: {last_line(done.stderr) or last_line(done.stdout)}"
        ready.write_text(wanted)
    return replace(peer, python=str(python)), None


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of a client: no key, no way out, a home of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return kept | SURROUNDINGS | {"HOME": str(folder)}


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def last_json(text: str) -> dict[str, Any]:
    """Return the last line that is a JSON object; empty where there is none."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}
