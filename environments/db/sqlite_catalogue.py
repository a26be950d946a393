"""What a SQLite database holds: tables, schema text, and every object in a form that can be compared.

Standard library only: the jailed worker imports this module.
"""

from __future__ import annotations

import json
import sqlite3

from environments.db.quoting import quoted


class Catalogue:
    """What the functions below say of one database; its objects are read when they are first asked for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.schema = schema_text(connection)
        self.tables = table_names(connection)
        self.offered = offered_names(connection)
        self._objects: dict[str, str] | None = None

    def objects(self, connection: sqlite3.Connection) -> dict[str, str]:
        """Return `schema_objects` of the same database, or of a copy with the same schema."""
        if self._objects is None:
            self._objects = schema_objects(connection)
        return self._objects


def schema_version(data: bytes) -> bytes:
    """Return the counter that every change of a schema increments (file format, section 1.3.9)."""
    return data[40:44]


def schema_text(connection: sqlite3.Connection) -> str:
    """Return the CREATE statements of tables, triggers and views, in this order, each kind in that of its making.

    What a virtual table keeps its data in is left out, and so is a virtual table whose module is not here.
    """
    offered = set(offered_names(connection))
    listed = connection.execute(
        "SELECT type, name, sql FROM main.sqlite_schema WHERE type IN ('table', 'trigger', 'view') AND sql IS NOT NULL"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, rowid"
    )
    return "\n".join(f"{sql};" for kind, name, sql in listed if kind != "table" or name in offered)


def offered_names(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that people write in, in name order: virtual ones that work, and no shadow of theirs."""
    kinds = {name: kind for _, name, kind, *_ in connection.execute("PRAGMA main.table_list").fetchall()}
    offered = [name for name, kind in sorted(kinds.items()) if kind in ("table", "virtual")]
    return [
        name
        for name in offered
        if not name.startswith("sqlite_") and (kinds[name] == "table" or _works(connection, name))
    ]


def _works(connection: sqlite3.Connection, name: str) -> bool:
    try:
        connection.execute(f"SELECT 1 FROM main.{quoted(name)} LIMIT 0").fetchall()
    except sqlite3.Error:  # its module is not here
        return False
    return True


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that hold data, in name order; a virtual table's data is in its shadow tables."""
    listed = connection.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    return [name for (name,) in listed]


def schema_objects(connection: sqlite3.Connection) -> dict[str, str]:
    """Describe tables by their columns and keys, indexes by what they cover, views and triggers by their text."""
    objects = {}
    for name in table_names(connection):
        shape = [
            sorted(_pragma(connection, "table_xinfo", name, 1, 6)),
            sorted(_pragma(connection, "foreign_key_list", name, 2, 7)),
        ]
        objects[f"table {name}"] = json.dumps(shape)
        for index in _pragma(connection, "index_list", name, 1, 5):
            covered = [name, *index[1:], _pragma(connection, "index_info", index[0], 2, 3)]
            objects[f"index {index[0]}"] = json.dumps(covered)
    for kind, name, sql in connection.execute(
        "SELECT type, name, sql FROM main.sqlite_schema WHERE type IN ('view', 'trigger')"
    ):
        objects[f"{kind} {name}"] = " ".join(sql.split())
    return objects


def _pragma(connection: sqlite3.Connection, pragma: str, name: str, first: int, last: int) -> list[list[str]]:
    rows = connection.execute(f"PRAGMA main.{pragma}({quoted(name)})")
    return [["" if v is None else str(v) for v in row[first:last]] for row in rows]
