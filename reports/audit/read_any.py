"""Reads whatever set a path names as rows to audit: a release's folder, or files in a format that is told or found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from formats.catalogue import Importer, choose
from formats.json_values import Value, read_values
from formats.releases.release_folder import ReleaseRow, read_release
from formats.sets.sessions import is_event
from reports.audit.defects import AuditedRow
from schemas.errors import InputError
from schemas.foreign_row import ForeignRow
from schemas.rejection import Rejection

MANIFEST = "manifest.json"
NO_FORMAT = "no_format"
"""Reason of a file of a folder that is no set: a configuration, say, or a description."""
_LOOKED_AT = 20
"""Rows of a file at its beginning by which its format is found."""


def read_any(
    path: Path, importers: Mapping[str, Importer], format_: str | None = None
) -> Iterator[AuditedRow | Rejection]:
    """Yield the rows of a release's folder, or of files in the format of that name or the one that they look like.

    Raises:
        ConfigError: there is no such format.
        InputError: nothing is there, or no format is found.
    """
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    if format_ is None and (path / MANIFEST).is_file():
        release = read_release(path)
        for split in release.splits:
            yield from map(of_a_release, release.rows(split))
        return
    sets = {name: one for name, one in importers.items() if one.kind == "sets"}
    known = next(iter(sets.values()))
    found = known.find([path])
    for file in found.files:
        try:
            name = format_ or find_format(file)
        except InputError as error:
            if not path.is_dir():
                raise
            yield Rejection.make(stage="import", reason=NO_FORMAT, detail=str(error), source=file.name, raw=b"")
            continue
        for row in choose(sets, name).rows([file], {"license": "unknown"}):
            yield row if isinstance(row, Rejection) else _of_a_set(row)
    for file in found.skipped:
        told = "holds neither JSON values nor Parquet"
        yield Rejection.make(stage="import", reason=NO_FORMAT, detail=told, source=file.name, raw=b"")


def find_format(path: Path) -> str:
    """Return the format that the first rows of a file look like; what cannot be read at all is read as any.

    Raises:
        InputError: it has values, and looks like no format.
    """
    first = list(islice((row for row in read_values(path) if isinstance(row, Value)), _LOOKED_AT))
    for name, looks in _LOOKS:
        if not first or any(isinstance(row.value, dict) and looks(row.value) for row in first):
            return name
    names = ", ".join(name for name, _ in _LOOKS)
    raise InputError(f"{path} looks like none of {names}; say with --format which of these it is")


_LOOKS: Iterable[tuple[str, Any]] = (
    ("atif", lambda row: isinstance(row.get("steps"), list)),
    ("adp", lambda row: isinstance(row.get("content"), list) and "messages" not in row and "type" not in row),
    ("agentflan", lambda row: "conversation" in row),
    ("agenttraj", lambda row: "item_id" in row and "conversations" in row),
    ("traces", lambda row: is_event(row) or ("messages" in row and "harness" in row)),
    ("openai", lambda row: bool(row.get("messages"))),
    ("agentinstruct", lambda row: "conversations" in row),
)


def _of_a_set(row: ForeignRow) -> AuditedRow:
    return AuditedRow(
        place=row.source,
        messages=row.messages,
        tools=row.tools,
        row_id=row.source_id,
        task=row.source_id,
        environment=row.environment,
        model=row.model,
        license=row.license,
        claims_success=bool(row.claimed_success) or (row.claimed_reward or 0) >= 1,
        losses=tuple(loss.what for loss in row.losses),
        unread_parts=row.unread_parts,
    )


def of_a_release(row: ReleaseRow) -> AuditedRow:
    """Return a row of a release as it is audited."""
    return AuditedRow(
        place=row.id,
        messages=row.messages,
        tools=row.tools,
        row_id=row.id,
        task=row.task_id,
        environment=row.environment,
        model=row.model,
        license=row.license,
        claims_success=(row.reward or 0) >= 1,
        is_chat=row.is_chat,
    )
