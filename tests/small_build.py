"""A small build, made once: the stages up to curation and ingestion on real worlds, called without Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import prompts
from environments.db.dialect import DbDialect
from environments.dialects.text import TextDialect
from environments.os.dialect import OsDialect
from flows.open_workshop import open_workshop
from schemas.episode import Episode, Turn
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from schemas.trajectory import Trajectory
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import derive_tasks, generate_round
from tasks.ingest.conversations import general_files, ingest_file
from tasks.land_completions import land_completions
from tasks.workshop import Workshop
from teachers.ledger.ledger import Ledger
from warehouse.state import State
from warehouse.warehouse import Warehouse

OVERRIDES = {
    "environments": ["os", "db"],
    "generate.rounds": 2,
    "worlds.os.requests": 28,
    "worlds.db.requests": 21,
    "worlds.db.questions": 40,
    "collect.attempts": 2,
    "faults.leak": 0.1,
    "general.conversations": 200,
}
"""Small, and yet rows are turned away at every stage."""

DIALECTS: dict[str, TextDialect] = {
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
    def dialect(self) -> TextDialect:
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


@contextmanager
def opened(home: Path) -> Iterator[Built]:
    """Open what `make` left in a folder."""
    config = RunConfig.model_validate_json((home / "config.json").read_bytes())
    curation_id = (home / "curation_id").read_text(encoding="utf-8")
    warehouse = Warehouse(home)
    trajectories = tuple(warehouse.read("trajectories"))
    with closing(State(home)) as state, closing(Ledger(home / "ledger.sqlite")) as ledger:
        yield Built(home, config, curation_id, warehouse, state, ledger, tuple(_played(warehouse)), trajectories)


def make(home: Path) -> None:
    """Run the stages in a folder, and write down what its tables do not say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJMILL_HOME", str(home))
        config, curation_id = asyncio.run(_build())
    (home / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
    (home / "curation_id").write_text(curation_id, encoding="utf-8")


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
