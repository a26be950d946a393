"""`<home>/home.json`: which form a home has, and what was seen when it was last worked on.

Homes without it are of form 1, the first. A home of a later form is not opened: what this version does not know of it,
it could spoil.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import ConfigError, InputError

FORM = 1
"""Raised when a home is written so that earlier versions would misread it."""
_MOST_BYTES = 1 << 16


def require_known_form(home: Path) -> None:
    """Let a home pass that this version knows, or that is none yet.

    Raises:
        ConfigError: it is of a later form, or its stamp is damaged.
    """
    form = _read(home).get("form", FORM)
    if not isinstance(form, int) or form < 1:
        raise ConfigError(f"{_path(home)} is damaged (form {form!r}); remove it: it is written anew")
    if form > FORM:
        raise ConfigError(
            f"{home} was written by a newer Trajmill (form {form}, this one knows {FORM}); update Trajmill, or name "
            "another --home"
        )


class Extent(NamedTuple):
    """How far a table has come: both only grow, whatever gc does."""

    version: int
    rows: int
    """As its log has them; 0 where an earlier version of ours did not count."""


def stamp_home(home: Path, tables: Mapping[str, Extent]) -> None:
    """Write down the form, the place of the catalogue's files, and how far each table has come."""
    with suppress(ConfigError):  # a damaged one is written anew
        seen = extents_seen(home)
        tables = {name: Extent(*map(max, one, seen.get(name, one))) for name, one in tables.items()}
    stamp = {"form": FORM, "catalog_of": str(home)}
    told = {
        "tables": {name: one.version for name, one in tables.items()},
        "rows": {name: one.rows for name, one in tables.items()},
    }
    draft = home / f".home.json.{os.getpid()}"
    draft.write_bytes(orjson.dumps(stamp | told) + b"\n")
    draft.replace(_path(home))


def is_catalog_here(home: Path) -> bool:
    """Whether the catalogue's views read this home, and not the place that it was moved or copied from."""
    with suppress(ConfigError):
        return bool(_read(home).get("catalog_of") == str(home))
    return False


def extents_seen(home: Path) -> dict[str, Extent]:
    """Return how far each table had come when the home was last worked on.

    Raises:
        ConfigError: the stamp is damaged.
    """
    stamp = _read(home)
    versions, rows = (_numbers(stamp.get(name)) for name in ("tables", "rows"))
    return {name: Extent(at, rows.get(name, 0)) for name, at in versions.items()}


def _numbers(value: Any) -> dict[str, int]:
    return {name: one for name, one in value.items() if isinstance(one, int)} if isinstance(value, dict) else {}


def _path(home: Path) -> Path:
    return home / "home.json"


def _read(home: Path) -> dict[str, Any]:
    if not _path(home).is_file():
        return {}
    try:
        stamp = parse_json(read_file(_path(home), _MOST_BYTES))
    except (InputError, NotJson) as error:
        raise ConfigError(f"{_path(home)} is damaged ({error}); remove it: it is written anew") from error
    return stamp if isinstance(stamp, dict) else {}
