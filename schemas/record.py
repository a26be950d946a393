"""The base of every record: frozen, closed, its fields documented by the string under each.

Ids come from content: `digest` names everything that makes two rows differ, and nothing else.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict


class Volatile:
    """Marks a field (through `Annotated`) that may differ between two equal builds: times, durations, landing ids."""


VOLATILE = Volatile()


class Record(BaseModel):
    """A frozen row. Unknown fields are errors, so a typo never becomes data."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def digest(*parts: Any) -> str:
    """Return 32 hex digits of sha256 over the canonical JSON of `parts` (records, mappings, sequences, scalars)."""
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def canonical_json(value: Any) -> bytes:
    """Serialise with sorted keys, so that equal values give equal bytes."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
