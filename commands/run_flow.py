"""Runs a flow from the command line: what is wrong is told first, then server and flow come up beside each other.

Nothing heavy is imported before `preflight` has passed: Prefect takes 1.2 CPU s, our flows another 1.5.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from commands.preflight import Needs, preflight
from schemas.settings import Settings
from tasks.prefect_private import keep_sigterm, send_events

if TYPE_CHECKING:
    from commands.dashboard.home_server import HomeServer
    from tasks.workshop import Workshop

Flow = Callable[..., Coroutine[Any, Any, Any]]

FINAL = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
DRAIN_SECONDS = 30.0
"""Longest wait for the recorder: 400 task runs took 6 s; only history is at stake."""


class Watch:
    """Looks over a run's shoulder: shows its progress and keeps its workshop for the report."""

    def __init__(self, quiet: bool = False) -> None:
        self.workshop: Workshop | None = None
        self.quiet = quiet
        self.end_start: Callable[[], None] = lambda: None

    def __call__(self, workshop: Workshop) -> AbstractContextManager[None]:
        """Begin to show a workshop's progress."""
        from reports.display import shown

        self.workshop = workshop
        self.end_start()
        return shown(workshop, self.quiet)


def run_flow(entrypoint: str, watch: Watch, needs: Needs, **parameters: Any) -> Any:
    """Run a flow to its end and return its result; a failure is raised as the error that caused it.

    Args:
        entrypoint: `flows.build:build`.
        needs: what it cannot do without; tried before anything is started. What it will need late is loaded beside it.
    """
    module, name = entrypoint.split(":")
    needs = needs._replace(kind=name.partition("_")[0], fresh=parameters.get("fresh", False))
    asyncio.run(preflight(parameters.get("config", "demo"), parameters.get("overrides"), needs))
    from commands.dashboard.home_server import open_home_server, point_prefect_at

    settings = Settings()
    server = open_home_server(settings.home, settings.server_idle_minutes * 60)
    from reports.display import starting

    with starting(watch.quiet) as watch.end_start:
        flow: Flow = getattr(importlib.import_module(module), name)  # while the server starts
        if needs.validator:
            threading.Thread(target=_load_validator, daemon=True).start()
        if server is not None:
            point_prefect_at(server.wait(_tell))
        keep_sigterm()
        return asyncio.run(_run(flow, watch, parameters, server))


def _load_validator() -> None:
    from warehouse.expectations import load_validator

    load_validator()


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def _run(flow: Flow, watch: Watch, parameters: dict[str, Any], server: HomeServer | None) -> Any:
    from flows.open_workshop import watched_by

    with watched_by(watch):
        state = await flow(**parameters, return_state=True)
    run = state.state_details.flow_run_id
    if run is not None and watch.workshop is not None and server is not None and not server.is_kept:
        drained = await asyncio.to_thread(drain, run, watch.workshop.progress.task_runs)
        if not drained:
            _tell("Prefect's server did not record every task run in time; only the dashboard misses them.")
    return await state.aresult()


def drain(flow_run_id: UUID, task_runs: int, timeout_seconds: float = DRAIN_SECONDS) -> bool:
    """Wait until the server has recorded the ends of a flow run's task runs, subflows included; say whether it has.

    A server that ends with its command records asynchronously: without this wait it keeps 10 of 100 task runs.
    """
    from prefect.client.orchestration import get_client

    send_events()
    deadline = time.monotonic() + timeout_seconds
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            if _count_finished(client, flow_run_id) >= task_runs:
                return True
            time.sleep(0.2)
    return False


def _count_finished(client: Any, flow_run_id: UUID) -> int:
    roots = [str(flow_run_id), *_subflow_runs(client, flow_run_id)]
    # Prefect counts a subflow as a task run of its parent, too, but records that one before it goes on.
    ended = {"state": {"type": {"any_": FINAL}}, "subflow_runs": {"exists_": False}}
    query = {"flow_runs": {"id": {"any_": roots}}, "task_runs": ended}
    return int(client.request("POST", "/task_runs/count", json=query).json())


def _subflow_runs(client: Any, flow_run_id: UUID) -> list[str]:
    query = {"flow_runs": {"parent_flow_run_id": {"any_": [str(flow_run_id)]}}, "limit": 50}
    return [run["id"] for run in client.request("POST", "/flow_runs/filter", json=query).json()]
