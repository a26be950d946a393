"""Planted faults: what the mill keeps and refuses of every class, counted against the fault plan.

`python -m benchmarks.faults` prints the table, `--write docs/trust.md` puts it into the page. The stages are the real
ones (teacher client, sandboxes, admission, rollout, curation), called without Prefect, on a home of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fault_truth import (
    SOLVER_CLASSES,
    TASK_CLASSES,
    Planted,
    planted_in_episode,
    planted_in_tasks,
)
from benchmarks.page import Marks, table_line
from flows.open_workshop import open_workshop
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import derive_tasks, generate_round
from tasks.land_completions import land_completions
from tasks.workshop import Workshop

OVERRIDES = {
    "environments": [
        "os",
        "db",
        "alfworld",
        "webshop",
        "kg",
    ],  # pages know their own truth (tests/environments/mind2web)
    "worlds.os.requests": 300,
    "worlds.db.requests": 150,
    "collect.attempts": 3,
    "curate.per_task": 3,
    "faults.solver": 0.7,
    "faults.task": 0.6,
    "faults.leak": 0.0,
}
"""Rates at which every class is planted at least `AT_LEAST` times over at least `EPISODES` episodes."""
AT_LEAST = 15
EPISODES = 500
TABLE = Marks("<!-- table: python -m benchmarks.faults --write docs/trust.md -->")


@dataclass(frozen=True)
class Case:
    """One episode or made-up task: what was planted, and what the mill made of it."""

    environment: str
    planted: Planted
    is_kept: bool
    reason: str = ""
    """Why it was refused: the stable code of its rejection."""
    detail: str = ""
    answer: str | None = None
    replies: tuple[str, ...] = ()
    """The solver's replies, each with the action that it was read as; a task's one draft."""
    actions: tuple[str, ...] = ()
    """What was done, by kind: bash, sql, answer, finish, invalid."""
    name: str = ""

    @property
    def is_wrong_kept(self) -> bool:
        return self.is_kept and not self.planted.is_right

    @property
    def is_right_refused(self) -> bool:
        return self.planted.is_right and not self.is_kept


@dataclass(frozen=True)
class Found:
    """All cases of a run."""

    episodes: tuple[Case, ...]
    tasks: tuple[Case, ...]


async def plant(home: Path, **requests: int) -> Found:
    """Run the stages up to curation on a fresh home and compare each row with the plan.

    `requests` are those of a world, by its name, where fewer than for the page will do.
    """
    os.environ["TRAJMILL_HOME"] = str(home)
    fewer = {f"worlds.{world}.requests": count for world, count in requests.items()}
    async with open_workshop("build", "demo", OVERRIDES | fewer) as workshop:
        await _make_tasks(workshop)
        await asyncio.gather(*(_collect(workshop, world) for world in workshop.worlds))
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
        land_completions(workshop)
        return Found(tuple(_episodes(workshop)), tuple(_tasks(workshop)))


async def _make_tasks(workshop: Workshop) -> None:
    await derive_tasks.fn(workshop.build)
    for index in range(workshop.config.generate.rounds):
        await generate_round.fn(workshop.build, index)


async def _collect(workshop: Workshop, world: str) -> None:
    for wave in range(1, workshop.config.collect.attempts + 1):
        for part, index in plan_shards(workshop, world, wave, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)


def _episodes(workshop: Workshop) -> Iterable[Case]:
    """Compare the episodes that a teacher wrote; equal ones and those over the cap were found right all the same."""
    rows = workshop.warehouse.query(
        "WITH said AS (SELECT episode_id, landing, list(concat_ws(chr(10), reply, action) ORDER BY index) AS replies, "
        "list(action_kind ORDER BY index) AS kinds, arg_min(completion_id, index) AS first FROM turns GROUP BY ALL), "
        "refused AS (SELECT split_part(source, '/', 1) AS episode_id, reason, detail FROM rejections "
        "WHERE stage = 'curate') "
        "SELECT e.environment, s.first, t.episode_id IS NOT NULL OR r.reason IN ('duplicate', 'capped'), "
        "coalesce(r.reason, e.outcome_reason), coalesce(r.detail, e.verdict_detail), e.answer, s.replies, s.kinds, "
        "e.episode_id FROM latest_episodes e JOIN said s USING (episode_id, landing) "
        "LEFT JOIN trajectories t USING (episode_id) LEFT JOIN refused r USING (episode_id) "
        "WHERE e.solver.kind = 'teacher' ORDER BY e.episode_id"
    )
    faults = workshop.config.faults
    for environment, first, is_kept, reason, detail, answer, replies, kinds, name in rows:
        planted = planted_in_episode(workshop.ledger.request(first), faults)
        yield Case(environment, planted, is_kept, reason, detail, answer, tuple(replies), tuple(kinds), name)


def _tasks(workshop: Workshop) -> Iterable[Case]:
    """Compare the made-up tasks that were tried; what was no news is left out, unless its trials came before."""
    admitted = dict(
        workshop.warehouse.query("SELECT provenance.source, environment FROM task_specs WHERE origin = 'self_instruct'")
    )
    refusals = {
        source: told
        for source, *told in workshop.warehouse.query(
            "SELECT source, environment, stage, reason, detail, raw FROM rejections "
            "WHERE stage IN ('generate', 'admit')"
        )
    }
    asked = workshop.warehouse.query(
        "SELECT completion_id, reply FROM completions WHERE purpose = 'generate_tasks' ORDER BY completion_id"
    )
    for completion_id, reply in asked:
        request = workshop.ledger.request(completion_id)
        if len(request.messages) > 1:  # a repair, of tasks that are there already
            continue
        plan = planted_in_tasks(request, workshop.config.faults)
        for number, planted in plan.items():
            source = request.key if len(plan) == 1 else f"{request.key} task {number}"
            if source in admitted:
                yield Case(admitted[source], planted, True, replies=(reply,), name=source)
                continue
            world, stage, reason, detail, raw = refusals[source]
            if stage == "admit" or _has_probes(raw):
                yield Case(world, planted, stage != "admit", reason, detail, replies=(reply,), name=source)


def _has_probes(raw: str) -> bool:
    """Whether a task that was turned away as no news had been tried by then: a neighbour of its round came in first."""
    return raw.startswith("{") and bool(json.loads(raw)["probes"])


def render(found: Found) -> str:
    """Word the cases as two tables, classes in the plan's order."""
    return "\n\n".join(
        (
            _table("episodes", SOLVER_CLASSES, found.episodes),
            _table("made-up tasks", TASK_CLASSES, found.tasks),
        )
    )


def _table(what: str, classes: Sequence[str], cases: Sequence[Case]) -> str:
    head = ("planted in " + what, "OS", "DB", "planted", "kept", "refused", "wrong kept", "right refused", "refused as")
    lines = [table_line(head), table_line(["---"] * len(head))]
    lines += [table_line(_row(name, [case for case in cases if case.planted.fault == name])) for name in classes]
    return "\n".join([*lines, table_line(["**all**", *_row("", cases)[1:-1], ""])])


def _row(name: str, cases: Sequence[Case]) -> list[str]:
    worlds = Counter(case.environment for case in cases)
    refused = Counter(case.reason for case in cases if not case.is_kept)
    numbers = (
        worlds["os"],
        worlds["db"],
        len(cases),
        sum(case.is_kept for case in cases),
        refused.total(),
        sum(case.is_wrong_kept for case in cases),
        sum(case.is_right_refused for case in cases),
    )
    reasons = ", ".join(f"`{reason}` {count}" for reason, count in sorted(refused.items()))
    return [f"`{name}`", *map(str, numbers), reasons]


def main(arguments: Sequence[str]) -> int:
    """Print the table, or write it into a page."""
    with tempfile.TemporaryDirectory() as home:
        found = asyncio.run(plant(Path(home)))
    print(render(found))
    if arguments[:1] == ["--write"]:
        page = Path(arguments[1])
        page.write_text(TABLE.put(page.read_text(encoding="utf-8"), render(found)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
