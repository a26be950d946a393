"""The tables: which record each holds, and the page of documentation that people write SQL against.

`python -m schemas.tables --write docs/tables.md` writes the page, `--check` fails when it differs.
"""

from __future__ import annotations

import sys
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from schemas.completion import Completion
from schemas.episode import Episode, Turn
from schemas.record import Record, Volatile
from schemas.rejection import Rejection
from schemas.release import Release
from schemas.task_spec import TaskSpec
from schemas.trajectory import Conversation, Trajectory


class Table(NamedTuple):
    name: str
    record: type[Record]
    keys: tuple[str, ...]
    """Columns that name a row; rows are sorted by them for the table's digest."""


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("task_specs", TaskSpec, ("task_id",)),
        Table("episodes", Episode, ("episode_id", "try_number")),
        Table("turns", Turn, ("episode_id", "landing", "index")),
        Table("trajectories", Trajectory, ("trajectory_id",)),
        Table("conversations", Conversation, ("conversation_id",)),
        Table("completions", Completion, ("completion_id",)),
        Table("rejections", Rejection, ("rejection_id",)),
        Table("releases", Release, ("release_id",)),
    )
}

_SCALARS: dict[Any, str] = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMPTZ"}


def is_volatile(field: FieldInfo) -> bool:
    """Whether a field is left out of digests."""
    return any(isinstance(mark, Volatile) for mark in field.metadata)


def column_type(annotation: Any) -> str:
    """Return the DuckDB type of a field's annotation (nested records are structs, tuples are lists).

    Raises:
        TypeError: for an annotation that no column can hold.
    """
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Record):
        fields = ", ".join(f'"{k}" {column_type(f.annotation)}' for k, f in annotation.model_fields.items())
        return f"STRUCT({fields})"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return "VARCHAR"
    if origin is tuple:
        return f"{column_type(arguments[0])}[]"
    if origin in (typing.Union, types.UnionType):
        return _union_type([a for a in arguments if a is not type(None)])
    if origin is typing.Annotated:
        return column_type(arguments[0])
    raise TypeError(f"{annotation!r} has no column type")


def _union_type(members: list[Any]) -> str:
    if len(members) == 1:
        return column_type(members[0])
    return "JSON"  # mixed scalars, as in a table's cells: kept as JSON text


def render_tables() -> str:
    """Render docs/tables.md from the records."""
    lines = [
        "# Tables",
        "",
        "Generated from `schemas/` (`make check` fails when it differs). Volatile columns may differ",
    ]
    lines += ["between two equal builds and do not count in digests.", ""]
    for table in TABLES.values():
        lines += [f"## {table.name}", "", _first_line(table.record), ""]
        lines += [f"Key: {', '.join(f'`{k}`' for k in table.keys)}", ""]
        lines += ["| column | type | meaning | volatile |", "|---|---|---|---|"]
        for name, field in table.record.model_fields.items():
            kind = column_type(field.annotation).replace("|", "\\|")
            meaning = " ".join((field.description or "").split())
            lines.append(f"| `{name}` | `{kind}` | {meaning} | {'yes' if is_volatile(field) else ''} |")
        lines.append("")
    return "\n".join(lines)


def _first_line(record: type[Record]) -> str:
    return (record.__doc__ or "").strip().split("\n")[0]


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code says whether it stands."""
    action, path = arguments[0], Path(arguments[1])
    page = render_tables()
    if action == "--write":
        path.write_text(page, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{path} is not what schemas/ says. Run: python -m schemas.tables --write {path}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
