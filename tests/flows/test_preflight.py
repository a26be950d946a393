"""What is wrong is told before anything is spent: which value, and what to do; exit code 2."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from commands.preflight import Needs, preflight
from commands.runs import CURATION, PUBLICATION
from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from flows.configuration import parse_overrides
from flows.own_home import MIN_FREE_BYTES, own_home
from rehearsals.refusal import BadRequest
from rehearsals.server import OfflineServer
from sandboxes.binary import reachable_bwrap
from schemas.errors import ConfigError
from schemas.settings import default_cache
from warehouse.warehouse import Warehouse

OPENAI = {"teacher.kind": "openai", "teacher.generator": "offline-a", "teacher.solver": "offline-a"}
GHOST = {"gpt-9": "free"}
ROOT = Path(__file__).resolve().parent.parent.parent


class Refusing(OfflineServer):
    """An endpoint with another key than ours."""

    def _answer(self, method: str, path: str, query: Mapping[str, str], raw: bytes) -> dict[str, Any]:
        raise BadRequest("Incorrect API key provided: sk-wrong.", status=401, code="invalid_api_key")


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def test_a_machine_that_has_all_passes(at_home: Path) -> None:
    await preflight("smoke", None)
    assert not (at_home / "ledger.sqlite").exists()


async def test_an_endpoint_that_serves_the_models_passes(serve: Callable[[OfflineServer], str]) -> None:
    server = OfflineServer([OsRehearsal(), DbRehearsal()])
    serve(server)
    await preflight("smoke", OPENAI | {"environments": []})
    assert server.answered == 0  # the list of models was enough


async def test_a_wrong_key_is_told(serve: Callable[[OfflineServer], str]) -> None:
    url = serve(Refusing([]))
    with pytest.raises(ConfigError, match=r"refused the key \(401: .*Set OPENAI_API_KEY to one that may use") as told:
        await preflight("smoke", OPENAI | {"environments": []})
    assert url in str(told.value)


async def test_a_model_that_is_not_served_is_told(serve: Callable[[OfflineServer], str]) -> None:
    serve(OfflineServer([]))
    with pytest.raises(ConfigError, match=r"knows no model 'gpt-9'.*Set generator, solver and backfiller"):
        await preflight("smoke", OPENAI | {"environments": [], "teacher.solver": "gpt-9", "teacher.prices": GHOST})


async def test_an_unreachable_teacher_is_told(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}/v1 cannot be reached .*Check OPENAI_BASE_URL"):
        await preflight("smoke", OPENAI | {"environments": []})


async def test_a_ledger_that_cannot_be_opened_is_told(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJMILL_LEDGER_URL", "postgresql://who@127.0.0.1:9/d")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9/d cannot be opened: .*Check TRAJMILL_LEDGER_URL"):
        await preflight("smoke", None)


async def test_a_page_where_an_api_should_be_is_told(serve: Callable[[OfflineServer], str]) -> None:
    url = serve(OfflineServer([]))
    os.environ["OPENAI_BASE_URL"] = url.removesuffix("/v1")  # the usual slip; monkeypatch puts it back
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL usually ends in /v1"):
        await preflight("smoke", OPENAI | {"environments": []})


async def test_openai_without_a_key_is_told(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"api\.openai\.com/v1 needs a key; set OPENAI_API_KEY"):
        await preflight("openai", None)


async def test_a_model_that_nobody_priced_is_told_with_the_line_that_prices_it(
    serve: Callable[[OfflineServer], str],
) -> None:
    server = OfflineServer([])
    serve(server)
    mine = OPENAI | {"teacher.solver": "org/my-model", "environments": []}
    with pytest.raises(ConfigError, match=r"""--set 'teacher\.prices=\{"org/my-model" = "free"\}'""") as told:
        await preflight("smoke", mine)
    line = re.search(r"teacher\.prices=\{.*?\}", str(told.value))
    assert line is not None
    with pytest.raises(ConfigError, match="knows no model 'org/my-model'"):  # the price is not the trouble any more
        await preflight("smoke", mine | parse_overrides([line.group()]))
    assert server.answered == 0


@pytest.mark.parametrize("where", ["/dev/null", "/proc/trajmill", "{file}/home"])
def test_a_home_that_cannot_be_made_is_told(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = Path(where.format(file=tmp_path / "file"))
    with (
        pytest.raises(ConfigError, match=rf"the home {home} cannot be written \(.*choose another with --home"),
        own_home(home),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    with pytest.raises(ConfigError, match="cannot be written"), own_home(tmp_path / "home"):
        pass


def test_two_runs_never_share_a_home(tmp_path: Path) -> None:
    with own_home(tmp_path), pytest.raises(ConfigError, match="another run works on"), own_home(tmp_path):
        pass


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        (PUBLICATION, "is no home of Trajmill yet; run `trajmill build` or name one with --home"),
        (CURATION, "is no home of Trajmill yet; run `trajmill build` or name one with --home"),
    ],
)
async def test_a_stage_that_works_on_what_is_there_tells_a_home_that_is_not(
    at_home: Path, needs: Needs, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        await preflight("smoke", None, needs)
    assert not at_home.exists()


async def test_nothing_to_publish_is_told(at_home: Path) -> None:
    Warehouse(at_home)
    with pytest.raises(ConfigError, match="no trajectory has been kept yet, so there is no mixture"):
        await preflight("smoke", None, PUBLICATION)


CHEAP = """
import sys
from commands.cli import run
code = run(sys.argv[1:])
heavy = {"prefect", "openai", "great_expectations", "pandas"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else code)
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("build", "--config", "openai"), "needs a key; set OPENAI_API_KEY"),
        (("publish", "--home", "{none}"), "is no home of Trajmill yet"),
        (("curate", "--home", "{none}"), "is no home of Trajmill yet"),
        (("build", "--home", "/dev/null"), "cannot be written"),
        (("status", "--home", "{none}"), "is no home of Trajmill yet"),
        (("show", "x", "--home", "{home}"), "no id begins with 'x'"),
        (("sql", "SELECT nope", "--home", "{home}"), "The query fails"),
    ],
)
def test_a_cheap_mistake_is_told_before_anything_heavy_is_imported_or_started(
    arguments: tuple[str, ...], told: str, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    Warehouse(tmp_path / "home")
    places = {"home": str(tmp_path / "home"), "none": str(tmp_path / "none")}
    call = [sys.executable, "-c", CHEAP, *(argument.format(**places) for argument in arguments)]
    ran = subprocess.run(call, capture_output=True, text=True, env=clean_environment, cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stdout) == (2, "") and told in ran.stderr, ran.stderr
    assert not (tmp_path / "none").exists() and not (tmp_path / "home" / "prefect" / "servers").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("publish",), "no trajectory has been kept yet"),
        (("curate",), "no episode has been collected yet"),
        (("collect",), "it has no tasks: run `trajmill generate` or `trajmill import` first"),
        (("collect", "--origin", "nobody"), "no task of origin nobody in os, db"),
        (("collect", "--solver", "reference", "--origin", "own"), "no task with a reference of origin own"),
        (("collect", "--solver", "recorded"), "no recording of a task of origin"),
    ],
)
def test_a_call_that_matches_nothing_is_told_before_anything_heavy_is_started(
    arguments: tuple[str, ...], told: str, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    Warehouse(tmp_path / "home")
    call = [sys.executable, "-c", CHEAP, *arguments, "--home", str(tmp_path / "home")]
    ran = subprocess.run(call, capture_output=True, text=True, env=clean_environment, cwd=tmp_path, check=False)
    assert (ran.returncode, ran.stdout) == (1, "") and told in ran.stderr, ran.stderr
    assert not (tmp_path / "home" / "prefect" / "servers").exists()


def test_a_wrong_call_leaves_exit_code_2_and_nothing_behind(trajmill: Any, tmp_path: Path) -> None:
    ran = trajmill(
        "build", "--config", "openai", "--json", home=tmp_path / "home", OPENAI_BASE_URL="http://127.0.0.1:9/v1"
    )
    assert (ran.code, ran.out) == (2, "") and "cannot be reached" in ran.err and "Traceback" not in ran.err
    assert not (tmp_path / "home" / "ledger.sqlite").exists() and not (tmp_path / "home" / "tables").exists()


def test_a_machine_without_user_namespaces_is_told_and_nothing_runs_unprotected(trajmill: Any, tmp_path: Path) -> None:
    """The real refusal: everything runs where no further user namespace can be made."""
    command = _without_namespaces(Path(sys.executable).with_name("trajmill"), tmp_path)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    build = [*command, "build", "--config", "smoke", "--home", str(tmp_path / "home")]
    ran = subprocess.run(build, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 2, ran.stderr
    assert "no sandbox on this machine (bubblewrap): " in ran.stderr and "Traceback" not in ran.stderr
    assert "security-opt" in ran.stderr or "sysctl" in ran.stderr  # what to do about it
    assert not (tmp_path / "home" / "tables").exists()


def _without_namespaces(program: Path, folder: Path) -> list[str]:
    cache = default_cache()
    bwrap = reachable_bwrap(cache)
    identity = ["--uid", "1000", "--gid", "1000"]
    command = [str(bwrap), "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", *identity]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this bwrap cannot forbid user namespaces (--disable-userns)")
    return [*command, "--setenv", "TRAJMILL_CACHE", str(cache), str(program)]


def _small_disk(megabytes: int, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with a tmpfs of a few megabytes at $DISK, in a mount namespace of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a small disk is mounted in a private namespace, which needs root and unshare")
    disk = folder / "disk"
    disk.mkdir()
    mount = f"set -u; mount -t tmpfs -o size={megabytes}m tmpfs {disk} || exit 77; export DISK={disk}; {script}"
    command = ["unshare", "-m", "sh", "-c", mount]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_nearly_full_disk_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("trajmill")
    ran = _small_disk(50, f"{program} build --config smoke --home $DISK/home; echo $?; ls $DISK/home", tmp_path)
    if "permission denied" in ran.stderr.lower():
        pytest.skip("this machine refuses mounts")
    said = ran.stderr
    assert ran.stdout.split()[0] == "2", said
    assert f"MB are free under {tmp_path}/disk/home; a build needs {MIN_FREE_BYTES >> 20}. Make room" in said
    assert "tables" not in ran.stdout and "Traceback" not in said


@pytest.mark.slow
def test_a_disk_that_fills_up_on_the_way_is_told_and_the_run_goes_on_once_there_is_room(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("trajmill")
    build = f"{program} build --config smoke --home $DISK/home --json"
    begun = "for tick in $(seq 1000); do [ -d $DISK/home/tables/task_specs ] && break; sleep 0.1; done"
    fill = f"({begun}; cat /dev/zero > $DISK/ballast 2>/dev/null) &"
    script = f"{fill} {build}; echo first $?; wait; rm $DISK/ballast; {build} 2>&1; echo second $?"
    ran = _small_disk(420, script, tmp_path)
    if "permission denied" in ran.stderr.lower():
        pytest.skip("this machine refuses mounts")
    assert "first 1" in ran.stdout and "second 0" in ran.stdout, ran.stdout[-2000:] + ran.stderr[-3000:]
    assert "disk" in ran.stderr and "Traceback" not in ran.stderr, ran.stderr[-3000:]
