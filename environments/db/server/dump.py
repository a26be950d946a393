"""SQL dumps of MySQL: `<home>/databases/<sha256>.mysql.sql`, one or many databases in each."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from schemas.errors import EnvironmentFault, InputError

SUFFIX = ".mysql.sql"
_USE = re.compile(r"^USE\s+`?([^`;\n]+?)`?\s*;[^\n]*$", re.IGNORECASE | re.MULTILINE)
_CREATE_DATABASE = re.compile(r"^CREATE (?:DATABASE|SCHEMA)\b[^\n]*$", re.IGNORECASE | re.MULTILINE)
_DELIMITER = re.compile(r"^DELIMITER\s", re.IGNORECASE | re.MULTILINE)


def check_dump(text: str, name: str) -> None:
    """Refuse what cannot be run as it is.

    Raises:
        InputError: it creates no table, or needs the mysql client's DELIMITER.
    """
    if not re.search(r"^CREATE TABLE\b", text, re.IGNORECASE | re.MULTILINE):
        raise InputError(f"{name} is no SQL dump: no line begins with CREATE TABLE")
    if _DELIMITER.search(text):
        raise InputError(
            f"{name} uses DELIMITER, a command of the mysql client: dump with --skip-triggers and without --routines"
        )


def sections(text: str) -> dict[str, str]:
    """Split a dump into what stands after each `USE name;`, by name in lower case.

    A dump of one database, which names none, is one section under the empty name.
    """
    places = list(_USE.finditer(text))
    if not places:
        return {"": _CREATE_DATABASE.sub("", text)}
    found: dict[str, str] = {}
    ends = [place.start() for place in places[1:]] + [len(text)]
    for place, end in zip(places, ends, strict=True):
        name = place[1].lower()
        found[name] = found.get(name, "") + _CREATE_DATABASE.sub("", text[place.end() : end])
    return found


def section_of(databases: Path, sha256: str, name: str | None) -> str:
    """Return the statements that make one database of a stored dump.

    Raises:
        EnvironmentFault: there is no such dump, or no such database in it.
    """
    path = databases / f"{sha256}{SUFFIX}"
    if not path.is_file():
        raise EnvironmentFault(f"there is no database {path.name} here", transient=False)
    held = _read(path, sha256)
    section = held.get("") or held.get((name or "").lower())
    if section is None:
        said = ", ".join(sorted(held))
        raise EnvironmentFault(f"the dump {sha256[:12]} holds no database {name!r}; it holds {said}", transient=False)
    return section


@lru_cache(maxsize=8)
def _read(path: Path, sha256: str) -> dict[str, str]:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EnvironmentFault(f"database {path.name} does not hold what its name says", transient=False)
    return sections(data.decode("utf-8", "surrogateescape"))
