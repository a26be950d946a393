"""A real proxy (LiteLLM) between the mill and its model, and an outage of it in the middle of a build."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from rehearsals.server import OfflineServer
from warehouse.warehouse import Warehouse

pytestmark = pytest.mark.nightly
LITELLM = "litellm[proxy]==1.108.7"
KEY = "sk-for-loopback-only-" + "0123456789abcdef" * 2
"""The proxy starts without none."""
START_SECONDS = 120
MODELS = "\n".join(
    f"""  - model_name: {name}
    litellm_params: {{model: openai/{name}, api_base: "BASE", api_key: none}}"""
    for name in ("offline-a", "offline-b")
)
CONFIG = f"""model_list:
{MODELS}
litellm_settings: {{num_retries: 0, telemetry: false, drop_params: true}}
"""


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Find the proxy, or install it into an environment of its own: it is no dependency of ours."""
    found = shutil.which("litellm")
    if found:
        return Path(found)
    folder = tmp_path_factory.mktemp("litellm")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin" / "pip", "install", "--quiet", LITELLM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs {LITELLM}, which cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "litellm"


@contextmanager
def proxy(program: Path, upstream: str, port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    config, log = folder / "litellm.yaml", folder / "litellm.log"
    config.write_text(CONFIG.replace("BASE", upstream))
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    settings = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY}
    with log.open("ab") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed, env=settings)
    try:
        wait_until(lambda: process.poll() is not None or is_alive(port), START_SECONDS, log)
        assert process.poll() is None, log.read_text()[-2000:]
        yield process
    finally:
        process.kill()
        process.wait()


def is_alive(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5):
        return True
    return False


def wait_until(true: Callable[[], Any], seconds: float, told: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.2)
    raise AssertionError(told.read_text()[-2000:])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def data_of(home: Path) -> dict[str, bytes]:
    """Return the files with rows of a home's one release, whose folder is its id."""
    found = home.glob("releases/*/data/**/*.parquet")
    return {str(path.relative_to(home / "releases")): path.read_bytes() for path in found}


def test_a_build_through_a_proxy_that_dies_on_the_way_ends_with_the_same_release(
    litellm: Path, written_config: Callable[..., Path], clean_environment: dict[str, str], trajmill: Any, tmp_path: Path
) -> None:
    server = OfflineServer([OsRehearsal(volatile=False), DbRehearsal()])
    upstream, port, config = server.start(), free_port(), str(written_config(os=9, db=9))
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
    arguments = ("build", "--config", config, "--set", "teacher.max_retries=1", "--json")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    try:
        with proxy(litellm, upstream, port, tmp_path):
            undisturbed = trajmill(*arguments, home=whole, **settings)
        assert undisturbed.code == 0, undisturbed.err
        asked, generated = server.answered, requests_of(whole, "generate_tasks")
        with proxy(litellm, upstream, port, tmp_path) as running:
            command = [str(Path(sys.executable).with_name("trajmill")), *arguments, "--home", str(cut)]
            with (tmp_path / "cut.log").open("w") as printed:
                build = subprocess.Popen(command, stdout=printed, stderr=printed, env=clean_environment | settings)
            on_the_way = asked + generated + 10  # ten turns of the collection
            wait_until(lambda: server.answered >= on_the_way or build.poll() is not None, 300, tmp_path / "cut.log")
            running.kill()
        assert build.wait(600) == 1, (tmp_path / "cut.log").read_text()
        told = (tmp_path / "cut.log").read_text()
        assert "OPENAI_BASE_URL" in told or "publish.max_unknown" in told
        assert "Traceback" not in told
        assert not data_of(cut)
        with proxy(litellm, upstream, port, tmp_path):
            again = trajmill(*arguments, home=cut, **settings)
        assert again.code == 0, again.err
        assert again.json["resumed"]
        assert data_of(cut) == data_of(whole)
        assert Warehouse(cut).count("completions") == Warehouse(whole).count("completions")  # nothing was paid twice
    finally:
        server.stop()


def requests_of(home: Path, purpose: str) -> int:
    return int(Warehouse(home).count("completions", f"purpose = '{purpose}'"))
