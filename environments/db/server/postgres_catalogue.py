"""What an episode's schema in PostgreSQL holds: CREATE statements, and every object in a form that can be compared.

Read by the administrator from the catalogues in one prepared query, since planning costs more than running it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from environments.db.quoting import quoted

_OURS = (
    # By what depends on the schema, since no catalogue has an index by schema alone.
    "WITH named AS MATERIALIZED (SELECT d.classid, d.objid FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid"
    " WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = 'public'),"
    " ours AS MATERIALIZED (SELECT c.oid, c.relname, c.relkind, c.relispartition FROM named d"
    " JOIN pg_class c ON c.oid = d.objid WHERE d.classid = 'pg_class'::regclass) "
)
_RELATIONS = (
    "SELECT 'relation', c.relname::text, 0, ARRAY[c.relkind::text] FROM ours c"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition"
)
_COLUMNS = (
    "SELECT 'column', c.relname::text, a.attnum, ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull::text, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text] FROM ours c"
    " JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
)
_CONSTRAINTS = (
    "SELECT 'constraint', c.relname::text, -ascii(k.contype::text), ARRAY[pg_get_constraintdef(k.oid)]"
    " FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid"
)
_TEXTS = {
    "index": (
        "x.relname, pg_get_indexdef(x.oid) FROM ours c JOIN pg_index i ON i.indrelid = c.oid"
        " JOIN pg_class x ON x.oid = i.indexrelid WHERE c.relkind IN ('r', 'm', 'p')"
    ),
    "view": "c.relname, pg_get_viewdef(c.oid) FROM ours c WHERE c.relkind IN ('v', 'm')",
    "trigger": (
        "t.tgname, pg_get_triggerdef(t.oid) FROM ours c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal"
    ),
    "rule": (
        "r.rulename || ' of ' || c.relname, pg_get_ruledef(r.oid) FROM ours c JOIN pg_rewrite r ON r.ev_class = c.oid"
        " WHERE r.rulename <> '_RETURN'"
    ),
    "routine": (
        "p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', pg_get_functiondef(p.oid)"
        " FROM named d JOIN pg_proc p ON p.oid = d.objid"
        " WHERE d.classid = 'pg_proc'::regclass AND p.prokind IN ('f', 'p')"
    ),
    "sequence": "c.relname, s.seqincrement::text FROM ours c JOIN pg_sequence s ON s.seqrelid = c.oid",
    "type": (
        "t.typname, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e"
        " WHERE e.enumtypid = t.oid) FROM named d JOIN pg_type t ON t.oid = d.objid"
        " WHERE d.classid = 'pg_type'::regclass AND t.typtype IN ('e', 'd')"
    ),
}


def _text_query(kind: str, query: str) -> str:
    return f"SELECT '{kind}', f.name::text, 0, ARRAY[f.words] FROM (SELECT {query}) f (name, words)"


QUERY = _OURS + " UNION ALL ".join(
    (_RELATIONS, _COLUMNS, _CONSTRAINTS, *(_text_query(kind, query) for kind, query in _TEXTS.items()))
)
"""Everything at once, for `read_catalogue`."""


@dataclass(frozen=True)
class Catalogue:
    """Rows of `QUERY`, by what they tell; each in name order."""

    relations: list[tuple[str, str]] = field(default_factory=list)
    """Tables and views: name and kind (pg_class.relkind)."""
    columns: list[tuple[str, list[Any]]] = field(default_factory=list)
    """Table; name, type, whether NOT NULL, default, identity."""
    constraints: list[tuple[str, str]] = field(default_factory=list)
    """Table and definition."""
    texts: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Kind, name and definition of everything else."""

    def table_names(self) -> list[str]:
        """Return the tables that hold data, in name order."""
        return [name for name, kind in self.relations if kind in ("r", "p")]

    def names_to_touch(self) -> tuple[str, ...]:
        """Return tables and views, in name order."""
        return tuple(name for name, _ in self.relations)


def read_catalogue(rows: Iterable[Sequence[Any]]) -> Catalogue:
    """Sort the rows of `QUERY`."""
    found = Catalogue()
    for part, name, _, words in sorted(rows, key=lambda row: (*row[:3], str(row[3]))):
        if part == "relation":
            found.relations.append((name, words[0]))
        elif part == "column":
            found.columns.append((name, [*words[:2], words[2] == "true", *words[3:]]))
        elif part == "constraint":
            found.constraints.append((name, words[0]))
        else:
            found.texts.append((part, name, words[0]))
    return found


def schema_text(catalogue: Catalogue) -> str:
    """Return CREATE statements of tables and views, put together from the catalogues; tables first."""
    parts: dict[str, list[str]] = {name: [] for name in catalogue.table_names()}
    for table, (name, kind, is_needed, default, _) in catalogue.columns:
        more = (" NOT NULL" if is_needed else "") + (f" DEFAULT {default}" if default else "")
        parts.get(table, []).append(f"  {quoted_if_needed(name)} {kind}{more}")
    for table, text in catalogue.constraints:
        parts.get(table, []).append(f"  {text}")
    made = [f"CREATE TABLE {quoted_if_needed(name)} (\n" + ",\n".join(lines) + "\n);" for name, lines in parts.items()]
    views = [f"CREATE VIEW {quoted_if_needed(name)} AS{text}" for kind, name, text in catalogue.texts if kind == "view"]
    return "\n".join(made + views)


def schema_objects(catalogue: Catalogue) -> dict[str, str]:
    """Describe tables by their columns and constraints, the rest by its text."""
    shapes: dict[str, list[Any]] = {name: [[], []] for name in catalogue.table_names()}
    parts: tuple[Sequence[tuple[str, Any]], ...] = (catalogue.columns, catalogue.constraints)
    for at, described in enumerate(parts):
        for table, what in described:
            if table in shapes:  # a partition is a part of its table
                shapes[table][at].append(what)
    objects = {f"table {name}": json.dumps([sorted(shape[0]), sorted(shape[1])]) for name, shape in shapes.items()}
    return objects | {f"{kind} {name}": " ".join(str(text).split()) for kind, name, text in catalogue.texts}


def quoted_if_needed(name: str) -> str:
    """Quote an identifier where it would not be read as it is."""
    return name if name.isidentifier() and name == name.lower() else quoted(name)
