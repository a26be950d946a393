"""What a MariaDB database holds: CREATE statements, and every object in a form that can be compared.

Read by the administrator from information_schema, so nothing of the agent's runs. Its tables are made anew for every
query, so a query that can find nothing is not asked, and each names the schema in the column by which it is looked up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from environments.db import quoting

quoted = partial(quoting.quoted, dialect="mysql")
Ask = Callable[..., Sequence[Sequence[Any]]]
"""Run a query with its parameters and return its rows."""

_TABLES = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name"
_COLUMNS = (
    "SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name, extra,"
    " generation_expression FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, column_name"
)
_INDEXES = (
    "SELECT table_name, index_name, non_unique, index_type, column_name, sub_part FROM information_schema.statistics"
    " WHERE table_schema = %s ORDER BY table_name, index_name, seq_in_index"
)
_REFERENCES = (
    "SELECT k.table_name, k.column_name, k.referenced_table_name, k.referenced_column_name, r.update_rule,"
    " r.delete_rule FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r"
    " ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name"
    " AND r.table_name = k.table_name"
    " WHERE r.constraint_schema = %s AND k.table_schema = %s AND k.referenced_table_name IS NOT NULL"
    " ORDER BY 1, 2, 3, 4"
)
_CHECKS = (
    "SELECT table_name, check_clause FROM information_schema.check_constraints WHERE constraint_schema = %s"
    " ORDER BY 1, 2"
)
_TEXTS = {
    "view": "SELECT 'view', table_name, view_definition FROM information_schema.views WHERE table_schema = %s",
    "trigger": (
        "SELECT 'trigger', trigger_name,"
        " CONCAT_WS(' ', action_timing, event_manipulation, event_object_table, action_statement)"
        " FROM information_schema.triggers WHERE event_object_schema = %s"
    ),
    "routine": (
        "SELECT 'routine', specific_name, CONCAT_WS(' ', routine_type, dtd_identifier, routine_definition)"
        " FROM information_schema.routines WHERE routine_schema = %s"
    ),
}


def listed_tables(ask: Ask, database: str) -> dict[str, str]:
    """Return tables and views with their kind, in name order."""
    return {name: kind for name, kind in ask(_TABLES, database)}  # noqa: C416 (rows are sequences, not pairs)


def table_names(listed: Mapping[str, str]) -> list[str]:
    """Return the tables that hold data, in name order."""
    return [name for name, kind in listed.items() if kind == "BASE TABLE"]


def schema_text(ask: Ask, database: str, listed: Mapping[str, str]) -> str:
    """Return the CREATE statements of tables and views, tables first."""
    names = sorted(listed, key=lambda name: (listed[name] != "BASE TABLE", name))
    return "\n".join(f"{_create_statement(ask, database, name)};" for name in names)


def _create_statement(ask: Ask, database: str, name: str) -> str:
    return str(ask(f"SHOW CREATE TABLE {quoted(database)}.{quoted(name)}")[0][1])


def schema_objects(ask: Ask, database: str, listed: Mapping[str, str]) -> dict[str, str]:
    """Describe tables by their columns, keys and checks, the rest by its text."""
    shapes: dict[str, dict[str, list[Any]]] = {name: {} for name in table_names(listed)}
    for part, rows in _parts(ask, database, list(shapes)):
        for table, *described in rows:
            if table in shapes:  # a view has columns too
                shapes[table].setdefault(part, []).append(described)
    objects = {f"table {name}": json.dumps(shape, default=str) for name, shape in shapes.items()}
    for table, name, *described in ask(_INDEXES, database):
        key = f"index {name} of {table}"
        objects[key] = objects.get(key, "") + json.dumps(described, default=str)
    kinds = [kind for kind in _TEXTS if kind != "view" or "VIEW" in listed.values()]
    for kind, name, text in ask(" UNION ALL ".join(map(_TEXTS.__getitem__, kinds)), *[database] * len(kinds)):
        objects[f"{kind} {name}"] = " ".join(str(text).replace(f"{quoted(database)}.", "").split())
    return objects


def _parts(ask: Ask, database: str, tables: Iterable[str]) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """Yield what describes tables, part by part: keys and checks only where a CREATE statement has their word."""
    made = "".join(_create_statement(ask, database, name) for name in tables)
    yield "columns", ask(_COLUMNS, database)
    if "REFERENCES" in made:
        yield "references", ask(_REFERENCES, database, database)
    if "CHECK" in made:
        yield "checks", ask(_CHECKS, database)
