"""ingest_conversations: general chat from files of any format of chats, every bad row with its reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from prefect import flow

from flows.open_workshop import open_workshop
from flows.stages import stage
from rehearsals.chats import FORMAT
from tasks.ingest.conversations import BUILT_IN_LICENSE, STAGE, general_files, ingest_file


@flow(name="ingest_conversations", flow_run_name="ingest conversations ({config})", validate_parameters=False)
async def ingest_conversations(
    config: str = "demo",
    overrides: dict[str, Any] | None = None,
    paths: list[str] | None = None,
    license: str = "unknown",
    source_model: str | None = None,
    format: str = FORMAT,
    options: dict[str, str] | None = None,
) -> dict[str, int]:
    """Ingest files, or this build's built-in chats where none are named; return rows by reason."""
    counts: Counter[str] = Counter()
    async with open_workshop("ingest", config, overrides, asks=False) as workshop, stage(workshop, STAGE):
        files = [Path(path) for path in paths] if paths else general_files(workshop)
        told = (license, source_model, format, options or {}) if paths else (BUILT_IN_LICENSE,)
        for path in files:
            counts.update(await ingest_file(path, *told))
    return dict(counts)
