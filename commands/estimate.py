"""`trajmill estimate`: what a build will cost, said before anything is spent. No request is sent, nothing is landed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from commands.terminal import bold, say, say_json, say_table
from environments.registry import open_worlds
from flows.configuration import load_config
from reports import funnel as report
from reports.costs import Asked, Estimate, Load, estimate, read_yield
from schemas.message import approximate_tokens, describe_tools
from schemas.run_config import RunConfig
from schemas.settings import Settings
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from tasks.collect.plan import count_open
from tasks.generate.authors import draft_world, taken_sources
from tasks.workshop import Workshop
from teachers.budget.budgeted import require_prices
from teachers.ledger.ledger import Ledger
from teachers.open import models_of
from teachers.scripted import Scripted
from warehouse.state import State
from warehouse.warehouse import Warehouse


def run_estimate(config_name: str, overrides: dict[str, Any], json: bool) -> None:
    """Estimate the next build and print it.

    Raises:
        ConfigError: wrong configuration, a model without a price, no sandbox for the databases.
    """
    config = load_config(config_name, overrides)
    require_prices(config.teacher, models_of(config.teacher))
    made = asyncio.run(estimate_build(config, Settings()))
    if json:
        say_json(_object(made))
    else:
        _report(made, config_name)


async def estimate_build(config: RunConfig, settings: Settings) -> Estimate:
    """Render what the next build of a home would ask, and estimate its cost."""
    async with _drawing_room(config, settings) as workshop:
        asked = {name: await _asked(workshop, name) for name in workshop.worlds}
        return estimate(config, asked, read_yield(workshop.warehouse))


@asynccontextmanager
async def _drawing_room(config: RunConfig, settings: Settings) -> AsyncIterator[Workshop]:
    """Yield a workshop that reads the home's tables and writes nothing there but copies of databases."""
    with TemporaryDirectory(prefix="trajmill-estimate-") as folder:
        scratch, home = Path(folder), settings.home.absolute()
        where = home if (home / "tables").is_dir() else scratch
        ledger = Ledger(scratch / "ledger.sqlite")
        try:
            async with open_worlds(config, where, settings.cache, settings.database_servers()) as worlds:
                warehouse = Warehouse(where)
                build = max([0, *warehouse.column("task_specs", "build", "build IS NOT NULL")]) + 1
                state, teacher = State(scratch), Scripted([])
                yield Workshop(config, "", where, build, False, warehouse, state, ledger, teacher, worlds)
        finally:
            ledger.close()


async def _asked(workshop: Workshop, name: str) -> Asked:
    config, world = workshop.config, workshop.worlds[name]
    waiting, replays = count_open(workshop, name)
    rounds = range(config.generate.rounds)
    if world.author and world.author.looks:
        await workshop.open_world(name)
    context, task = _opening_tokens(workshop, name, await world.opening())
    # every round at once: what a round would make is not there yet to stand in the next one's prompts
    drafts = [draft for index in rounds for draft in await draft_world(workshop, name, index)]
    return Asked(
        generation=tuple(draft.request for draft in drafts),
        generated=sum(draft.ask.tasks for draft in drafts),
        opening_tokens=context + task,
        task_tokens=task,
        questions=world.author.derivable(taken_sources(workshop, name)) if world.author else 0,
        open_tasks=waiting,
        open_replays=replays,
        max_turns=world.max_turns,
        typical=world.typical,
    )


def _opening_tokens(workshop: Workshop, world: str, typical: str) -> tuple[int, int]:
    """Return the tokens of what stands before a task, tools included, and of what its own message says."""
    spec = _blank(world)
    dialect = workshop.dialect_of(spec)
    messages = dialect.render(spec, (), typical)
    task = messages[-1].tokens
    tools = sum(approximate_tokens(describe_tools((tool,))) for tool in dialect.tools())
    return sum(message.tokens for message in messages) - task + tools, task


def _blank(world: str) -> TaskSpec:
    """Return a task that says nothing: what remains is what every task is told."""
    return TaskSpec.make(
        environment=world,
        instruction="-",
        setup=Setup(),
        check=Check(kind="none"),
        origin="own",
        provenance=Provenance(source="estimate"),
    )


def _object(made: Estimate) -> dict[str, Any]:
    keys = ("requests", "prompt_tokens", "completion_tokens")
    stages = [
        {
            "stage": row.stage,
            "model": row.model,
            "likely": {**dict(zip(keys, map(round, row.likely), strict=True)), "usd": round(row.likely_usd, 6)},
            "at_most": {**dict(zip(keys, map(round, row.at_most), strict=True)), "usd": round(row.at_most_usd, 6)},
        }
        for row in made.rows
    ]
    budget = [{**cap._asdict(), "verdict": cap.verdict} for cap in made.caps]
    return {"stages": stages, "budget": budget, "basis": list(made.basis)}


def _report(made: Estimate, config_name: str) -> None:
    columns = ("stage", "model", "", "requests", "prompt tokens", "completion tokens", "usd")
    rows: list[tuple[Any, ...]] = []
    for row in made.rows:
        rows.append((row.stage, row.model, "likely", *map(round, row.likely), round(row.likely_usd, 4)))
        rows.append(("", "", "at most", *map(round, row.at_most), round(row.at_most_usd, 4)))
    say_table(f"What the next build of {config_name} will ask", report.TableOf(columns, rows))
    likely = f"{_sum(row.likely for row in made.rows)}, ${sum(row.likely_usd for row in made.rows):.2f}"
    say("Likely ", bold(likely), ";")
    say(f"at most {_sum(row.at_most for row in made.rows)}, ${sum(row.at_most_usd for row in made.rows):.2f}.")
    if made.caps:
        caps = [(c.section, c.unit, c.cap, round(c.likely, 4), round(c.at_most, 4), c.verdict) for c in made.caps]
        say_table("Beside the budget", report.TableOf(("section", "unit", "cap", "likely", "at most", ""), caps))
    else:
        say("There is no [budget]: nothing stops the build at these figures.")
    for line in made.basis:
        say(f"- {line}")


def _sum(loads: Iterable[Load]) -> str:
    return f"{round(sum(load.tokens for load in loads)):,} tokens"
