"""import of tasks: where their format says so, they are tried before they come in, as made-up ones are.

A task without a reference comes in untried, since nothing can be tried with it. So do a benchmark's: nobody trains on
them, and docs/trust.md has them on trial.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Container, Sequence
from itertools import islice
from pathlib import Path

from commands.import_rows import read_rows
from commands.terminal import say
from environments.registry import open_worlds
from flows.configuration import load_config
from formats.catalogue import CONFIG, Given, Importer
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.settings import Settings
from schemas.task_spec import TaskSpec
from tasks.generate.admit import Candidate, Refused, try_all
from warehouse.warehouse import Warehouse

AT_ONCE = 256
"""Tasks that are tried and landed together: what a stop in the middle costs."""
UNTRIED_AT_ONCE = 20_000
"""Tasks that are only landed."""


def import_tasks(importer: Importer, paths: Sequence[Path], given: Given, quiet: bool = True) -> Counter[str]:
    """Land the tasks of some files; count `kept`, `imported_before`, `rejected_before` and each reason."""
    home = Settings().home
    home.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(home)
    counts: Counter[str] = Counter()
    rows, done = read_rows(importer, paths, given), 0
    while batch := list(islice(rows, AT_ONCE if importer.tried else UNTRIED_AT_ONCE)):
        if importer.tried:
            known = frozenset(warehouse.column("task_specs", "task_id"))
            counts.update(_land(warehouse, try_own(batch, home, given.get(CONFIG.name, str(CONFIG.default)), known)))
        else:
            counts.update(_land(warehouse, batch))
        done += len(batch)
        if not quiet and done % AT_ONCE == 0:
            say(f"{done:,} rows {'tried and ' if importer.tried else ''}landed")
    warehouse.write_catalog()
    return counts


def _land(warehouse: Warehouse, rows: list[TaskSpec | Rejection]) -> Counter[str]:
    known = {*warehouse.column("task_specs", "task_id"), *warehouse.column("rejections", "rejection_id")}
    specs: list[TaskSpec] = []
    rejections: list[Rejection] = []
    for row in rows:
        id_ = row.rejection_id if isinstance(row, Rejection) else row.task_id
        if id_ in known:
            continue
        known.add(id_)
        if isinstance(row, Rejection):
            rejections.append(row)
        else:
            specs.append(row)
    key = f"import/{digest(sorted(s.task_id for s in specs), sorted(r.rejection_id for r in rejections))}"
    warehouse.land("rejections", rejections, key=key)
    warehouse.land("task_specs", specs, key=key)
    refused = sum(isinstance(row, Rejection) for row in rows)
    before = Counter(imported_before=len(rows) - refused - len(specs), rejected_before=refused - len(rejections))
    return +(Counter(row.reason for row in rejections) + Counter(kept=len(specs)) + before)


def try_own(
    rows: Sequence[TaskSpec | Rejection], home: Path, config: str, known: Container[str]
) -> list[TaskSpec | Rejection]:
    """Try the tasks that have a reference and are not known; one that a probe turns down becomes a rejection.

    Raises:
        ConfigError: a world that they need does not work on this machine; the text says what to do.
    """
    tried = (row for row in rows if isinstance(row, TaskSpec) and row.reference and row.task_id not in known)
    candidates = {spec.task_id: Candidate(spec, spec.provenance.source) for spec in tried}
    if not candidates:
        return list(rows)
    admitted, refused = asyncio.run(_try(list(candidates.values()), home, config))
    ended = {one.spec.task_id: one.spec for one in admitted} | {_task_id(one): one.rejection() for one in refused}
    return [row if isinstance(row, Rejection) else ended.get(row.task_id, row) for row in rows]


async def _try(candidates: Sequence[Candidate], home: Path, config: str) -> tuple[list[Candidate], list[Refused]]:
    settings = Settings()
    names = sorted({candidate.spec.environment for candidate in candidates})
    chosen = load_config(config, {"environments": names})
    async with open_worlds(chosen, home, settings.cache, settings.database_servers()) as worlds:
        return await try_all(worlds, candidates, chosen.collect.concurrency)


def _task_id(refused: Refused) -> str:
    assert isinstance(refused.raw, TaskSpec)
    return refused.raw.task_id
