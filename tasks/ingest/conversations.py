"""Ingestion of general chat: files in, conversations and rejections out, batch by batch, each landed exactly once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from prefect import task

from environments.registry import importers
from formats.catalogue import choose
from rehearsals.chats import FORMAT, write_chats
from schemas.bounded_reading import open_file
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.trajectory import Conversation
from tasks.ingest.admit import Admission, Admitted
from tasks.ingest.readings import EarlierReadings, identify_reading
from tasks.workshop import Workshop, begin_task

STAGE = "ingest_conversations"
BATCH = 2000
"""Rows a landing: memory stays constant, whatever the size of the file."""
NO_OPTIONS: Mapping[str, str] = {}
BUILT_IN_LICENSE = "Apache-2.0"


def general_files(workshop: Workshop) -> list[Path]:
    """Return the files of this build's general chat: made by the built-in generator, or none where chat is imported."""
    general = workshop.config.general
    if general.source != "built-in" or not general.conversations:
        return []
    folder = workshop.home / "general" / f"build-{workshop.build}"
    return write_chats(folder, count=general.conversations, build=workshop.build, seed=workshop.config.seed)


@task(name="ingest file", task_run_name="ingest {path.name}", tags=["stage:ingest_conversations"])
async def ingest_file(
    path: Path,
    license: str,
    source_model: str | None = None,
    format: str = FORMAT,
    options: Mapping[str, str] = NO_OPTIONS,
) -> dict[str, int]:
    """Read one file and land what it holds; return rows by reason, `kept` among them.

    Args:
        format: name of an importer of chats.
        options: what its reader was told beside licence and source model.

    Raises:
        ConfigError: there is no such format.
        InputError: the file cannot be read at all.
    """
    workshop = begin_task()
    importer = choose(importers(), format)
    import_id = digest(_sha256(path), license, source_model, *_unlike_the_first(format, options))
    rules = workshop.config.general.cleaning
    reading = identify_reading(importer.contract, rules)
    key = f"{STAGE}/{digest(import_id, reading)}"
    if workshop.warehouse.has_landed("conversations", key):
        return {"imported_before": 1}
    earlier = EarlierReadings.find(workshop.warehouse, import_id, reading, path.name, license, f"{STAGE}/{import_id}")
    marks = {"import_id": import_id, "reading": reading}
    seen = set(workshop.warehouse.column("conversations", "conversation_id"))
    admission = Admission(license, source_model, rules, seen, earlier.ids, marks)
    if rules.near_duplicates:
        _know_all(workshop, admission)
    counts: Counter[str] = Counter()
    admitted = (earlier.compare(row, admission) for row in importer.rows([path], options))
    for index, batch in enumerate(_batches(admitted)):
        if workshop.warehouse.has_landed("conversations", f"{key}/{index}"):  # before an interruption
            counts["imported_before"] += len(batch)
            continue
        _land(workshop, f"{key}/{index}", batch)
        _count(workshop, counts, batch)
    counts["superseded"] = earlier.supersede(workshop.warehouse, key, path.name)
    workshop.warehouse.land("conversations", [], key=key)
    return dict(+counts)


def _know_all(workshop: Workshop, admission: Admission) -> None:
    """Let admission know every conversation that is there and stands."""
    ids = workshop.warehouse.query(
        "SELECT conversation_id FROM conversations ANTI JOIN turned_away ON id = conversation_id"
    )
    names = sorted(row[0] for row in ids)
    for start in range(0, len(names), BATCH):
        where = "list_contains(?::VARCHAR[], conversation_id)"
        for one in workshop.warehouse.read("conversations", where, (names[start : start + BATCH],)):
            admission.know(one.messages, one.conversation_id)


def _unlike_the_first(format: str, options: Mapping[str, str]) -> tuple[object, ...]:
    """Return what a key counts besides; keys of the first format are as they were when there was no other."""
    return () if format == FORMAT and not options else (format, sorted(options.items()))


def _land(workshop: Workshop, key: str, batch: list[Admitted]) -> None:
    rows = [row for admitted in batch for row in admitted.results]
    rejections = [row.model_copy(update={"build": workshop.build}) for row in rows if isinstance(row, Rejection)]
    workshop.warehouse.land("rejections", rejections, key=key)
    workshop.warehouse.land("conversations", [row for row in rows if isinstance(row, Conversation)], key=key)


def _count(workshop: Workshop, counts: Counter[str], batch: list[Admitted]) -> None:
    """Count rows, not the parts that they come in."""
    for admitted in batch:
        first, made = admitted.results[0], sum(isinstance(one, Conversation) for one in admitted.results)
        if isinstance(first, Rejection):
            counts[first.reason] += 1
            workshop.progress.reject(STAGE, first.reason)
        else:
            counts["kept" if made else "imported_before"] += 1
            counts["further_parts"] += max(0, made - 1)
            workshop.progress.keep(STAGE)


def _batches(rows: Iterable[Admitted]) -> Iterator[list[Admitted]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _sha256(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
