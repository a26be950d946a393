"""Opens what a run needs, in the order in which it can fail, before anything is spent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from typing import Any

import prompts
from environments.registry import open_worlds
from flows.beginnings import continue_or_begin
from flows.configuration import read_config
from flows.own_home import own_home
from schemas.run_config import RunConfig
from schemas.settings import Settings
from tasks.open_ledger import open_ledger
from tasks.workshop import Workshop, at_work, workshop_or_none
from teachers.base import NoTeacher, Teacher
from teachers.ledger.ledger import Ledger
from warehouse.build_log import log_builds
from warehouse.state import Build, State
from warehouse.warehouse import Warehouse

Observer = Callable[[Workshop], AbstractContextManager[None]]


def _unobserved(workshop: Workshop) -> AbstractContextManager[None]:
    return nullcontext()


_observer: ContextVar[Observer] = ContextVar("observer", default=_unobserved)


@contextmanager
def watched_by(observer: Observer) -> Iterator[None]:
    """Let `observer` see the workshops that are opened inside."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@asynccontextmanager
async def open_workshop(
    kind: str, config_name: str, overrides: Mapping[str, Any] | None = None, *, fresh: bool = False, asks: bool = True
) -> AsyncIterator[Workshop]:
    """Yield the workshop of the run around this one, or open one and finish its build when all went well.

    A run that `asks` nothing opens no teacher.

    Raises:
        ConfigError: wrong configuration, a home in use, no sandbox, an unreachable teacher.
    """
    outer = workshop_or_none()
    if outer is not None:
        yield outer
        return
    chosen, settings = read_config(config_name, overrides), Settings()
    async with AsyncExitStack() as stack:
        home = stack.enter_context(own_home(settings.home))
        state = State(home)
        beginning, config = continue_or_begin(state, kind, chosen, fresh)
        if asks:
            await _check_teacher(config, settings)
        build = beginning.open_in(state, kind)
        log_builds(Warehouse(home), state)
        stack.enter_context(prompts.keeping(beginning.prompts))
        ledger = stack.enter_context(closing(open_ledger(Warehouse(home), settings.ledger_place(home))))
        teacher = await stack.enter_async_context(_teacher_of(config, settings, ledger, build, asks))
        worlds = await stack.enter_async_context(open_worlds(config, home, settings.cache, settings.database_servers()))
        workshop = Workshop(
            config=config,
            config_name=config_name,
            home=home,
            build=build.number,
            resumed=build.resumed,
            warehouse=Warehouse(home),
            state=state,
            ledger=ledger,
            teacher=teacher,
            worlds=worlds,
        )
        stack.callback(workshop.warehouse.write_catalog)
        stack.enter_context(_observer.get()(workshop))
        with at_work(workshop):
            yield workshop
        state.finish_build(build.number)
        log_builds(workshop.warehouse, state)


async def _check_teacher(config: RunConfig, settings: Settings) -> None:
    from teachers.open import check_teacher  # heavy: a run that asks nothing does without

    await check_teacher(config, settings)


def _teacher_of(
    config: RunConfig, settings: Settings, ledger: Ledger, build: Build, asks: bool
) -> AbstractAsyncContextManager[Teacher]:
    if not asks:
        return nullcontext(NoTeacher())
    from environments.registry import rehearsals
    from teachers.open import open_teacher

    return open_teacher(config, settings, ledger, rehearsals(), build=str(build.number))
