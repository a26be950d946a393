"""For the whole suite: the network is closed but for loopback; one smoke build serves every test that reads tables."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import settings

settings.register_profile("calm", deadline=None)  # no test fails because the machine is busy
settings.load_profile("calm")
os.environ["TRAJMILL_SERVER_IDLE_MINUTES"] = "0"  # a home of a test leaves no server behind
TRAJMILL = Path(sys.executable).with_name("trajmill")
SECRETS = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "HF_TOKEN",
    "TRAJMILL_HOME",
    "TRAJMILL_LEDGER_URL",
    "TRAJMILL_MARIADB_URL",
    "TRAJMILL_POSTGRES_URL",
    "TRAJMILL_SPARQL_URL",
    "PREFECT_HOME",
    "PREFECT_API_URL",
    "PREFECT_API_AUTH_STRING",
)
"""What a developer's own shell may hold and no test may see."""

LONG = (
    "benchmarks/test_chaos.py",
    "flows/test_kills_at_random.py",
    "flows/test_up.py",
    "flows/test_sigterm.py",
    "test_setup.py",
    "flows/test_builds_in_a_row.py",
    "flows/test_planted_faults.py",
    "flows/test_kills_while_collecting.py",
    "flows/test_kills_after_collecting.py",
    "flows/test_kills_while_generating.py",
    "environments/os/test_agentbench_reference.py",
    "environments/os/test_rehearsal_in_sandbox.py",
    "test_readme.py",
    "flows/test_endpoints.py",
    "flows/test_batch_mode.py",
    "flows/test_determinism.py",
    "flows/test_imports.py",
    "flows/test_default_build.py",
    "flows/test_cli.py",
    "tasks/collect/test_episodes.py",
    "environments/os/test_admission.py",
    "benchmarks/test_teacher.py",
)
"""Files that take a minute or more, the longest first: begun last, one would be left to a single worker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    here, place = Path(__file__).parent, {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.relative_to(here).as_posix(), len(LONG)))


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


def run_trajmill(*arguments: str, home: Path, **environment: str) -> Ran:
    """Run the installed command as a user does; one that hangs is ended with its test."""
    command = [str(TRAJMILL), *arguments, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment() | environment, check=False)
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


Share = Callable[[str, Callable[[Path], None]], Path]
"""Give the folder of a name, made by whichever worker comes first; look, don't touch."""


@pytest.fixture(scope="session")
def share(tmp_path_factory: pytest.TempPathFactory) -> Share:
    """Make what is dear once for all workers of a run: the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    shared.mkdir(exist_ok=True)

    def make_once(name: str, make: Callable[[Path], None]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # a maker that failed: the next one says why once more
                folder.mkdir()
                make(folder)
                settle_databases(folder)
                made.touch()
        return folder

    return make_once


def settle_databases(folder: Path) -> None:
    """Leave nothing in write-ahead logs, which come and go with those who look."""
    for path in folder.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Smoke(NamedTuple):
    """A finished smoke build that all workers share; look, don't touch: `copy` gives a home of your own."""

    home: Path
    ran: Ran

    def copy(self, to: Path) -> Path:
        passing = shutil.ignore_patterns("prefect", "build.lock", "*-wal", "*-shm")
        return Path(shutil.copytree(self.home, to, ignore=passing))


@pytest.fixture(scope="session")
def smoke(share: Share) -> Smoke:
    def make(folder: Path) -> None:
        ran = run_trajmill("build", "--config", "smoke", "--json", home=folder / "home")
        assert ran.code == 0, ran.err
        (folder / "ran.json").write_bytes(orjson.dumps(list(ran)))

    folder = share("smoke", make)
    return Smoke(folder / "home", Ran(*orjson.loads((folder / "ran.json").read_bytes())))


@pytest.fixture(scope="session")
def built(share: Share) -> Iterator[Any]:
    """A small build whose rows are turned away at every stage, made without Prefect; look, don't touch."""
    from tests.small_build import make, opened

    with opened(share("build", make)) as found:
        yield found


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home of an earlier commit, whose verdicts do not say which checks gave them; its README tells more."""
    import tarfile

    with tarfile.open(Path(__file__).resolve().parent / "fixtures" / "home-12dff63" / "home.tar.xz") as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old" / "home"


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open workshops without Prefect, each the current one from then on: `task.fn` finds it.

    Real tables, state and ledger in a folder of the test's own; the teacher is a script; `worlds` are the test's to
    enter and leave; `overrides` are dotted config keys with `__` for the dot.
    """
    from environments.registry import Worlds
    from flows.configuration import load_config
    from tasks.workshop import Workshop, _current
    from teachers.ledger.ledger import Ledger
    from teachers.ledger.ledgered import Ledgered
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
                worlds=Worlds(worlds or {}, entered=True),
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
