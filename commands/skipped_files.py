"""Files of a folder that an import or an audit does not read: named, for people on stderr and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commands.terminal import say_aside
from formats.catalogue import MOST_NAMED, name_files


def say_skipped(skipped: Sequence[Path]) -> None:
    """Say which files were not read, where there are any."""
    if skipped:
        files = "1 file" if len(skipped) == 1 else f"{len(skipped):,} files"
        say_aside(f"not read of the folder: {files} ({name_files(skipped)})")


def skipped_facts(skipped: Sequence[Path]) -> dict[str, object]:
    """Return the same for --json; nothing where every file was read."""
    names = [path.name for path in skipped[:MOST_NAMED]]
    return {"skipped": {"files": len(skipped), "first": names}} if skipped else {}
