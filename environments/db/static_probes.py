"""What a database task's reference tells before it runs as an agent's would: chance and clock are refused."""

from __future__ import annotations

import re

from environments.db.check import run_reference
from environments.db.engine import SqlEngine
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import Probe, TaskSpec

_STRING = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLOCK = r"date|time|datetime|julianday|unixepoch|strftime"
_VOLATILE = re.compile(
    rf"\b(?:random|randomblob)\s*\(|\bcurrent_(?:timestamp|date|time)\b|\b(?:{_CLOCK})\s*\(\s*\)", re.IGNORECASE
)
_NOW = re.compile(rf"\b(?:{_CLOCK})\s*\([^)]*'now'", re.IGNORECASE)


async def reference_is_stable(engine: SqlEngine, spec: TaskSpec) -> Probe:
    """Refuse chance and clock: two runs in the same second may agree by luck."""
    code = "\n".join(script.code for script in spec.reference)
    found = volatile_part(code) or (await _volatile_schema(engine, spec, code) if spec.check.kind == "state" else None)
    detail = f"the reference depends on {found!r}" if found else ""
    return Probe(name="reference_is_stable", passed=found is None, detail=detail)


async def _volatile_schema(engine: SqlEngine, spec: TaskSpec, code: str) -> str | None:
    """Return a default of a table that the reference inserts into, or a trigger, that reads chance or clock."""
    try:
        database, result = await run_reference(engine, spec)
    except (CheckError, EnvironmentFault):
        return None  # the next probe says why it does not run
    objects = (await database.state()).objects
    await database.close()
    used = [text for name, text in sorted(objects.items()) if name.startswith("trigger ")]
    if re.search(r"\b(?:insert|replace)\b", code, re.IGNORECASE):
        used += [objects[f"table {name}"] for name in result.tables if f"table {name}" in objects]
    return next(filter(None, map(volatile_part, used)), None)


def volatile_part(sql: str) -> str | None:
    """Return what makes a statement's result depend on chance or the clock, None where nothing does."""
    found = _NOW.search(sql) or _VOLATILE.search(_STRING.sub("''", sql))
    return found.group() if found else None
