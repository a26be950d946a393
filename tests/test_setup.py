"""Set-up as a stranger meets it: a fresh clone, an empty home, a bare environment, another Python, no way out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
NETWORK = ("SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")
"""What a machine may need to reach its package index; nothing else of our environment is handed on."""
PLAIN_USER = 12345


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, removed after: an environment takes a gigabyte."""
    path = Path(tempfile.mkdtemp(prefix="trajmill-"))
    path.chmod(0o755)
    (path / "home").mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def index() -> None:
    """Skip by name where no package index can be reached."""
    with tempfile.TemporaryDirectory() as drop:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", drop]
        tried = subprocess.run([*pip, "iniconfig"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip("no package index can be reached from here")


def bare(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of somebody who has just logged in."""
    network = {name: os.environ[name] for name in NETWORK if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder / "home"), **network, **more}


def find_python(version: str) -> Path:
    """Return a working interpreter of `version` ("3.12"), or skip the test by name."""
    pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python3"))
    named = shutil.which(f"python{version}")
    for candidate in [*pyenv, *([Path(named)] if named else []), Path(sys.executable)]:
        told = subprocess.run(
            [candidate, "-c", "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if told.stdout.strip() == version:
            return candidate
    pytest.skip(f"there is no Python {version} with ensurepip here")


def clone(path: Path) -> Path:
    """Clone what is committed, or skip where the sources are no git checkout."""
    if not (REPO / ".git").exists():
        pytest.skip("the sources are no git checkout, so nothing can be cloned")
    subprocess.run(["git", "clone", "--quiet", REPO, path], check=True)
    return path


def run(command: str, at: Path, environment: dict[str, str], **options: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", command], cwd=at, env=environment, capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("3.11", marks=pytest.mark.nightly),
        pytest.param("3.12", marks=pytest.mark.nightly),
        pytest.param("3.13", marks=pytest.mark.slow),
    ],
)
def test_the_demo_runs_from_a_fresh_clone_with_an_empty_home(version: str, folder: Path, index: None) -> None:
    source = clone(folder / "a clone")  # a blank in the path, as people have them
    environment = bare(folder, TRAJMILL_CACHE=str(folder / "cache"))
    demo = run(f"make PYTHON={find_python(version)} demo", source, environment)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "What became of the tasks" in demo.stdout and "Load it: datasets.load_dataset" in demo.stdout
    releases = list((source / "data" / "releases").iterdir())
    assert [(release / "README.md").is_file() for release in releases] == [True]
    made_by = run('.venv/bin/python -c "import sys; print(sys.version)"', source, environment)
    assert made_by.stdout.startswith(version)


@pytest.mark.nightly
def test_a_plain_user_sets_up_and_builds(folder: Path, index: None) -> None:
    if os.geteuid() != 0:
        pytest.skip("we are a plain user, so every other test here shows it")
    python = Path("/usr/bin/python3")
    if not python.exists() or run(f"{python} -c 'import ensurepip'", folder, bare(folder)).returncode:
        pytest.skip("a plain user has no Python with ensurepip here")
    source = clone(folder / "clone")
    subprocess.run(["chown", "-R", f"{PLAIN_USER}:{PLAIN_USER}", folder], check=True)
    build = run(
        f"make PYTHON={python} setup && .venv/bin/trajmill build --config smoke --json",
        source,
        bare(folder),
        user=PLAIN_USER,
        group=PLAIN_USER,
        extra_groups=[],  # type: ignore[arg-type]
    )
    assert build.returncode == 0, build.stdout + build.stderr
    assert (folder / "home" / ".cache" / "trajmill").is_dir(), "the base image lies in the user's own cache"


@pytest.mark.nightly
def test_another_python_by_name_makes_the_environment_anew_and_a_mirror_alone_is_enough(
    folder: Path, index: None
) -> None:
    source = clone(folder / "clone")
    with mirror() as address:
        closed = "http://127.0.0.1:9"
        environment = bare(folder, PIP_INDEX_URL=address, NO_PROXY="127.0.0.1", PIP_CONFIG_FILE=os.devnull)
        environment |= {"HTTPS_PROXY": closed, "HTTP_PROXY": closed, "ALL_PROXY": closed}
        subprocess.run([find_python("3.11"), "-m", "venv", "--without-pip", source / ".venv"], check=True)
        setup = run(f"make PYTHON={find_python('3.13')} setup", source, environment)
    assert setup.returncode == 0, setup.stdout + setup.stderr
    assert ".venv is Python 3.11 and is made anew for 3.13." in setup.stderr
    again = run("make setup && .venv/bin/trajmill --help", source, environment)
    assert (again.returncode, again.stderr) == (0, ""), "the mirror is gone, and nothing more is needed"


def test_a_python_without_ensurepip_is_told_the_package_to_install(folder: Path) -> None:
    python = python_without(folder / "prefix", "ensurepip")
    told = setup(folder, python)
    version = "{}.{}".format(*sys.version_info[:2])
    assert told.returncode == 2
    assert (
        f"has no ensurepip, so it cannot make an environment. On Debian or Ubuntu: apt install python{version}-venv"
        in (told.stderr)
    )
    assert not (folder / "venv").exists(), "nothing half made is left behind"


def test_a_python_that_is_not_there_is_told(folder: Path) -> None:
    told = setup(folder, Path("python3.99"))
    assert told.returncode == 2
    assert "there is no working python3.99. Install Python 3.11, 3.12 or 3.13, or name one:" in told.stderr


def test_a_python_that_is_too_old_is_told_with_its_version(folder: Path) -> None:
    old = find_python("3.10")
    told = setup(folder, old)
    assert told.returncode == 2
    assert f"Python 3.11, 3.12 or 3.13 is needed; {old} is 3.10." in told.stderr


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_named_and_the_next_step_told(folder: Path) -> None:
    closed = "http://127.0.0.1:9/simple"
    told = setup(folder, Path(sys.executable), PIP_INDEX_URL=closed, PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)
    assert told.returncode == 2
    assert f"the packages could not be fetched from {closed}" in told.stderr
    assert "PIP_INDEX_URL=https://mirror.example/simple make setup" in told.stderr


def setup(folder: Path, python: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run set-up for a venv beside the sources, which it does not touch."""
    return run(f"sh deployments/setup.sh '{python}' '{folder}/venv' 'command line'", REPO, bare(folder, **more))


def python_without(prefix: Path, module: str) -> Path:
    """Return a real interpreter in a prefix of its own whose library lacks one module."""
    name = "python{}.{}".format(*sys.version_info[:2])
    base = Path(sys.base_prefix)
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib" / name).mkdir(parents=True)
    python = prefix / "bin" / name
    shutil.copy2(base / "bin" / name, python)
    for entry in (base / "lib" / name).iterdir():
        if entry.name != module:
            (prefix / "lib" / name / entry.name).symlink_to(entry)
    missing = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
    assert f"No module named '{module}'" in missing.stderr, missing.stderr
    return python


@contextmanager
def mirror() -> Iterator[str]:
    """Yield the address of a package index on loopback."""
    command = [sys.executable, str(REPO / "tests" / "package_mirror.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
