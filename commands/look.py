"""What the commands do that only look at a home or tidy it; no Prefect is started for them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import asdict
from typing import Any

import orjson

from commands.dashboard.server_folder import warm_servers
from commands.terminal import say, say_csv, say_json, say_table, spell
from flows.configuration import config_origins
from flows.own_home import require_home
from reports import funnel as report
from reports.comparison import compare, read_published
from reports.difficulty import difficulty, doubted
from reports.drift import SHOWN, by_cause, by_world, differing, measure_drift
from schemas.errors import ConfigError, WarehouseError
from schemas.rejection import REVIEW, TAKEN_BACK, WORDS, Rejection
from schemas.run_config import CollectConfig
from schemas.settings import Settings
from schemas.verification import Verification
from warehouse.build_log import log_builds
from warehouse.state import State
from warehouse.warehouse import Warehouse

TITLES = {
    "reasons": "What was turned away, and why, over all builds",
    "costs": "What was paid",
    "trajectory_costs": "What a kept trajectory took of it",
    "losses": "What was billed beyond its maximum, or may have been billed for a reply that was lost",
    "outages": "What an outage or an interruption cost, and what has been settled since",
    "difficulty": "How hard the tasks are, by the attempts at them",
    "turned_away": "Tasks that came in and were turned away since (`trajmill reject --undo` takes it back)",
    "given_up": "Attempts that used up their tries and have no outcome",
    "stages_alone": "What became of the tasks of stages that were run by themselves",
    "releases": "Releases",
}
"""Of the tables of `status` that are the same for every home."""


def run_sql(query: str, json: bool, csv: bool = False) -> None:
    """Answer a query.

    Raises:
        ConfigError: both forms are asked for, or there is no home.
    """
    if json and csv:
        raise ConfigError("--json and --csv are two forms of one answer; choose one")
    columns, rows = open_home().sql(query)
    if csv:
        say_csv(columns, rows)
    elif json:
        say_json({"columns": columns, "rows": rows})
    else:
        say_table(f"{len(rows):,} rows", report.TableOf(tuple(columns), rows))


def run_status(json: bool) -> None:
    """Show where the home stands."""
    warehouse = open_home()
    _tell_lost(warehouse)
    state = State(warehouse.home)
    unfinished = state.has_unfinished()
    builds, tables = _standing(warehouse, state)
    warm = len(warm_servers(warehouse.home))
    if json:
        facts = {"builds": builds, "unfinished": unfinished, "warm_servers": warm}
        say_json({**facts, **{name: table.records() for name, table in tables.items()}})
        return
    say(f"Home {warehouse.home}, builds: {', '.join(map(str, builds)) or 'none yet'}")
    if unfinished:
        say("One is unfinished: the command that began it goes on where it stood.")
    if warm:
        say("A Prefect server of this home is warm for the next command; it ends by itself.")
    titles = {"funnel": f"What became of the tasks of build {builds[-1] if builds else ''}", **TITLES}
    for name, table in tables.items():
        say_table(titles[name], table)


def _standing(warehouse: Warehouse, state: State) -> tuple[list[int], dict[str, report.TableOf]]:
    """Return the numbers of the builds, single stages apart, and what there is to show by name."""
    alone = state.stages_alone()
    ran = [row[0] for row in warehouse.query("SELECT DISTINCT build FROM episodes ORDER BY 1")]
    builds = [number for number in ran if number > 0 and number not in alone]
    tables = {
        "costs": report.costs(warehouse),
        "trajectory_costs": report.trajectory_costs(warehouse),
        "losses": report.losses(warehouse),
        "reasons": report.reasons(warehouse),
        "outages": report.outages(warehouse),
        "difficulty": difficulty(warehouse),
        "releases": report.releases(warehouse),
    }
    some = {
        "turned_away": doubted(warehouse),
        "given_up": report.given_up(warehouse, _max_tries(state)),
        "stages_alone": report.funnel(warehouse, *alone) if alone else report.TableOf((), []),
    }
    tables |= {name: table for name, table in some.items() if table.rows}
    if builds:
        tables = {"funnel": report.funnel(warehouse, builds[-1]), **tables}
    return builds, tables


def run_compare(name: str, json: bool) -> None:
    """Set the home's counts beside a published table."""
    published = read_published(name)
    table = compare(open_home(), published)
    if json:
        say_json({"compared_with": published.name, "rows": table.records()})
    else:
        say_table(f"This home, all builds, beside {published.name}", table)


def _max_tries(state: State) -> int:
    last = state.last_build()
    said = orjson.loads(state.config_of(last)) if last is not None else {}
    return int(said.get("collect", {}).get("max_tries", CollectConfig().max_tries))


def run_show(id_: str, json: bool) -> None:
    """Show one row, found by the beginning of its id."""
    from commands.show import find_row, later_verdicts, say_row

    warehouse = open_home()
    table, row = find_row(warehouse, id_)
    if json:
        later = [one.model_dump(mode="json") for one in later_verdicts(warehouse, row)]
        say_json({"table": table, "row": row, **({"verdicts": later} if later else {})})
    else:
        say_row(warehouse, table, row)


def run_reject(ids: list[str], reason: str, json: bool, undo: bool = False) -> None:
    """Land a person's verdict on rows, or take back what was said of them."""
    from commands.show import find_row, key_of

    warehouse = open_home()
    found = [find_row(warehouse, id_) for id_ in ids]
    said = [_word_on(warehouse, row[key_of(table)], row, reason, undo) for table, row in found]
    for rejection in said:
        warehouse.land("rejections", [rejection], key=f"review/{rejection.rejection_id}")
    sources = [rejection.source for rejection in said]
    if json:
        say_json({"taken_back" if undo else "rejected": sources})
    elif undo:
        say(f"Taken back for {len(sources)}: {', '.join(sources)}. The next release may take them again.")
    else:
        say(f"Rejected {len(sources)}: {', '.join(sources)}. The next release leaves them out; tasks of these are")
        say("attempted no more. --undo takes it back.")


def _word_on(warehouse: Warehouse, source: str, row: dict[str, Any], reason: str, undo: bool) -> Rejection:
    """Return a person's word on a row: the newest counts.

    Raises:
        ConfigError: it takes back what nobody said.
    """
    mine = f"stage IN {WORDS!r} AND source = ?"
    before: list[Rejection] = warehouse.read("rejections", mine, (source,), order_by="number NULLS FIRST, stage")
    stands = bool(before) and before[-1].reason != TAKEN_BACK
    if undo and not stands:
        raise ConfigError(f"nobody has turned {source} away, so there is nothing to take back (see `turned_away`)")
    if stands and not undo and (before[-1].stage, before[-1].detail) == (REVIEW, reason):
        return before[-1]
    said = TAKEN_BACK if undo else "rejected_by_person"
    number = len(before) if before else None
    return Rejection.make(stage=REVIEW, reason=said, detail=reason, source=source, raw=row, number=number)


def run_verify(ids: list[str], sample: int | None, seed: int, json: bool) -> None:
    """Run proofs again and say what came out otherwise; exit code 1 where anything did."""
    from tasks.verify.rows import ProofPlace, draw_accepted, proofs_of_episodes, proofs_of_tasks, verify_rows

    if not ids and sample is None:
        raise ConfigError("verify needs ids of episodes, trajectories or tasks, or --sample N of the accepted episodes")
    warehouse, settings = open_home(), Settings()
    episodes, tasks = provable(warehouse, ids)
    episodes += draw_accepted(warehouse, sample, seed) if sample else []
    proofs = [*proofs_of_episodes(warehouse, list(dict.fromkeys(episodes))), *proofs_of_tasks(warehouse, tasks)]
    done = asyncio.run(verify_rows(ProofPlace(warehouse.home, settings.cache, settings.database_servers()), proofs))
    drift = measure_drift(done)
    if json:
        say_json({**drift._asdict(), "by_cause": by_cause(done).records(), "rows": [o.model_dump() for o in done]})
    else:
        _say_drift(done)
    if not all(one.is_same for one in done):
        raise SystemExit(1)


def _say_drift(done: list[Verification]) -> None:
    say_table("What came of running them again", by_world(done))
    if all(one.is_same for one in done):
        return
    say_table("Why rows came out otherwise; one may for several reasons", by_cause(done))
    found = differing(done)
    more = "" if len(found.rows) <= SHOWN else f", the first {SHOWN} of {len(found.rows)}; --json shows all"
    say_table(f"What came out otherwise{more}", report.TableOf(found.columns, found.rows[:SHOWN]))


def provable(warehouse: Warehouse, ids: list[str]) -> tuple[list[str], list[str]]:
    """Return the episodes and the tasks that these beginnings of ids name; a trajectory stands for its episode.

    Raises:
        ConfigError: one names nothing, several rows, or a row that has no proof.
    """
    from commands.show import find_row

    episodes, tasks = [], []
    for id_ in ids:
        table, row = find_row(warehouse, id_)
        if table in ("episodes", "trajectories"):
            episodes.append(row["episode_id"])
        elif table == "task_specs":
            tasks.append(row["task_id"])
        else:
            raise ConfigError(
                f"{id_!r} is a row of {table}; episodes, trajectories and tasks have a proof to run again"
            )
    return episodes, list(dict.fromkeys(tasks))


def run_gc(json: bool) -> None:
    """Tidy the home."""
    from tasks.tidy_home import tidy_home

    home = open_home().home
    tidied = tidy_home(home, Settings().ledger_place(home))
    tables = tidied.tables
    if json:
        say_json({**asdict(tables), "retired_requests": tidied.requests, "dropped_chat_files": tidied.chat_files})
        return
    freed = f"{tables.freed_files:,} files ({tables.freed_bytes / 1e6:.1f} MB)"
    say(f"Tidied: {freed} less; the tables are {tables.files:,} files ({tables.bytes / 1e6:.1f} MB) now.")
    say(f"Retired: the words of {tidied.requests:,} requests, {tidied.chat_files:,} files of ingested chat.")


def run_config_show(config: str, overrides: dict[str, Any], json: bool) -> None:
    """Print every value and its origin."""
    values = list(config_origins(config, overrides))
    if json:
        say_json({key: {"value": value, "from": origin} for key, value, origin in values})
        return
    rows = [(key, spell(value), origin) for key, value, origin in values]
    say_table(f"Configuration {config}", report.TableOf(("key", "value", "from"), rows))


def _tell_lost(warehouse: Warehouse) -> None:
    """Say on stderr where the newest landings of a table are gone: a log that ends early looks like any other."""
    for table, loss in warehouse.losses().items():
        sys.stderr.write(
            f"trajmill: {table} has lost landings: {loss}. "
            "Restore tables/ from a copy (docs/recovery.md); to go on without them, remove home.json\n"
        )


def open_home() -> Warehouse:
    """Return the home's warehouse.

    Raises:
        ConfigError: there is no home yet.
    """
    warehouse = Warehouse(require_home(Settings().home))
    warehouse.settle_catalog()
    _log_builds(warehouse)
    return warehouse


def _log_builds(warehouse: Warehouse) -> None:
    """Lay the builds of a home of an earlier version beside its tables, where it can be written."""
    if not (warehouse.home / "state.sqlite").exists():
        return
    with contextlib.suppress(WarehouseError, OSError), contextlib.closing(State(warehouse.home)) as state:
        log_builds(warehouse, state)
