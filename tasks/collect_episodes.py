"""Collection: plan the attempts of a build, roll them out shard by shard, land turns and episodes exactly once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from prefect import task

from schemas.episode import NOT_FINAL, Episode, Turn, make_episode_id
from schemas.errors import ConfigError, TrajmillError
from schemas.record import digest
from schemas.task_spec import TaskSpec
from tasks.journal import Diary
from tasks.roll_out import Attempt, replay_reference, roll_out
from tasks.together import finish_all
from tasks.workshop import Workshop, begin_task

STAGE = "collect_episodes"
Live = Callable[[Workshop, Sequence[str], str], Awaitable[list[tuple[Episode, list[Turn]]]]]
"""Live through the episodes of planned ids, each for one landing."""


class Past(NamedTuple):
    """What became of one attempt so far."""

    tries: int
    is_final: bool
    has_passed: bool


class Chance(NamedTuple):
    """One planned attempt, as it stands in a stored plan."""

    task_id: str
    solver: str
    """teacher or reference."""
    attempt: int
    try_number: int

    @classmethod
    def parse(cls, text: str) -> Chance:
        """Read what `str` wrote."""
        task_id, solver, attempt, try_number = text.split(":")
        return cls(task_id, solver, int(attempt), int(try_number))

    def __str__(self) -> str:
        return ":".join(map(str, self))


def plan_wave(workshop: Workshop, world: str, wave: int, solver: str, origins: Sequence[str]) -> list[str]:
    """List one world's attempts of a wave, ordered: attempt `wave` of each task, and what an outage cut short."""
    past = _past_tries(workshop)
    chances: list[Chance] = []
    for spec in _open_specs(workshop, world, solver, origins):
        kind = "reference" if spec.derivation == "replay" else solver
        done = past.get((spec.task_id, workshop.solver_rules(world, kind).solver.solver_id), {})
        chances.extend(_chances(workshop, spec, kind, done, wave))
    ordered = sorted(chances, key=lambda c: digest("plan", workshop.build, wave, str(c)))
    return [str(c) for c in ordered[: workshop.config.collect.tasks]]


def _open_specs(workshop: Workshop, world: str, solver: str, origins: Sequence[str]) -> list[TaskSpec]:
    where = "environment = ? AND list_contains(?::VARCHAR[], origin)"
    specs: list[TaskSpec] = workshop.warehouse.read("task_specs", where, (world, list(origins)))
    return [spec for spec in specs if spec.reference or solver != "reference"]


def _past_tries(workshop: Workshop) -> dict[tuple[str, str], dict[int, Past]]:
    """Return, by task and solver, what became of each attempt."""
    rows = workshop.warehouse.query(
        "SELECT task_id, solver.solver_id, attempt, max(try_number), "
        f"bool_or(outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown'), bool_or(verdict = 'passed') "
        "FROM episodes GROUP BY ALL"
    )
    past: dict[tuple[str, str], dict[int, Past]] = {}
    for task_id, solver_id, attempt, *became in rows:
        past.setdefault((task_id, solver_id), {})[attempt] = Past(*became)
    return past


def _chances(workshop: Workshop, spec: TaskSpec, kind: str, done: dict[int, Past], wave: int) -> Iterable[Chance]:
    attempts = 1 if kind == "reference" else workshop.config.collect.attempts
    if workshop.config.collect.until_passed and any(past.has_passed for past in done.values()):
        return
    for attempt, past in sorted(done.items()):
        if wave == 1 and _is_due_again(workshop, past):
            yield Chance(spec.task_id, kind, attempt, past.tries + 1)
    if wave <= attempts and wave not in done and not _waits(workshop, done):
        yield Chance(spec.task_id, kind, wave, 1)


def _is_due_again(workshop: Workshop, past: Past) -> bool:
    return not past.is_final and past.tries < workshop.config.collect.max_tries


def _waits(workshop: Workshop, done: dict[int, Past]) -> bool:
    """Whether an attempt that an outage cut short may still pass: until then nobody knows that another is needed."""
    return workshop.config.collect.until_passed and any(_is_due_again(workshop, past) for past in done.values())


def has_reached_goal(workshop: Workshop, world: str) -> bool:
    """Whether this build has the accepted episodes that the config asks of a world."""
    goal = workshop.config.collect.goal
    if goal is None:
        return False
    where = "SELECT count(*) FROM episodes WHERE build = ? AND environment = ? AND verdict = 'passed'"
    rows = workshop.warehouse.query(where, (workshop.build, world))
    return int(rows[0][0]) >= goal


def cut_shards(planned: Sequence[str], size: int) -> list[list[str]]:
    """Cut a whole plan into shards; never what is left of one."""
    return [list(planned[i : i + size]) for i in range(0, len(planned), size)]


def shard_key(stage: str, build: int, part: str, index: int, ids: Sequence[str]) -> str:
    """Return the landing key of a shard."""
    return f"{stage}/{build}/{part}/{index}/{digest(*ids)}"


def plan_shards(
    workshop: Workshop, world: str, wave: int, solver: str, origins: Sequence[str] | None
) -> list[tuple[str, int]]:
    """Store (or read back) the whole plan of a wave; return its shards as (part, index)."""
    part = f"{world} {solver} wave {wave}"
    chosen = list(origins or workshop.config.collect.origins)
    return store_plan(workshop, part, lambda: plan_wave(workshop, world, wave, solver, chosen))


def store_plan(workshop: Workshop, part: str, plan: Callable[[], list[str]]) -> list[tuple[str, int]]:
    """Store (or read back) a plan of episodes; return its shards as (part, index)."""
    planned = workshop.state.plan(workshop.build, STAGE, part, plan)
    workshop.progress.expect(STAGE, len(planned))
    return [(part, index) for index in range(len(cut_shards(planned, workshop.config.collect.shard_size)))]


@task(name="collect shard", task_run_name="collect {part} shard {index}", tags=["stage:collect_episodes"])
async def collect_shard(build: int, part: str, index: int) -> dict[str, int]:
    """Roll out one shard of a stored plan and land it; a shard that landed before is done."""
    return await live_shard(build, part, index, _roll_out_all)


async def live_shard(build: int, part: str, index: int, live: Live) -> dict[str, int]:
    """Live through one shard of a stored plan and land it; a shard that landed before is done."""
    workshop = begin_task()
    key, ids = planned_shard(workshop, build, part, index)
    if workshop.warehouse.has_landed("episodes", key):
        return count_again(workshop, ids)
    lived = await live(workshop, ids, uuid.uuid4().hex)
    land_episodes(workshop, key, lived)
    return {"episodes": len(lived), "passed": sum(e.verdict == "passed" for e, _ in lived)}


def planned_shard(workshop: Workshop, build: int, part: str, index: int) -> tuple[str, list[str]]:
    """Return the landing key and the ids of one shard of a stored plan.

    Raises:
        ConfigError: the plan is not stored.
    """
    planned = workshop.state.plan(build, STAGE, part, _must_be_planned)
    ids = cut_shards(planned, workshop.config.collect.shard_size)[index]
    return shard_key(STAGE, build, part, index, ids), ids


def _must_be_planned() -> list[str]:
    raise ConfigError("this shard's plan is not stored in the home's state; run the whole flow, not the task alone")


def count_again(workshop: Workshop, ids: Sequence[str]) -> dict[str, int]:
    """Show a shard that landed before as done."""
    workshop.progress.stages[STAGE].done += len(ids)
    return {"episodes": len(ids), "passed": 0}


async def _roll_out_all(workshop: Workshop, ids: Sequence[str], landing: str) -> list[tuple[Episode, list[Turn]]]:
    chances = [Chance.parse(i) for i in ids]
    specs = {spec.task_id: spec for spec in specs_of(workshop, [c.task_id for c in chances])}
    gate = asyncio.Semaphore(workshop.config.collect.concurrency)

    stopped: list[TrajmillError] = []

    async def one(chance: Chance) -> tuple[Episode, list[Turn]]:
        async with gate:
            if stopped:
                raise stopped[0]
            try:
                episode, turns = await _roll_out(workshop, specs[chance.task_id], chance, landing)
            except TrajmillError as error:  # the budget or the disk: no episode's own fault, so none is begun after it
                stopped.append(error)
                raise
        count_episode(workshop, episode)
        return episode, turns

    return await finish_all(one(chance) for chance in chances)


def specs_of(workshop: Workshop, task_ids: Sequence[str]) -> list[TaskSpec]:
    """Read the tasks with these ids."""
    unique = sorted(set(task_ids))
    specs: list[TaskSpec] = workshop.warehouse.read("task_specs", "list_contains(?::VARCHAR[], task_id)", (unique,))
    return specs


async def _roll_out(workshop: Workshop, spec: TaskSpec, chance: Chance, landing: str) -> tuple[Episode, list[Turn]]:
    home, rules = workshop.world(spec.environment), workshop.solver_rules(spec.environment, chance.solver)
    attempt = Attempt(workshop.build, chance.attempt, chance.try_number, landing)
    if chance.solver == "reference":
        return await replay_reference(spec, home, rules, attempt)
    episode_id = make_episode_id(spec.task_id, rules.solver.solver_id, await home.world_id_of(spec), chance.attempt)
    journal = Diary(workshop.state, episode_id, chance.try_number)
    return await roll_out(spec, home, workshop.teacher, rules, attempt, journal)


def count_episode(workshop: Workshop, episode: Episode) -> None:
    """Show how an episode ended."""
    if episode.verdict == "passed":
        workshop.progress.keep(STAGE)
    else:
        reason = "failed" if episode.outcome == "finished" else episode.outcome
        workshop.progress.reject(STAGE, reason if episode.verdict != "unknown" else "unknown")


def land_episodes(workshop: Workshop, key: str, rolled: Sequence[tuple[Episode, list[Turn]]]) -> None:
    """Land turns under their landing id, then the episodes: the only commit point."""
    turns = [turn for _, turns in rolled for turn in turns]
    workshop.warehouse.land("turns", turns, key=f"{key}/{turns[0].landing if turns else 'none'}")
    workshop.warehouse.land("episodes", [episode for episode, _ in rolled], key=key)
    workshop.state.clear_journal([episode.episode_id for episode, _ in rolled])
