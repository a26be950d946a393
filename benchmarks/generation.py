"""What made-up tasks cost: tokens of prompts and replies for each task that came in and each trajectory that was kept.

`python -m benchmarks.generation` runs two small builds with the offline teacher, one as builds were until 12dff63 (one
task a request, eight examples, no deal), one as they are now; `--write docs/speed.md` puts the table into the page.
A token is four bytes, as everywhere here (`schemas.message.approximate_tokens`).
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import prompts
from benchmarks.page import Marks, table_line
from environments.registry import default_worlds
from flows.open_workshop import open_workshop
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import generate_round
from tasks.land_completions import land_completions
from tasks.workshop import Workshop

SMALL: dict[str, Any] = {
    "worlds.os.requests": 42,
    "worlds.db.requests": 30,
    "worlds.db.questions": 0,
    "generate.rounds": 3,
    "general.conversations": 0,
}
BEFORE: dict[str, Any] = {
    "generate.tasks_per_request": 1,
    "generate.seed_examples": 6,
    "generate.machine_examples": 2,
    "generate.grow": 0.0,
    "generate.repairs": 0,
}
FIRST_PROMPTS = {"generate_os": "v1", "generate_db": "v1", "repair_task": "v1"}
TABLE = Marks("<!-- table: python -m benchmarks.generation --write docs/speed.md -->")


@dataclass(frozen=True)
class Cost:
    """What one world's made-up tasks took in one build."""

    world: str
    requests: int
    tokens: int
    admitted: int
    kept: int
    refused: Counter[str]

    @property
    def each(self) -> float:
        """Tokens for a task that came in."""
        return self.tokens / self.admitted


async def spend(home: Path, overrides: dict[str, Any], versions: dict[str, str]) -> list[Cost]:
    """Run a small build up to curation and count."""
    os.environ["TRAJMILL_HOME"] = str(home)
    async with open_workshop("build", "demo", SMALL | overrides) as workshop:
        with prompts.keeping(versions) if versions else nullcontext():
            for index in range(workshop.config.generate.rounds):
                await generate_round.fn(workshop.build, index)
        for world in workshop.worlds:
            for part, index in plan_shards(workshop, world, 1, "teacher", None):
                await collect_shard.fn(workshop.build, part, index)
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
        land_completions(workshop)
        return [_cost(workshop, world) for world in default_worlds()]


def _cost(workshop: Workshop, world: str) -> Cost:
    def query(sql: str) -> list[tuple[Any, ...]]:
        return workshop.warehouse.query(sql, (world,))

    names = [
        row[0]
        for row in workshop.warehouse.query("SELECT completion_id FROM completions WHERE purpose = 'generate_tasks'")
    ]
    requests = [(workshop.ledger.request(name), name) for name in names]
    mine = [(request, name) for request, name in requests if f" {world} round " in request.key]
    replies = dict(workshop.warehouse.query("SELECT completion_id, completion_tokens FROM completions"))
    tokens = sum(message.tokens for request, _ in mine for message in request.messages)
    made = "s.environment = $1 AND s.origin = 'self_instruct'"
    (admitted,) = query(f"SELECT count(*) FROM task_specs s WHERE {made}")[0]
    (kept,) = query(f"SELECT count(*) FROM trajectories t JOIN task_specs s USING (task_id) WHERE {made}")[0]
    refused = Counter(
        dict(query("SELECT reason, count(*) FROM rejections WHERE environment = $1 AND stage <> 'curate' GROUP BY 1"))
    )
    return Cost(world, len(mine), tokens + sum(replies[name] for _, name in mine), admitted, kept, refused)


def render(before: Sequence[Cost], now: Sequence[Cost]) -> str:
    """Word both as a table."""
    head = ("world", "requests", "tokens", "came in", "tokens a task", "kept", "tokens a kept trajectory")
    lines = [table_line(head), table_line(["---"] * len(head))]
    for name, costs in (("until 12dff63", before), ("now", now)):
        lines += [_line(f"{cost.world}, {name}", cost) for cost in costs]
    shares = [f"{cost.world} {cost.each / old.each:.0%}" for old, cost in zip(before, now, strict=True)]
    return "\n".join([*lines, "", f"Tokens a task, now of then: {', '.join(shares)}."])


def _line(name: str, cost: Cost) -> str:
    numbers = (cost.requests, f"{cost.tokens:,}", cost.admitted, round(cost.each), cost.kept)
    return table_line([name, *map(str, numbers), str(round(cost.tokens / cost.kept))])


async def _both(folder: Path) -> tuple[list[Cost], list[Cost]]:
    return await spend(folder / "before", BEFORE, FIRST_PROMPTS), await spend(folder / "now", {}, {})


def main(arguments: Sequence[str]) -> int:
    """Print the table, or write it into a page."""
    with tempfile.TemporaryDirectory() as folder:
        before, now = asyncio.run(_both(Path(folder)))
    print(render(before, now))
    for cost in now:
        print(cost.world, dict(cost.refused))
    if arguments[:1] == ["--write"]:
        page = Path(arguments[1])
        page.write_text(TABLE.put(page.read_text(encoding="utf-8"), render(before, now)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
