"""What can be wrong before anything is spent: configuration, home, ledger, sandbox, teacher. Told in words, exit 2.

What is cheap to see is looked at first; each part is imported for those alone who need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from flows.configuration import Chosen, read_config
from flows.own_home import own_home, require_home
from schemas.errors import NothingFound
from schemas.run_config import RunConfig
from schemas.settings import Settings
from tasks.prefect_environment import make_prefect_home
from teachers.endpoint.key import OPENAI_URL, require_key


class Wanted(NamedTuple):
    """Which tasks a collection is about."""

    solver: str
    origins: tuple[str, ...] | None
    """None = those of the configuration."""


class Needs(NamedTuple):
    """What a run cannot do without."""

    teacher: bool = True
    worlds: bool = True
    home: bool = False
    """A home that was worked on before."""
    trajectories: bool = False
    """Something to publish, in such a home."""
    episodes: bool = False
    """Something to curate, in such a home."""
    tasks: Wanted | None = None
    """Something to collect, in such a home."""
    validator: bool = False
    """Great Expectations, surely and late."""
    kind: str = ""
    """Of its build: an unfinished one needs what it began with."""
    fresh: bool = False
    """Whether an unfinished build is left behind."""


STAGE = Needs()
"""What a stage needs that makes tasks or episodes."""
BUILD = STAGE._replace(validator=True)


async def preflight(config_name: str, overrides: Mapping[str, Any] | None, needs: Needs = STAGE) -> None:
    """Try what a run will need, before Prefect is started for it.

    An unfinished build of the `kind` needs what it began with, unless the run is to begin `fresh`.

    Raises:
        ConfigError: something is wrong; the text says what to do.
    """
    chosen, settings = read_config(config_name, overrides), Settings()
    config = await asyncio.to_thread(_look_at_home, settings.home, needs, chosen)
    if needs.teacher:
        _require_key(config, settings)
    if settings.ledger_url:
        from teachers.ledger.ledger import try_ledger

        try_ledger(settings.ledger_place(settings.home))
    if needs.worlds:
        from environments.registry import probe_worlds

        await probe_worlds(config, settings.home, settings.cache)
    if needs.teacher:
        from teachers.open import check_teacher

        await check_teacher(config, settings)


def _look_at_home(home: Path, needs: Needs, chosen: Chosen) -> RunConfig:
    """Look at a home before a run, and return the configuration that its build goes on with."""
    if needs.home or needs.trajectories or needs.episodes or needs.tasks:
        require_home(home)
    with own_home(home) as place:
        make_prefect_home()
        if needs.trajectories:
            require_trajectories(home)
        if needs.episodes:
            require_episodes(home)
        if needs.tasks:
            require_tasks(home, needs.tasks, chosen.config)
        if not (needs.kind and (place / "state.sqlite").exists()):
            return chosen.config
        from flows.beginnings import continue_or_begin
        from warehouse.state import State

        with closing(State(place)) as state:
            return continue_or_begin(state, needs.kind, chosen, needs.fresh)[1]


def require_trajectories(home: Path) -> None:
    """Let a home pass that has something to publish.

    Raises:
        NothingFound: no trajectory was ever kept in it.
    """
    from warehouse.warehouse import Warehouse

    if not Warehouse(home).count("trajectories"):
        raise NothingFound("no trajectory has been kept yet, so there is no mixture; run `trajmill build` first")


def require_episodes(home: Path) -> None:
    """Let a home pass that has something to curate.

    Raises:
        NothingFound: nothing was ever collected in it.
    """
    from warehouse.warehouse import Warehouse

    if not Warehouse(home).count("episodes"):
        raise NothingFound("no episode has been collected yet, so there is nothing to curate; run `trajmill collect`")


def require_tasks(home: Path, wanted: Wanted, config: RunConfig) -> None:
    """Let a home pass that has tasks, or recordings, for a collection.

    Raises:
        NothingFound: it has none; the text says which there are.
    """
    from environments.registry import worlds_of
    from warehouse.warehouse import Warehouse

    of_solver = {
        "recorded": "task_id IN (SELECT task_id FROM recordings)",
        "reference": "len(reference) > 0",
    }.get(wanted.solver, "true")
    rows = Warehouse(home).query(
        f"SELECT environment, origin, count(*), count(*) FILTER ({of_solver}) FROM task_specs GROUP BY ALL ORDER BY ALL"
    )
    origins, worlds = wanted.origins or config.collect.origins, worlds_of(config)
    if any(fits for world, origin, _, fits in rows if world in worlds and origin in origins):
        return
    what = {"recorded": "recording of a task", "reference": "task with a reference"}.get(wanted.solver, "task")
    there = ", ".join(f"{count:,} {origin} ({world})" for world, origin, count, _ in rows)
    raise NothingFound(
        f"no {what} of origin {', '.join(origins)} in {', '.join(worlds)} is in this home; "
        + (f"its tasks are {there}" if rows else "it has no tasks: run `trajmill generate` or `trajmill import` first")
    )


def _require_key(config: RunConfig, settings: Settings) -> None:
    if config.teacher.kind == "openai":
        key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
        require_key(settings.openai_base_url or OPENAI_URL, key)
