"""A small build, made once: the stages up to curation and ingestion on real worlds, called without Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import prompts
from environments.base import Dialect
from environments.db.dialect import DbDialect
from environments.os.dialect import OsDialect
from flows.open_workshop import open_workshop
from schemas.episode import Episode, Turn
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from schemas.trajectory import Trajectory
from tasks.collect_episodes import collect_shard, plan_shards
from tasks.curate_trajectories import count_shards, curate_shard
from tasks.generate_tasks import derive_tasks, generate_round
from tasks.ingest_conversations import general_files, ingest_file
from tasks.land_completions import land_completions
from tasks.workshop import Workshop
from teachers.ledger import Ledger
from warehouse.state import State
from warehouse.warehouse import Warehouse

OVERRIDES = {
    "generate.rounds": 2,
    "generate.os.requests": 28,
    "generate.db.requests": 21,
    "generate.db.questions": 40,
    "collect.attempts": 2,
    "faults.leak": 0.1,
    "general.conversations": 200,
}
"""Small, and yet rows are turned away at every stage."""

DIALECTS: dict[str, Dialect] = {
    "os": OsDialect(prompts.load("solve_os")),
    "db": DbDialect(prompts.load("solve_db")),
}


@dataclass(frozen=True)
class Played:
    """An episode with all that belongs to it."""

    spec: TaskSpec
    episode: Episode
    turns: tuple[Turn, ...]

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.spec.environment]


@dataclass(frozen=True)
class Built:
    """A finished build's home, opened to look at."""

    home: Path
    config: RunConfig
    curation_id: str
    warehouse: Warehouse
    state: State
    ledger: Ledger
    played: tuple[Played, ...]
    trajectories: tuple[Trajectory, ...]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    home = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJMILL_HOME", str(home))
        config, curation_id = asyncio.run(_build())
    warehouse, ledger = Warehouse(home), Ledger(home / "ledger.sqlite")
    trajectories = tuple(warehouse.read("trajectories"))
    yield Built(home, config, curation_id, warehouse, State(home), ledger, tuple(_played(warehouse)), trajectories)
    ledger.close()


async def _build() -> tuple[RunConfig, str]:
    async with open_workshop("build", "smoke", OVERRIDES) as workshop:
        await derive_tasks.fn(workshop.build)
        for index in range(workshop.config.generate.rounds):
            await generate_round.fn(workshop.build, index)
        await asyncio.gather(*(_collect(workshop, world) for world in workshop.worlds))
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
        for path in general_files(workshop):
            await ingest_file.fn(path, "Apache-2.0")
        land_completions(workshop)
        return workshop.config, workshop.curation_id


async def _collect(workshop: Workshop, world: str) -> None:
    for wave in range(1, workshop.config.collect.attempts + 1):
        for part, index in plan_shards(workshop, world, wave, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)


def _played(warehouse: Warehouse) -> Iterator[Played]:
    specs = {spec.task_id: spec for spec in warehouse.read("task_specs")}
    turns: dict[tuple[str, str], list[Turn]] = {}
    for turn in warehouse.read("turns"):
        turns.setdefault((turn.episode_id, turn.landing), []).append(turn)
    for episode in sorted(warehouse.read("latest_episodes"), key=lambda e: e.episode_id):
        mine = sorted(turns[episode.episode_id, episode.landing], key=lambda turn: turn.index)
        yield Played(specs[episode.task_id], episode, tuple(mine))
