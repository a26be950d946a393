"""What Prefect promises nobody is used in one file, and is there in the Prefect that is installed."""

from __future__ import annotations

import inspect
import re
import signal
from pathlib import Path

import pytest

from tasks.prefect_private import RUN_OF_A_WORKER, SIGTERM_HANDLER

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "tasks" / "prefect_private.py"
PRIVATE = re.compile(
    r"prefect(?:\.\w+)*\._|import _prefect|_prefect_sigterm|PREFECT__|prefect\.server|prefect\.utilities|"
    r"EventsWorker|refresh_global_settings_context|SubprocessASGIServer"
)
ROOMS = ("commands", "flows", "tasks", "reports", "warehouse", "teachers", "environments", "benchmarks")
MOVED = "Prefect {version} has moved or changed {what}, which tasks/prefect_private.py uses"


def moved(what: str) -> str:
    import prefect

    return MOVED.format(version=prefect.__version__, what=what)


def test_no_other_file_uses_what_prefect_promises_nobody() -> None:
    users = {path for room in ROOMS for path in (ROOT / room).rglob("*.py") if PRIVATE.search(path.read_text("utf-8"))}
    assert users == {DOOR}


def test_prefect_installs_its_sigterm_handler_by_the_name_that_is_replaced() -> None:
    from prefect.utilities import engine

    assert callable(getattr(engine, SIGTERM_HANDLER, None)), moved(f"prefect.utilities.engine.{SIGTERM_HANDLER}")
    source = inspect.getsource(engine)
    assert f"signal.SIGTERM, {SIGTERM_HANDLER}" in source, moved("how it installs its handler of SIGTERM")


def test_a_flow_run_keeps_the_handler_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.utilities import engine

    from tasks.prefect_private import keep_sigterm

    monkeypatch.setattr(engine, SIGTERM_HANDLER, getattr(engine, SIGTERM_HANDLER))  # put back at the end
    own = signal.getsignal(signal.SIGTERM)
    keep_sigterm()
    with engine.capture_sigterm():
        assert signal.getsignal(signal.SIGTERM) is own, moved("how it installs its handler of SIGTERM")


def test_events_can_be_waited_for() -> None:
    from prefect.events.worker import EventsWorker

    assert callable(getattr(EventsWorker, "instance", None)), moved("EventsWorker.instance")
    assert callable(getattr(EventsWorker, "wait_until_empty", None)), moved("EventsWorker.wait_until_empty")


def test_settings_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL

    from tasks.prefect_private import read_environment_again

    with monkeypatch.context() as patch:
        patch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
        read_environment_again()
        assert PREFECT_API_URL.value() == "http://127.0.0.1:9/api", moved("refresh_global_settings_context")
    read_environment_again()
    assert PREFECT_API_URL.value() is None


def test_the_server_is_made_with_the_words_that_are_used() -> None:
    from prefect.server.api.server import create_app

    assert {"ephemeral", "final"} <= set(inspect.signature(create_app).parameters), moved("create_app")


def test_processes_of_a_worker_are_told_by_the_variable_that_prefect_sets() -> None:
    import prefect.runner

    sources = Path(prefect.runner.__file__).parent.rglob("*.py")
    assert any(RUN_OF_A_WORKER in source.read_text("utf-8") for source in sources), moved(RUN_OF_A_WORKER)
