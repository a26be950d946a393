"""AgentBench's database tasks (dbbench JSONL) as TaskSpecs.

Source: THUDM/AgentBench@578c5e9f data/dbbench; reference/agenttuning.md 2.1. Writes bring their reference (`label[0]`)
and a golden hash. Reads bring only a label: their `sql.query` has lost its line ends (`LeagueFROM`) and is never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from formats.catalogue import Importer
from formats.tasks.agentbench_rows import LICENSE, REASONS, Unfit, read_rows
from schemas.rejection import Rejection
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

COLUMN_TYPE = "TEXT COLLATE NOCASE"
"""AgentBench makes every column TEXT; MySQL compares without case, and with NOCASE the golden hashes agree (2.5)."""
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})
_HASH = re.compile(r"[0-9a-f]{32}(?:_[0-9a-f]{32})*")


def read_tasks(path: Path) -> Iterator[TaskSpec | Rejection]:
    """Yield every row of a dbbench file, in its order, as a task or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    return read_rows(path, "db", _spec)


def _spec(row: dict[str, Any], source: str) -> TaskSpec:
    description = row.get("description")
    if not isinstance(description, str) or not description.strip():
        raise Unfit("no_description", "`description` is not a text")
    types = [str(item) for item in _as_list(row.get("type"))]
    kind = types[0] if types else "other"
    check, reference = _write(row) if kind in _WRITES else _read(row)
    tables = tuple(_table(table) for table in _as_list(row.get("table")))
    if not tables:
        raise Unfit("no_table", "`table` is absent")
    hints = "\n".join(str(hint) for hint in _as_list(row.get("add_description")))
    return TaskSpec.make(
        environment="db",
        instruction=f"{description}\n{hints}".strip(),
        setup=Setup(tables=tables, database_name=tables[0].name),
        reference=reference,
        check=check,
        origin="benchmark",
        family=kind.lower().partition("-")[0],
        labels=(*types, *(str(item) for item in _as_list(row.get("source")))),
        license=LICENSE,
        provenance=Provenance(source=source),
    )


def _write(row: dict[str, Any]) -> tuple[Check, tuple[Script, ...]]:
    """Return the golden hash as the check, bare as it stands in the driver's repr `[('09aa...',)]`."""
    labels = _labels(row)
    golden = _HASH.search(str(row.get("answer_md5", "")))
    if golden is None:
        raise Unfit("no_hash", f"a write needs `answer_md5`, this has {row.get('answer_md5')!r}")
    return Check(kind="agentbench_hash", answer=golden.group()), (Script(code=labels[0]),)


def _read(row: dict[str, Any]) -> tuple[Check, tuple[Script, ...]]:
    return Check(kind="label", expected=tuple(_labels(row))), ()


def _labels(row: dict[str, Any]) -> list[str]:
    labels = row.get("label")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, (str, int, float)) for label in labels):
        raise Unfit("no_label", f"`label` is a list of at least one value, this is {labels!r}"[:300])
    return [str(label) for label in labels]


def _table(table: Any) -> TableData:
    try:
        names = [str(column["name"]) for column in table["table_info"]["columns"]]
        rows = tuple(tuple(row) for row in table["table_info"]["rows"])
        name = str(table["table_name"])
    except (KeyError, TypeError) as error:
        raise Unfit("bad_table", f"`table` is not as dbbench has it: {error!r}") from error
    if len({name.lower() for name in names}) != len(names) or not names:
        raise Unfit("duplicate_columns", f"no table can have the columns {names}")
    if any(len(row) != len(names) for row in rows):
        raise Unfit("ragged_rows", f"table {name}: a row does not have {len(names)} values")
    if not all(cell is None or isinstance(cell, (str, int, float)) for row in rows for cell in row):
        raise Unfit("bad_cell", f"table {name}: a value is neither text nor number")
    return TableData(name=name, columns=tuple(Column(name=n, type=COLUMN_TYPE) for n in names), rows=rows)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


IMPORTER = Importer(
    name="agentbench-db",
    kind="tasks",
    summary="AgentBench's tasks on tables",
    page="agentbench-db.md",
    read=lambda paths, given: (row for path in paths for row in read_tasks(path)),
    reasons=REASONS
    | {
        "no_table": "has no table",
        "no_hash": "changes a table and has no golden hash",
        "no_label": "has no label",
        "bad_table": "has a table in another form than dbbench's",
        "duplicate_columns": "has a table with two columns of one name, or without columns",
        "ragged_rows": "has a table row with too few or too many values",
        "bad_cell": "has a value that is neither text nor number",
    },
)
