"""Brief: what the generation prompt says, read back: the operation, the database, its tables and rows from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import sqlglot
from sqlglot import expressions as sql

import prompts
from environments.db.families.change import Operation, Value
from rehearsals.orders import topic_in

_SLOT = "\0"
_STATEMENT = re.compile(r"^\s*(?=CREATE\s+(?:TEMP(?:ORARY)?\s+)?TABLE\b)", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(r"Table `(?P<table>[^`]+)`: (?P<columns>.+)")
_PROFILED = re.compile(
    r"^The database is `(?P<database>[^\n]*)`\. Its tables:\n```sql\n(?P<schema>.*?)\n```\n"
    r"What is in them(?P<tables>.*)",
    re.DOTALL | re.MULTILINE,
)
_ROWS = re.compile(r"^Table `([^`\n]+)`, .*\n(?:- .*\n)*Rows from it: ((?:.+\n)+)", re.MULTILINE)
_UNSAYABLE = re.compile(r"[`\"\n\\|]")
_LONGEST_TEXT = 60
_MISSING = ("None", "NULL", "null")


@dataclass(frozen=True)
class Field:
    """A column, as its table declares it."""

    name: str
    kind: str
    """int, real, text, numeric or blob: SQLite's affinity of the declared type."""
    is_nullable: bool = True
    is_key: bool = False
    """Part of the primary key, or unique."""
    foreign_table: str | None = None
    """Table that it points into."""


@dataclass(frozen=True)
class Table:
    name: str
    fields: tuple[Field, ...]
    primary: tuple[str, ...]
    rows: tuple[dict[str, Value], ...] = ()
    """Rows that the prompt shows, only those whose every value can be told."""


@dataclass(frozen=True)
class Brief:
    """One generation prompt."""

    operation: Operation
    database: str
    tables: tuple[Table, ...]
    """Tables that have rows to build on."""


@cache
def _beginnings() -> tuple[str, ...]:
    """Return how the newer prompts begin: up to their first slot."""
    return tuple(prompts.load(name).text.partition("{{")[0] for name in ("generate_db", "grow_db"))


@cache
def _frame() -> tuple[str, ...]:
    """Return the fixed stretches of the first prompt: before the operation, the database, the schema, the rows."""
    text = prompts.load("generate_db", "v1").render(
        operation=_SLOT, database=_SLOT, schema=_SLOT, samples=[], examples=[]
    )
    before, middle, heading, rest, *_ = text.split(_SLOT)
    rows, _, after = rest.partition("\n\n")
    return before, middle, heading, rows, after.split("\n", 1)[0]


def is_brief(prompt: str) -> bool:
    """Whether the text is one of the database world's generation prompts."""
    return prompt.startswith((_frame()[0], *_beginnings()))


def read_brief(prompt: str) -> Brief:
    """Read the prompt.

    Raises:
        ValueError: it is no generation prompt of this world.
    """
    if prompt.startswith(_beginnings()):
        return _read_profiled(prompt)
    before, middle, heading, rows, after = _frame()
    operation, found, rest = prompt.removeprefix(before).partition(middle)
    if not is_brief(prompt) or operation not in ("INSERT", "UPDATE", "DELETE") or not found:
        raise ValueError("not a generation prompt of the database world")
    database, _, rest = rest.partition(heading)
    schema, _, rest = rest.partition(rows)
    tables = _read_tables(schema, rest.partition(after)[0])
    return Brief(operation, database, tables)  # type: ignore[arg-type]  # compared with the three above


def _read_profiled(prompt: str) -> Brief:
    """Read a prompt that shows profiles and some rows; of several tasks asked for the first."""
    found, operation = _PROFILED.search(prompt), topic_in(prompt)
    if found is None or operation not in ("INSERT", "UPDATE", "DELETE"):
        raise ValueError("not a generation prompt of the database world")
    samples = "\n".join(f"Table `{name}`: {rows}" for name, rows in _ROWS.findall(found["tables"]))
    return Brief(operation, found["database"], _read_tables(found["schema"], samples))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _read_tables(schema: str, samples: str) -> tuple[Table, ...]:
    shown = dict(_read_samples(samples))
    tables = (_with_rows(table, shown[table.name]) for table in read_schema(schema) if table.name in shown)
    return tuple(table for table in tables if table.rows)


def _read_samples(text: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for block in re.split(r"^(?=Table `)", text, flags=re.MULTILINE)[1:]:
        head, *lines = block.split("\n")
        found = _HEADING.fullmatch(head)
        if found:
            columns = found["columns"].split(" | ")
            cells = (line.split(" | ") for line in lines if line)
            yield found["table"], [dict(zip(columns, row, strict=True)) for row in cells if len(row) == len(columns)]


def _with_rows(table: Table, shown: list[dict[str, str]]) -> Table:
    rows = []
    for cells in shown:
        if all(f.name in cells for f in table.fields):
            row = {f.name: _typed(f.kind, cells[f.name]) for f in table.fields}
            if all(is_sayable(value) for value in row.values()):
                rows.append(row)
    return replace(table, rows=tuple(rows))


def is_sayable(value: Value) -> bool:
    """Whether a problem can name the value: no quotes in it, not long, not cut."""
    if not isinstance(value, str):
        return value is None or "e" not in repr(value)
    return (
        not _UNSAYABLE.search(value)
        and value == value.strip()
        and len(value) <= _LONGEST_TEXT
        and not value.endswith(("...", "…"))
    )


def _typed(kind: str, cell: str) -> Value:
    if cell in _MISSING:
        return None
    if kind == "text":
        return cell
    for convert in (int, float):
        try:
            number = convert(cell)
        except ValueError:
            continue
        return number if cell == repr(number) else cell
    return cell


@lru_cache(maxsize=64)
def read_schema(schema: str) -> tuple[Table, ...]:
    """Return the tables of CREATE TABLE statements; one that cannot be read or named is left out."""
    return tuple(table for text in _STATEMENT.split(schema) if (table := _read_table(text.strip())) is not None)


def _read_table(text: str) -> Table | None:
    try:
        statement = sqlglot.parse_one(text.rstrip("; \n"), read="sqlite") if text else None
    except sqlglot.errors.SqlglotError:
        return None
    if not isinstance(statement, sql.Create) or not isinstance(statement.this, sql.Schema):
        return None
    definitions = statement.this.expressions
    unique = {c.name for d in definitions for c in _table_key(d)}
    primary = tuple(c.name for d in definitions if isinstance(d, sql.PrimaryKey) for c in d.expressions)
    columns = [d for d in definitions if isinstance(d, sql.ColumnDef)]
    primary = primary or tuple(c.name for c in columns if c.find(sql.PrimaryKeyColumnConstraint))
    foreign = {c.name: _target(d) for d in definitions if isinstance(d, sql.ForeignKey) for c in d.expressions}
    fields = tuple(_read_field(c, c.name in unique or c.name in primary, foreign.get(c.name)) for c in columns)
    table = Table(statement.this.this.name, fields, primary)
    return None if _UNSAYABLE.search(" ".join((table.name, *(f.name for f in fields)))) else table


def _table_key(definition: sql.Expression) -> list[sql.Expression]:
    if isinstance(definition, sql.Constraint):
        return [c for part in definition.expressions for c in _table_key(part)]
    if isinstance(definition, sql.UniqueColumnConstraint) and isinstance(definition.this, sql.Schema):
        return list(definition.this.expressions)
    return []


def _read_field(column: sql.ColumnDef, is_key: bool, foreign: str | None) -> Field:
    reference = column.find(sql.Reference)
    return Field(
        column.name,
        _affinity(column.args["kind"].sql("sqlite") if column.args.get("kind") else ""),
        not (column.find(sql.NotNullColumnConstraint) or column.find(sql.PrimaryKeyColumnConstraint)),
        is_key or column.find(sql.UniqueColumnConstraint) is not None,
        _target(column) if reference else foreign,
    )


def _target(node: sql.Expression) -> str:
    table = node.find(sql.Table)
    return table.name if table else ""


def _affinity(declared: str) -> str:
    """Follow sqlite.org/datatype3.html, section 3.1."""
    upper = declared.upper()
    for kind, marks in (("int", ("INT",)), ("text", ("CHAR", "CLOB", "TEXT")), ("blob", ("BLOB",))):
        if any(mark in upper for mark in marks):
            return kind
    return "real" if any(mark in upper for mark in ("REAL", "FLOA", "DOUB")) else "numeric" if upper else "blob"
