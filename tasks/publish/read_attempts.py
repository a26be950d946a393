"""Reads the attempts at some tasks, failed ones too, worded as their solver was spoken to."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from environments.base import Dialect
from environments.registry import Worlds
from formats.releases.attempts import AttemptsOf, JudgedAttempt
from schemas.episode import NOT_FINAL, Episode, Turn
from schemas.errors import ConfigError
from schemas.message import Message, describe_tools
from schemas.task_spec import TaskSpec
from tasks.collect.repairs import understood
from tasks.privacy.rows import hide_or_withhold
from tasks.publish.about_checks import FALLEN
from warehouse.warehouse import Warehouse

DialectOf = Callable[[str, str], Dialect | None]


def attempts_in(warehouse: Warehouse, worlds: Worlds) -> AttemptsOf:
    """Return what gives the attempts at tasks: final, of solvers, judged, and not fallen when judged again."""

    @functools.cache
    def dialect_of(world: str, name: str) -> Dialect | None:
        try:
            return worlds.dialect(world, name)
        except ConfigError:
            return None

    return lambda tasks: _read(warehouse, dialect_of, tasks)


def _read(warehouse: Warehouse, dialect_of: DialectOf, tasks: Sequence[str]) -> Iterator[tuple[JudgedAttempt, ...]]:
    of_tasks = "list_contains(?::VARCHAR[], task_id)"
    judged = f"outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown' AND episode_id NOT IN ({FALLEN})"
    episodes: dict[str, list[Episode]] = defaultdict(list)
    for episode in warehouse.read("latest_episodes", f"{of_tasks} AND {judged}", (list(tasks),)):
        if episode.solver.kind != "reference":
            episodes[episode.task_id].append(episode)
    specs: list[TaskSpec] = warehouse.read("task_specs", of_tasks, (list(tasks),))
    by_id = {spec.task_id: spec for spec in specs}
    ids = [one.episode_id for them in episodes.values() for one in them]
    landings = {(one.episode_id, one.landing) for them in episodes.values() for one in them}
    turns: dict[str, list[Turn]] = defaultdict(list)
    for turn in warehouse.read("turns", "list_contains(?::VARCHAR[], episode_id)", (ids,)):
        if (turn.episode_id, turn.landing) in landings:
            turns[turn.episode_id].append(turn)
    rows = _rows(warehouse, ids)
    for task in tasks:
        yield tuple(_attempt(by_id[task], e, turns[e.episode_id], dialect_of, rows) for e in episodes[task])


def _rows(warehouse: Warehouse, episodes: Sequence[str]) -> dict[str, set[str]]:
    sql = "SELECT episode_id, trajectory_id FROM trajectories WHERE list_contains(?::VARCHAR[], episode_id)"
    rows: dict[str, set[str]] = defaultdict(set)
    for episode, row in warehouse.query(sql, (list(episodes),)):
        rows[episode].add(row)
    return rows


def _attempt(
    spec: TaskSpec, episode: Episode, turns: Sequence[Turn], dialect_of: DialectOf, rows: dict[str, set[str]]
) -> JudgedAttempt:
    dialect = dialect_of(spec.environment, episode.solver.dialect or "react")
    worded = _word(spec, turns, dialect)
    tools = dialect.tools() if dialect else ()
    return JudgedAttempt(
        task_id=spec.task_id,
        episode_id=episode.episode_id,
        environment=spec.environment,
        rows=frozenset(rows[episode.episode_id]),
        passed=episode.verdict == "passed",
        reward=episode.reward,
        model=episode.solver.model,
        dialect=episode.solver.dialect,
        tools=describe_tools(tools) if tools else None,
        messages=() if isinstance(worded, str) else worded,
        problem=worded if isinstance(worded, str) else "",
    )


def _word(spec: TaskSpec, turns: Sequence[Turn], dialect: Dialect | None) -> tuple[Message, ...] | str:
    if dialect is None:
        return "no_world"
    did = understood(sorted(turns, key=lambda turn: turn.index))
    if not did:
        return "no_turns"
    conversations = dialect.conversations(spec, did)
    return hide_or_withhold(conversations[0])[0] if len(conversations) == 1 else "rounds"
