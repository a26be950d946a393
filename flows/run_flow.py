"""Runs a flow from the command line: quietly, with its history drained before the ephemeral server stops."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events.worker import EventsWorker
from prefect.utilities import engine

from flows.display import shown, starting
from flows.ephemeral_server import guard_ephemeral_server
from flows.open_workshop import watched_by
from flows.preflight import preflight
from tasks.workshop import Workshop

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
        self.workshop = workshop
        self.end_start()
        return shown(workshop, self.quiet)


def run_flow(flow: Callable[..., Coroutine[Any, Any, Any]], watch: Watch, **parameters: Any) -> Any:
    """Run a flow to its end and return its result; a failure is raised as the error that caused it."""
    asks = parameters.get("solver", "teacher") == "teacher"
    asyncio.run(preflight(parameters.get("config", "demo"), parameters.get("overrides"), asks=asks))
    guard_ephemeral_server()
    _keep_sigterm()
    return asyncio.run(_run(flow, watch, parameters))


def _keep_sigterm() -> None:
    """Leave SIGTERM to the command line while a flow runs.

    Prefect's handler raises in whatever line it meets: amid a driver's, the run would end as that driver's failure.
    """
    vars(engine)["_prefect_sigterm_handler"] = signal.getsignal(signal.SIGTERM)


async def _run(flow: Callable[..., Coroutine[Any, Any, Any]], watch: Watch, parameters: dict[str, Any]) -> Any:
    with watched_by(watch), starting(watch.quiet) as watch.end_start:
        state: State[Any] = await flow(**parameters, return_state=True)
    run = state.state_details.flow_run_id
    if run is not None and watch.workshop is not None:
        drained = await asyncio.to_thread(drain, run, watch.workshop.progress.task_runs)
        if not drained:
            sys.stderr.write(
                "Prefect's server did not record every task run in time; only the dashboard misses them.\n"
            )
    return await state.aresult()


def drain(flow_run_id: UUID, task_runs: int, timeout_seconds: float = DRAIN_SECONDS) -> bool:
    """Wait until the server has recorded the ends of a flow run's task runs, subflows included; say whether it has.

    The ephemeral server records asynchronously and stops with the process: without this wait it keeps 10 of 100
    task runs.
    """
    EventsWorker.instance().wait_until_empty()
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
