"""Runs the proofs of rows of a home again, each in the world that its build was configured for; nothing is changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from environments.registry import Worlds, open_worlds, worlds_of
from schemas.episode import Episode, Turn
from schemas.errors import ConfigError, WarehouseError
from schemas.invalid_values import explain
from schemas.record import canonical_json
from schemas.run_config import RunConfig
from schemas.task_spec import TaskSpec
from schemas.verification import Verification
from tasks.publish.eligible import sampling_key
from tasks.together import finish_all
from tasks.verify.episode import verify_episode, verify_task
from warehouse.state import State
from warehouse.warehouse import Warehouse


class Proof(NamedTuple):
    """What is to be run again."""

    spec: TaskSpec
    episode: Episode | None = None
    """None = the task itself."""
    turns: tuple[Turn, ...] = ()


class ProofPlace(NamedTuple):
    """Where proofs are run again."""

    home: Path
    cache: Path
    """Base images."""
    servers: Mapping[str, str]
    """URLs of database servers by dialect."""


def draw_accepted(warehouse: Warehouse, count: int, seed: int) -> list[str]:
    """Return the ids of `count` accepted episodes (fewer where there are fewer), drawn by sha256 of id and seed."""
    accepted: list[str] = warehouse.column("latest_episodes", "episode_id", "verdict = 'passed'")
    return sorted(accepted, key=lambda episode_id: sampling_key(episode_id, seed))[:count]


def proofs_of_episodes(warehouse: Warehouse, episode_ids: Sequence[str]) -> list[Proof]:
    """Read the last tries of episodes with their turns and tasks, in the order of the ids.

    Raises:
        ConfigError: one ended in nobody's failure, so it has proved nothing.
    """
    mine = ("list_contains(?::VARCHAR[], episode_id)", (list(episode_ids),))
    episodes: dict[str, Episode] = {e.episode_id: e for e in warehouse.read("latest_episodes", *mine)}
    turns: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in warehouse.read("turns", *mine):
        if turn.landing == episodes[turn.episode_id].landing:
            turns[turn.episode_id].append(turn)
    specs = _specs(warehouse, [episode.task_id for episode in episodes.values()])
    for episode in episodes.values():
        if not episode.is_final:
            raise ConfigError(
                f"episode {episode.episode_id} ended as {episode.outcome} ({episode.outcome_reason}), verdict "
                f"{episode.verdict}: it proves nothing that could be run again; the next build tries it anew"
            )
    return [
        Proof(specs[episodes[i].task_id], episodes[i], tuple(sorted(turns[i], key=lambda turn: turn.index)))
        for i in episode_ids
    ]


def proofs_of_tasks(warehouse: Warehouse, task_ids: Sequence[str]) -> list[Proof]:
    """Read tasks, in the order of the ids."""
    specs = _specs(warehouse, task_ids)
    return [Proof(specs[task_id]) for task_id in task_ids]


def _specs(warehouse: Warehouse, task_ids: Iterable[str]) -> Mapping[str, TaskSpec]:
    where = "list_contains(?::VARCHAR[], task_id)"
    return {spec.task_id: spec for spec in warehouse.read("task_specs", where, (sorted(set(task_ids)),))}


async def verify_rows(place: ProofPlace, proofs: Sequence[Proof]) -> list[Verification]:
    """Run proofs again, those of builds with other settings one after another; results in the order of `proofs`.

    A proof whose build's configuration is not known, or cannot be read any more, is broken.

    Raises:
        ConfigError: a world does not open on this machine.
    """
    state = State(place.home)
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    configs: dict[bytes, RunConfig] = {}
    done: dict[int, Verification] = {}
    for position, proof in enumerate(proofs):
        try:
            config = _config_of(state, proof)
        except (ConfigError, WarehouseError) as error:
            done[position] = _broken(proof, error)
            continue
        key = canonical_json((worlds_of(config), config.collect))
        configs[key] = config
        groups[key].append(position)
    state.close()
    for key, positions in groups.items():
        results = await _verify_together(configs[key], place, [proofs[position] for position in positions])
        done.update(zip(positions, results, strict=True))
    return [done[position] for position in range(len(proofs))]


def _broken(proof: Proof, error: Exception) -> Verification:
    id_, kind = (proof.episode.episode_id, "episode") if proof.episode else (proof.spec.task_id, "task")
    told = {"id": id_, "kind": kind, "environment": proof.spec.environment, "broken": str(error)}
    return Verification.model_validate(told)


def _config_of(state: State, proof: Proof) -> RunConfig:
    """Return what the proof's build was configured as; an imported task takes the newest build's."""
    build = proof.episode.build if proof.episode else proof.spec.build
    number = build if build is not None else state.last_build()
    if number is None:
        return RunConfig()
    try:
        config = RunConfig.model_validate_json(state.config_of(number))
    except ValidationError as error:
        raise ConfigError(
            f"build {number} was configured for another version of Trajmill, which reads: "
            f"{explain(error, RunConfig)}; verify its rows with that version"
        ) from None
    world = proof.spec.environment
    return config if world in worlds_of(config) else config.model_copy(update={"environments": (world,)})


async def _verify_together(config: RunConfig, place: ProofPlace, proofs: Sequence[Proof]) -> list[Verification]:
    needed = {proof.spec.environment for proof in proofs}
    here = config.model_copy(update={"environments": tuple(e for e in worlds_of(config) if e in needed)})
    gate = asyncio.Semaphore(config.collect.concurrency)

    async def one(work: Coroutine[Any, Any, Verification]) -> Verification:
        async with gate:
            return await work

    async with open_worlds(here, place.home, place.cache, place.servers) as worlds:
        return await finish_all(one(_verify(worlds, proof)) for proof in proofs)


async def _verify(worlds: Worlds, proof: Proof) -> Verification:
    world = await worlds.enter(proof.spec.environment)
    if proof.episode is None:
        return await verify_task(proof.spec, world)
    return await verify_episode(proof.spec, world, proof.episode, proof.turns)
