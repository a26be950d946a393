"""Collection: plan the attempts of a build, roll them out shard by shard, land turns and episodes exactly once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence

from prefect import task

from schemas.episode import Episode, Turn, make_episode_id
from schemas.errors import ConfigError, TrajmillError
from schemas.record import digest
from schemas.task_spec import TaskSpec
from tasks.collect.journal import StoredJournal
from tasks.collect.plan import Chance, plan_again, plan_wave
from tasks.collect.roll_out import Attempt, replay_reference, roll_out
from tasks.together import finish_all
from tasks.workshop import Workshop, begin_task

STAGE = "collect_episodes"
Live = Callable[[Workshop, Sequence[str], str], Awaitable[list[tuple[Episode, list[Turn]]]]]
"""Live through the episodes of planned ids, each for one landing."""


def has_reached_goal(workshop: Workshop, world: str) -> bool:
    """Whether this build has the accepted episodes that the config asks of a world."""
    collect = workshop.config.collect
    goal = collect.goals.get(world, collect.goal)
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
    """Store (or read back) the whole plan of a wave; return its shards as (part, index).

    A build that is continued asks again what an outage had cut short before: a plan of its own beside the first.
    """
    part = f"{world} {solver} wave {wave}"
    chosen = list(origins or workshop.config.collect.origins)
    again = store_again(
        workshop, f"{world} {solver} wave ", part, lambda planned: plan_again(workshop, world, wave, solver, planned)
    )
    return store_plan(workshop, part, lambda: plan_wave(workshop, world, wave, solver, chosen)) + again


def store_plan(workshop: Workshop, part: str, plan: Callable[[], list[str]]) -> list[tuple[str, int]]:
    """Store (or read back) a plan of episodes; return its shards as (part, index)."""
    planned = workshop.state.plan(workshop.build, STAGE, part, plan)
    workshop.progress.expect(STAGE, len(planned))
    return [(part, index) for index in range(len(cut_shards(planned, workshop.config.collect.shard_size)))]


def store_again(
    workshop: Workshop, parts: str, part: str, plan: Callable[[Collection[str]], list[str]]
) -> list[tuple[str, int]]:
    """Store what a continued build asks again, if there is any; return the shards of all that it did, (part, index).

    Args:
        parts: how the parts begin whose plans say what is this build's.
        part: what was planned first; where it was not there is nothing to ask again.
        plan: returns what is open beside what stands in those plans.
    """
    stored = workshop.state.plans(workshop.build, STAGE)
    if not workshop.resumed or part not in stored:
        return []
    names = [name for name in stored if name.startswith(f"{part} again ")]
    again = plan({item for name, items in stored.items() if name.startswith(parts) for item in items})
    names += [f"{part} again {len(names) + 1}"] if again else []
    return [shard for name in names for shard in store_plan(workshop, name, lambda: again)]


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
    """Show a shard that landed before as done; what a kill between its landing and its end left behind goes."""
    _forget_landed(workshop)
    workshop.progress.stages[STAGE].done += len(ids)
    return {"episodes": len(ids), "passed": 0}


def _forget_landed(workshop: Workshop) -> None:
    journalled = dict(workshop.state.journalled())  # an episode's last try, of which alone anybody knows
    if not journalled:
        return
    where = "SELECT episode_id, try_number FROM episodes WHERE list_contains(?::VARCHAR[], episode_id)"
    landed = {*workshop.warehouse.query(where, (list(journalled),))}
    workshop.state.clear_journal([one for one, number in journalled.items() if (one, number) in landed])


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
    world, rules = await workshop.open_world(spec.environment), workshop.solver_rules(spec, chance.solver)
    attempt = Attempt(workshop.build, chance.attempt, chance.try_number, landing)
    if chance.solver == "reference":
        return await replay_reference(spec, world, rules, attempt)
    episode_id = make_episode_id(spec.task_id, rules.solver.solver_id, await world.world_id_of(spec), chance.attempt)
    journal = StoredJournal(workshop.state, episode_id, chance.try_number)
    return await roll_out(spec, world, workshop.teacher, rules, attempt, journal)


def count_episode(workshop: Workshop, episode: Episode) -> None:
    """Show how an episode ended."""
    reason = "failed" if episode.outcome == "finished" else episode.outcome
    if episode.verdict == "passed":
        workshop.progress.keep(STAGE)
    elif episode.is_final:
        workshop.progress.reject(STAGE, reason)
    else:
        workshop.progress.leave_open(STAGE, "check_error" if episode.outcome == "finished" else episode.outcome)


def land_episodes(workshop: Workshop, key: str, rolled: Sequence[tuple[Episode, list[Turn]]]) -> None:
    """Land turns under their landing id, then the episodes: the only commit point."""
    turns = [turn for _, turns in rolled for turn in turns]
    workshop.warehouse.land("turns", turns, key=f"{key}/{turns[0].landing if turns else 'none'}")
    workshop.warehouse.land("episodes", [episode for episode, _ in rolled], key=key)
    workshop.state.clear_journal([episode.episode_id for episode, _ in rolled])
