"""For the whole suite: the network is closed but for loopback; one smoke build serves every test that reads tables."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

TRAJMILL = Path(sys.executable).with_name("trajmill")
SECRETS = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "HF_TOKEN",
    "TRAJMILL_HOME",
    "TRAJMILL_LEDGER_URL",
    "TRAJMILL_MARIADB_URL",
    "TRAJMILL_POSTGRES_URL",
    "PREFECT_HOME",
    "PREFECT_API_URL",
)
"""What a developer's own shell may hold and no test may see."""


class NetworkUsed(AssertionError):
    """Something under test tried to leave this machine; no `except OSError` hides it."""


def must_stay_here(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host in (None, "localhost", ""):
        return
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        raise NetworkUsed(f"a test tried to reach {host}; only loopback is open")


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    """Let sockets of this process reach loopback alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            original = getattr(socket.socket, name)

            def guarded(self: socket.socket, address: Any, original: Callable[..., Any] = original) -> Any:
                must_stay_here(address)
                return original(self, address)

            patch.setattr(socket.socket, name, guarded)
        resolve = socket.getaddrinfo

        def near(host: Any, *more: Any, **options: Any) -> Any:
            must_stay_here((host.decode() if isinstance(host, bytes) else host, 0))
            return resolve(host, *more, **options)

        patch.setattr(socket, "getaddrinfo", near)
        yield


class Ran(NamedTuple):
    """A command's end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON object; fails where stdout holds anything else."""
        return orjson.loads(self.out)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a developer's own shell may hold."""
    return {name: value for name, value in os.environ.items() if name not in SECRETS}


@pytest.fixture(name="clean_environment")
def _clean_environment() -> dict[str, str]:
    return clean_environment()


def run_trajmill(*arguments: str, home: Path, timeout: float = 300, **environment: str) -> Ran:
    """Run the installed command as a user does."""
    command = [str(TRAJMILL), *arguments, "--home", str(home)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=clean_environment() | environment, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def trajmill() -> Callable[..., Ran]:
    return run_trajmill


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a measurement printed below the results, whichever worker ran the test."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    told = [text for report in reports for name, text in report.user_properties if name == "told"]
    if told:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(map(str, told)))


class Smoke(NamedTuple):
    """A finished smoke build; look, don't touch: `copy` gives a home of your own."""

    home: Path
    ran: Ran

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.home, to, ignore=shutil.ignore_patterns("prefect", "build.lock")))


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    home = tmp_path_factory.mktemp("smoke") / "home"
    ran = run_trajmill("build", "--config", "smoke", "--json", home=home)
    assert ran.code == 0, ran.err
    return Smoke(home, ran)


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open workshops without Prefect, each the current one from then on: `task.fn` finds it.

    Real tables, state and ledger in a folder of the test's own; the teacher is a script; `overrides` are dotted config
    keys with `__` for the dot.
    """
    from flows.configuration import load_config
    from tasks.workshop import Workshop, _current
    from teachers.ledger import Ledger
    from teachers.ledgered import Ledgered
    from teachers.scripted import Scripted
    from warehouse.state import State
    from warehouse.warehouse import Warehouse

    own = tmp_path / "home"
    own.mkdir()
    with ExitStack() as stack:

        def open_one(
            teacher: Any = None, worlds: Any = None, build: int = 1, home: Path = own, **overrides: Any
        ) -> Workshop:
            ledger = Ledger(home / "ledger.sqlite")
            stack.callback(ledger.close)
            shop = Workshop(
                config=load_config("smoke", {key.replace("__", "."): value for key, value in overrides.items()}),
                config_name="smoke",
                home=home,
                build=build,
                resumed=False,
                warehouse=Warehouse(home),
                state=State(home),
                ledger=ledger,
                teacher=Ledgered(teacher or Scripted([]), ledger),
                worlds=worlds or {},
            )
            _current.set(shop)  # an async test runs in a context of its own, where no token of ours could be reset
            return shop

        yield open_one
    _current.set(None)


@pytest.fixture
def make_specs() -> Callable[[int], list[Any]]:
    """Make OS tasks that are told apart by a number."""
    from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

    def make(count: int) -> list[TaskSpec]:
        return [
            TaskSpec.make(
                environment="os",
                instruction=f"Print the number {number}.",
                setup=Setup(),
                reference=(Script(code=f"echo {number}"),),
                check=Check(kind="match", answer=str(number)),
                origin="own",
                provenance=Provenance(source="test"),
            )
            for number in range(count)
        ]

    return make
