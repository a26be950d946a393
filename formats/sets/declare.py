"""Declares an importer of a foreign set: what they all have in common is said here, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from formats.catalogue import LICENSE, Given, Importer, Option
from formats.sets.reading import UNREADABLE_SET, Read, SetOf, read_set
from schemas.foreign_row import ForeignRow
from schemas.rejection import Rejection

NAME = Option("name", "what the set is called here: recipes name it so", metavar="NAME")


def common_of(format_: str, given: Given) -> SetOf:
    """Return what a call says of all rows; a set that nobody named is called like its format."""
    return SetOf(format_, given.get("name", format_), given.get("license", "unknown"))


def set_importer(name: str, summary: str, read: Read) -> Importer:
    """Declare an importer of a format in which a JSON value is a row."""

    def read_all(paths: Iterable[Path], given: Given) -> Iterator[ForeignRow | Rejection]:
        return read_set(paths, common_of(name, given), read)

    return Importer(
        name=name,
        kind="sets",
        summary=summary,
        page="foreign-sets.md",
        options=(NAME, LICENSE),
        read=read_all,
        reasons=UNREADABLE_SET,
    )
