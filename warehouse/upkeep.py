"""Upkeep of one table: small files into large ones, then nothing on disk but what the newest version needs.

Old versions need no files of their own: tables only grow, and every row carries the version that landed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deltalake.exceptions import DeltaError

from schemas.errors import WarehouseError
from warehouse.delta import open_table


@dataclass(frozen=True)
class Upkeep:
    """What lies under a folder, and what `gc` took away."""

    files: int
    bytes: int
    freed_files: int = 0
    freed_bytes: int = 0

    @classmethod
    def measure(cls, folder: Path) -> Upkeep:
        """Count the files of a folder, logs included."""
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return cls(len(sizes), sum(sizes))

    def since(self, before: Upkeep) -> Upkeep:
        """Return this measure with what it freed."""
        return Upkeep(self.files, self.bytes, before.files - self.files, before.bytes - self.bytes)


def tidy_table(path: Path) -> None:
    """Compact a table, remove unreferenced files and the log below a fresh checkpoint. Keys live on in the checkpoint.

    Nobody else may look at the table meanwhile: the caller holds the lock.

    Raises:
        WarehouseError: the table could not be written; it is as readable as before, run again.
    """
    delta = open_table(path)
    if delta is None:
        return
    try:
        if len(delta.file_uris()) > 1:
            delta.optimize.compact()
        if _has_strays(path, len(delta.file_uris())):
            # full: files of killed writers were never in the log
            delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
        if len(list((path / "_delta_log").glob("*.json"))) > 1:
            delta.create_checkpoint()
            delta.cleanup_metadata()
    except (DeltaError, OSError) as error:
        raise WarehouseError(f"{path} could not be tidied: {error}. It is still readable; run gc again.") from error


def _has_strays(path: Path, referenced: int) -> bool:
    return sum(1 for _ in path.glob("*.parquet")) != referenced
