"""Trainers live in environments of their own, which deployments/trainers.sh makes; a test asks one through a reader.

`make test-trainers` wants them all. Without it, what is missing is skipped by name.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
VENVS = Path(os.environ.get("TRAJMILL_TRAINER_VENVS") or REPO / ".trainers")
"""A folder with one virtual environment a trainer."""
ARE_ALL_WANTED = os.environ.get("TRAJMILL_TRAINERS") == "all"
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
}

Ask = Callable[..., Any]


def find_python(trainer: str) -> Path:
    """Return the interpreter that has a trainer; skip where it is missing, or fail where all are wanted."""
    python = VENVS / trainer / "bin" / "python"
    if not python.exists():
        missing = (
            f"{trainer} is not installed in {VENVS}: run `sh deployments/trainers.sh {trainer}`, "
            "or let TRAJMILL_TRAINER_VENVS name the folder of its environment"
        )
        if ARE_ALL_WANTED:
            pytest.fail(missing)
        pytest.skip(missing)
    return python


def ask_trainer(folder: Path, trainer: str, reader: str, /, **job: Any) -> Any:
    """Run a reader in its trainer's environment and return what it says."""
    done = subprocess.run(
        [find_python(trainer), Path(__file__).parent / "readers" / f"{reader}.py"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
        cwd=folder,
        env={**os.environ, **OFFLINE, "HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "ms")},
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert done.returncode == 0 and said, f"{trainer} ended with {done.returncode}:\n{done.stderr[-3000:]}"
    return json.loads(said[-1].removeprefix("RESULT "))


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask within the test's own folder."""
    return partial(ask_trainer, tmp_path)
