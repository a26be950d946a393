"""The teacher of a build, composed: mixtures outside, then the ledger, the budget, and the endpoint."""

from __future__ import annotations

import gc
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from rehearsals.base import Rehearsal
from rehearsals.plan import MODELS
from rehearsals.server import OfflineServer
from schemas.errors import ConfigError
from schemas.run_config import RunConfig, TeacherConfig
from schemas.settings import Settings
from teachers.base import Teacher
from teachers.batch.api import BatchApi
from teachers.batch.book import OFFLINE
from teachers.batch.chat import BatchChat
from teachers.budget.budgeted import Budgeted, caps_of, losses_of, require_prices
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.failure_notes import FailureNotes
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.mixture_of_agents import MixtureOfAgents, calls_of


@asynccontextmanager
async def open_teacher(
    config: RunConfig,
    settings: Settings,
    ledger: Ledger,
    rehearsals: Sequence[Rehearsal] = (),
    *,
    build: str = "",
) -> AsyncIterator[Teacher]:
    """Open the configured teacher; for the offline one its server is started, and stopped on the way out.

    What earlier runs of the same `build` spent counts against the budget. Opened in several threads or event loops
    of a process with one ledger, they share its budget and the requests in flight.

    Raises:
        ConfigError: no key, a model that the offline teacher does not have, or one without a price.
    """
    _require_sense(config)
    server = OfflineServer(rehearsals, config.faults, styled=True) if config.teacher.kind == "offline" else None
    endpoint = OpenAIChat(config.teacher, "offline", server.start()) if server else _configured(config, settings)
    batches = None
    if config.teacher.mode == "batch":
        name = f"{OFFLINE} {uuid.uuid4().hex}" if server else None  # its batches die with this process
        batches = BatchChat(endpoint, ledger, config.teacher, endpoint=name)
    asked: Teacher = batches or endpoint
    budget_caps = caps_of(ledger, build, config.budget)
    teacher = Budgeted(asked, budget_caps, config.teacher.prices, losses_of(ledger, build))
    ledgered = Ledgered(teacher, ledger, FailureNotes(ledger.engine, build))
    _set_imports_aside()
    try:
        if batches:
            await batches.resume(ledgered.complete)
        yield MixtureOfAgents(ledgered, config.teacher.mixtures)
    finally:
        await teacher.close()
        if server:
            server.stop()


async def check_teacher(config: RunConfig, settings: Settings) -> None:
    """Make sure before a build that its teacher can be reached and serves its models; the offline one always does.

    Raises:
        ConfigError: unreachable, no key or a wrong one, a model that is not served or has no price.
    """
    _require_sense(config)
    if config.teacher.kind == "openai":
        endpoint = _configured(config, settings)
        try:
            await endpoint.check(models_of(config.teacher))
            if config.teacher.mode == "batch":
                await BatchApi(endpoint.client, endpoint.url).check()
        finally:
            await endpoint.close()


async def check_endpoint(settings: Settings) -> None:
    """Make sure that the endpoint of the environment answers and takes the key, whichever models it serves.

    Raises:
        ConfigError: unreachable, no key or a wrong one.
    """
    endpoint = _configured(RunConfig(), settings)
    try:
        await endpoint.check(())
    finally:
        await endpoint.close()


def models_of(config: TeacherConfig) -> tuple[str, ...]:
    """Return the models that a build asks, each once; a mixture asks those it is made of."""
    roles = (config.generator, config.solver, *config.solvers.values(), config.backfiller)
    return tuple(dict.fromkeys(model for role in roles for model in calls_of(role, config.mixtures)))


@cache
def _set_imports_aside() -> None:
    """Take what is loaded out of the garbage collector's sight, once a process.

    A full collection looks through all of it: 0.1 s in which no request in flight moves on.
    """
    gc.collect()
    gc.freeze()


def _require_sense(config: RunConfig) -> None:
    models = models_of(config.teacher)
    unknown = sorted(set(models) - set(MODELS))
    if config.teacher.kind == "offline" and unknown:
        raise ConfigError(
            f"the offline teacher has no model {', '.join(unknown)}; allowed are {', '.join(MODELS)}, or set "
            "teacher.kind = 'openai' to ask an endpoint"
        )
    require_prices(config.teacher, models)


def _configured(config: RunConfig, settings: Settings) -> OpenAIChat:
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    return OpenAIChat(config.teacher, key, settings.openai_base_url)
