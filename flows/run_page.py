"""The page of a run on the dashboard: its name with the build's number, its tags, a log line and a table a stage.

Outside of Prefect (a stage called as a plain function) there is no page, and nothing here does anything.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from prefect import get_run_logger, tags
from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import PrefectClient
from prefect.context import FlowRunContext

from formats.plain_words import escape_cells
from reports.display import stage_table, summarise
from tasks.workshop import Workshop

_loggers: ContextVar[tuple[Any, ...]] = ContextVar("loggers", default=())
"""Of the runs under way, the outermost first."""
_PLACE = "trajmill_place"
"""Of a line that several runs' pages have: 0 = the innermost run's."""


@asynccontextmanager
async def run_page(workshop: Workshop, *more_tags: str) -> AsyncIterator[None]:
    """Name and tag the run that is under way, and tag what it starts; stages inside are told in its log as well."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None or not isinstance(context.client, PrefectClient):
        yield
        return
    marks = {"trajmill", f"config:{workshop.config.name}", *more_tags}
    number = workshop.build
    name = f"{f'build {number}' if number > 0 else f'stage by itself {-number}'} · {workshop.config.name}"
    all_tags = sorted(marks | set(context.flow_run.tags))
    await context.client.update_flow_run(context.flow_run.id, name=name, tags=all_tags)
    token = _loggers.set((*_loggers.get(), get_run_logger()))
    try:
        with tags(*marks):
            yield
    finally:
        _loggers.reset(token)


def tell_notes(notes: Sequence[str]) -> None:
    """Warn of what a reader of a release must know, in the log of the run and of the build around it."""
    for note in notes:
        _log(logging.WARNING, note)


def _log(level: int, line: str) -> None:
    """Log a line on the page of each run that is under way; a worker's console has it once."""
    root = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    for handler in root:
        handler.addFilter(_is_first)  # the same filter is added once
    for place, logger in enumerate(reversed(_loggers.get())):
        logger.log(level, line, extra={_PLACE: place})


def _is_first(record: logging.LogRecord) -> bool:
    return not getattr(record, _PLACE, 0)


async def tell_stage(workshop: Workshop, name: str) -> None:
    """Log what a stage did, here and in the build around it, and show how far the build is."""
    if FlowRunContext.get() is None:
        return
    _log(logging.INFO, f"{name}: {summarise(workshop, name)}")
    table = escape_cells(stage_table(workshop).records())
    await acreate_table_artifact(key="build-progress", table=table, description=f"How far the build is, after {name}")
