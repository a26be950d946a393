"""verify --rejudge: accepted episodes are judged again by today's checks; verdicts land beside the first ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from commands.look import provable
from commands.terminal import say, say_json, say_table
from flows.own_home import own_home, require_home
from reports.rejudged import changed_verdicts, count_judged, judged_by_world
from schemas.errors import ConfigError
from schemas.settings import Settings
from tasks.verify.rejudge import SHARD_SIZE, Judged, Waiting, find_waiting, rejudge_shard
from tasks.verify.rows import ProofPlace
from warehouse.warehouse import Warehouse


def run_rejudge(ids: list[str], sample: int | None, seed: int, json: bool) -> None:
    """Judge these episodes again, or those that wait for it; exit code 1 where one does not stand or is unknown."""
    settings = Settings()
    with own_home(require_home(settings.home)) as home:
        warehouse = Warehouse(home)
        waiting = find_waiting(warehouse, seed)
        chosen = _choose(warehouse, ids, sample, waiting)
        place = ProofPlace(home, settings.cache, settings.database_servers())
        done = _judge(warehouse, place, chosen, quiet=json)
        left = len(find_waiting(warehouse, seed).episode_ids)
    counts = count_judged(done)
    if json:
        told = {"waiting": left, "not_installed": waiting.not_installed}
        say_json({**counts, **told, "rows": [{**one.now.model_dump(), "stands": one.stands} for one in done]})
    else:
        _report(done, counts, left, waiting.not_installed)
    if counts["stand"] < counts["judged"]:
        raise SystemExit(1)


def _choose(warehouse: Warehouse, ids: list[str], sample: int | None, waiting: Waiting) -> list[str]:
    """Return the named episodes and a sample of those that wait; all that wait where neither was asked for."""
    episodes, tasks = provable(warehouse, ids)
    if tasks:
        raise ConfigError(
            f"{tasks[0]} is a task; episodes and trajectories are judged again, `trajmill verify {tasks[0][:12]}` "
            "tries a task"
        )
    drawn = waiting.episode_ids[:sample] if sample or not ids else []
    return list(dict.fromkeys([*episodes, *drawn]))


def _judge(warehouse: Warehouse, place: ProofPlace, episode_ids: Sequence[str], quiet: bool) -> list[Judged]:
    """Judge shard by shard; each lands before the next begins."""
    done: list[Judged] = []
    try:
        for start in range(0, len(episode_ids), SHARD_SIZE):
            done += asyncio.run(rejudge_shard(warehouse, place, episode_ids[start : start + SHARD_SIZE]))
            if not quiet and len(done) < len(episode_ids):
                say(f"{len(done):,} of {len(episode_ids):,} judged")
    finally:
        warehouse.write_catalog()
    return done


def _report(done: Sequence[Judged], counts: Mapping[str, int], left: int, not_installed: Mapping[str, int]) -> None:
    if done:
        say_table("What today's checks say", judged_by_world(done))
    if any(one.is_told for one in done):
        say_table("Verdicts that are not what they were", changed_verdicts(done))
    say(
        f"{counts['judged']:,} judged again: {counts['stand']:,} stand, {counts['fall']:,} do not, "
        f"{counts['unknown']:,} could not be run to their end. {counts['landed']:,} verdicts landed. "
        f"{left:,} accepted episodes still wait for today's checks."
    )
    for world, count in not_installed.items():
        say(f"Accepted episodes of the world {world!r}, which is not installed here, were left alone: {count:,}.")
    if counts["fall"]:
        say('The next release leaves out what does not stand: trajmill sql "FROM latest_verdicts WHERE NOT stands"')
