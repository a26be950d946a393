"""Opens what a run needs, in the order in which it can fail, before anything is spent."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from environments.registry import open_worlds, rehearsals
from flows.configuration import load_config
from schemas.errors import ConfigError
from schemas.record import canonical_json, digest
from schemas.run_config import RunConfig
from schemas.settings import Settings
from tasks.workshop import Workshop, at_work, workshop_or_none
from teachers.base import NoTeacher, Teacher
from teachers.ledger import Ledger
from teachers.open import check_teacher, open_teacher
from warehouse.state import Build, State
from warehouse.warehouse import Warehouse

MIN_FREE_BYTES = 300 << 20
"""Room that a default build takes, Prefect's history included (measured: under 100 MB), three times over."""

_PACE: dict[str, Any] = {
    "budget": True,
    "verify": True,
    "teacher": {
        *("concurrency", "timeout_seconds", "max_retries", "prices"),
        *("requests_per_minute", "tokens_per_minute", "limits"),
        *("mode", "batch_wait_seconds", "batch_max_requests", "batch_max_bytes", "batch_poll_seconds"),
    },
    "collect": {"concurrency"},
}
"""Settings that may change under way: how fast and dear a build is and how it is watched, not what it makes."""

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
    config, settings = load_config(config_name, overrides), Settings()
    if asks:
        await check_teacher(config, settings)
    async with AsyncExitStack() as stack:
        home = stack.enter_context(own_home(settings.home))
        state = State(home)
        build = _continue_or_begin(state, kind, config, fresh)
        ledger = Ledger(settings.ledger_place(home))
        stack.callback(ledger.close)
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


def _teacher_of(
    config: RunConfig, settings: Settings, ledger: Ledger, build: Build, asks: bool
) -> AbstractAsyncContextManager[Teacher]:
    if not asks:
        return nullcontext(NoTeacher())
    return open_teacher(config, settings, ledger, rehearsals(), build=str(build.number))


@contextmanager
def own_home(home: Path) -> Iterator[Path]:
    """Take the home for this run alone; reading it with SQL stays free.

    Raises:
        ConfigError: it would not last or cannot be written, another run works on it, or the disk is nearly full.
    """
    home = lasting_home(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "build.lock").open("a+")
    except OSError as error:
        raise ConfigError(f"the home {home} cannot be written ({error.strerror}); choose another with --home") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another run works on {home}; wait for it, or choose another --home") from None
        free = shutil.disk_usage(home).free
        if free < MIN_FREE_BYTES:
            raise ConfigError(f"{free >> 20} MB are free under {home}; a build needs {MIN_FREE_BYTES >> 20}. Make room")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield home


def lasting_home(home: Path) -> Path:
    """Return where a home is.

    Raises:
        ConfigError: it would lie in the folder of a worker's run, which is removed when the run ends.
    """
    if not home.is_absolute() and "PREFECT__FLOW_RUN_ID" in os.environ:
        raise ConfigError(
            f"the home {home} would be gone with the folder of this run: name an absolute one in TRAJMILL_HOME, in the "
            "worker's environment"
        )
    return home.absolute()


def _continue_or_begin(state: State, kind: str, config: RunConfig, fresh: bool) -> Build:
    """Continue the unfinished build, or take the next number; other settings are never mixed into a build.

    One stage run by itself gives way to other settings: it has no more to lose than the next one makes up for.
    """
    config_hash, text = config_in_state(config)
    build = state.open_build(kind, config_hash, text)
    changed = build.config_hash != config_hash
    if changed and kind == "build" and not fresh:
        raise ConfigError(
            f"build {build.number} is unfinished and began with another configuration; run it again with that one, "
            "or leave it behind with --fresh"
        )
    if changed or (build.resumed and fresh):
        state.abandon_build(build.number)
        build = state.open_build(kind, config_hash, text)
    return build


def config_in_state(config: RunConfig) -> tuple[str, str]:
    """Return the hash of what must not change while a build lasts, and the whole configuration as text."""
    return digest("config", config.model_dump(mode="json", exclude=_PACE)), canonical_json(config).decode()
