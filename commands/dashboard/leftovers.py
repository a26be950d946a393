"""Runs that Prefect still shows as running though their process is gone: after a kill -9, a power cut, a hard stop.

They would stay so for ever, and hold the one slot that their deployment has.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

from flows.own_home import own_home
from schemas.errors import ConfigError

OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
PAGE = 200


def close_leftovers(home: Path) -> None:
    """Tell a home's own server that its runs have crashed where nobody works on the home."""
    if not _keeps_own_history(home):
        return
    with suppress(ConfigError), own_home(home), get_client(sync_client=True) as client:
        _close_flow_runs(client)
        _close_task_runs(client)


def _keeps_own_history(home: Path) -> bool:
    """Say whether Prefect's history is this home's alone: one shared by others holds runs that live elsewhere."""
    shared = any(f"PREFECT_{name}_DATABASE_CONNECTION_URL" in os.environ for name in ("API", "SERVER"))
    return not shared and Path(os.environ["PREFECT_HOME"]).resolve() == home.resolve() / "prefect"


def _close_flow_runs(client: SyncPrefectClient) -> None:
    is_open = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN)))
    while runs := client.read_flow_runs(flow_run_filter=is_open, limit=PAGE):
        for run in runs:
            client.set_flow_run_state(run.id, _crashed(), force=True)


def _close_task_runs(client: SyncPrefectClient) -> None:
    is_open = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=OPEN)))
    while runs := client.read_task_runs(task_run_filter=is_open, limit=PAGE):
        for run in runs:
            client.set_task_run_state(run.id, _crashed(), force=True)


def _crashed() -> State[Any]:
    return Crashed(message="The process of this run is gone; the next build goes on where it stood.")
