"""serving: the process beside `up`'s server in which schedules fire, without a work pool."""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from commands.dashboard.leftovers import close_leftovers
from commands.dashboard.served import named_deployments
from schemas.settings import Settings


def serve_deployments(names: list[str]) -> None:
    """Serve the named deployments, their schedules active, until the process is asked to stop; then pause them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    home = Settings().home
    close_leftovers(home)
    try:
        serve(*(_deployment(entry) for entry in named_deployments(names)), print_starting_message=False)
    finally:
        close_leftovers(home)


def _deployment(entry: dict[str, Any]) -> RunnerDeployment:
    module, name = entry["entrypoint"].split(":")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    limit = entry["concurrency_limit"]
    strategy = ConcurrencyLimitStrategy(limit["collision_strategy"])
    deployment = flow.to_deployment(
        name=entry["name"],
        description=entry["description"],
        parameters=entry["parameters"],
        tags=entry["tags"],
        schedules=[_schedule(schedule) for schedule in entry["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig(limit=limit["limit"], collision_strategy=strategy),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(deployment, RunnerDeployment)
    return deployment


def _schedule(schedule: dict[str, Any]) -> Schedule:
    return Cron(schedule["cron"], timezone=schedule["timezone"], slug=schedule["slug"], active=True)


if __name__ == "__main__":
    serve_deployments(sys.argv[1:])
