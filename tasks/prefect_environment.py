"""What Prefect must know before it is imported. Everything is a default: the user's own environment wins.

Sources: reference measurements on prefect 3.8.8. Its limits of 20 s for a start and 60 s for an answer fail on a busy
machine; the recorder's default batch of one costs 20 ms of server CPU a task run, a batch of 100 costs 7 ms.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import warnings
from pathlib import Path

from tasks.prefect_private import RUN_OF_A_WORKER

_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "3600",
    "PREFECT_API_REQUEST_TIMEOUT": "600",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_CLI_PROMPT": "false",
}

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_is_hushed: list[bool] = []
_settled: set[str] = set()
"""The homes that were set here, not by the user."""


def settle_prefect() -> None:
    """Set what is not set yet; called again when the home is known, Prefect's own moves into it."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    ask_loopback_directly()
    if os.environ.get("PREFECT_HOME") in {None, *_settled}:
        home = Path(os.environ.get("TRAJMILL_HOME") or "data").absolute() / "prefect"
        os.environ["PREFECT_HOME"] = str(home)
        _settled.add(str(home))
    warnings.filterwarnings("ignore", message="Failed to create the Prefect home")  # `make_prefect_home` does
    if RUN_OF_A_WORKER in os.environ and not _is_hushed:  # a worker's process; a command leaves by itself
        _is_hushed.append(True)
        atexit.register(_hush)


def _hush() -> None:
    """Let the interpreter's own end say nothing: Prefect's threads keep modules alive, which duckdb takes for leaks.

    Exit handlers run last in, first out, so whatever was registered later has said its words.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def ask_loopback_directly() -> None:
    """Let nobody in this process, nor in those that it starts, ask its own machine through a proxy."""
    said = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host.strip() for host in said.split(",") if host.strip()]
    if "*" not in hosts:
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))


def make_prefect_home() -> None:
    """Make the folder of Prefect's history, just before a run: looking at a home leaves nothing behind."""
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
