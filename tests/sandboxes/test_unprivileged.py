"""Root drops its id for every sandbox; a plain user has nothing to drop. Under root the suites run as both."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOMEBODY = 64400
OURS = ("pyproject.toml", "sandboxes", "schemas", "tests/conftest.py", "tests/sandboxes")
"""What the suites of the sandboxes need."""
NOT_FOR_ANYBODY = "this kernel does not have it"


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="trajmill-user-"))
    for name in OURS:
        (folder / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    folder.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    yield folder
    shutil.rmtree(folder)


def _as_somebody(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run as a user with no rights, who has the same packages and a copy of our sources."""
    packages = Path(str(importlib.util.find_spec("pytest").origin)).parents[1]  # type: ignore[union-attr]
    environment = {"HOME": str(home), "PYTHONPATH": f"{home}:{packages}", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=home,
        env=environment,
        user=SOMEBODY,
        group=SOMEBODY,
        extra_groups=[],
    )


def _interpreter(home: Path) -> str:
    """Return an interpreter that somebody else can run and that our packages fit."""
    version = "{}.{}".format(*sys.version_info)
    for candidate in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            if _as_somebody([candidate, "-c", "import pydantic, pytest"], home).returncode == 0:
                return candidate
        except PermissionError:
            continue
    pytest.skip("no interpreter of this version that another user may run")


def _run_suite(home: Path, *chosen: str) -> None:
    command = [_interpreter(home), "-m", "pytest", "-rs", "-m", "not engines", *chosen]
    run = _as_somebody(command, home)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    skipped = [line for line in run.stdout.splitlines() if line.startswith("SKIPPED") and NOT_FOR_ANYBODY not in line]
    assert "passed" in run.stdout and not skipped, run.stdout[-2000:]


HERE = "tests/sandboxes"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a plain user runs the suites themselves")


@needs_root
@pytest.mark.usefixtures("sandbox")
def test_a_plain_user_passes_the_heart_of_the_suites(home: Path) -> None:
    chosen = "snapshot or timeout or persists or share_nothing or capabilities or killed_parent or answers_on_its_pipes"
    _run_suite(home, HERE, "-k", chosen)


@needs_root
@pytest.mark.nightly
@pytest.mark.usefixtures("sandbox")
def test_a_plain_user_passes_the_suites(home: Path) -> None:
    """Hostile suite and a thousand sandboxes included."""
    names = ("attacks", "tampering", "hostile", "leaks", "conformance", "jail")
    _run_suite(home, *(f"{HERE}/test_{name}.py" for name in names))
