"""The digest of a table: "same tables" means equal digests, whatever the file layout and the order of landing."""

from __future__ import annotations

import functools
import hashlib
import itertools
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from schemas.record import Record, canonical_json, later_defaults
from schemas.tables import Table, is_volatile

Strip = Callable[[Any], Any]


def lasting_keys(table: Table) -> tuple[str, ...]:
    """Return the key columns that two equal builds share: `landing` names a turn but is drawn anew."""
    fields = table.record.model_fields
    return tuple(key for key in table.keys if not is_volatile(fields[key]))


def digest_rows(table: Table, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the sha256 over rows, which come sorted by `lasting_keys`.

    Volatile fields are left out at any depth, and so are nulls and later fields at their defaults: a record that gains
    a field keeps the digest of the rows that it has.
    """
    strip, keys = _stripper(table.record), lasting_keys(table)
    total = hashlib.sha256()
    for _, group in itertools.groupby(rows, key=lambda row: tuple(row[key] for key in keys)):
        for line in sorted(canonical_json(strip(row)) for row in group):
            total.update(line + b"\n")
    return total.hexdigest()


def _stripper(annotation: Any) -> Strip:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return _struct_stripper(annotation)
    arguments = [a for a in typing.get_args(annotation) if a is not type(None) and a is not Ellipsis]
    if typing.get_origin(annotation) is tuple:
        of = _stripper(arguments[0])
        return lambda values: [None if value is None else of(value) for value in values]
    # Annotated and Optional wrap one type; of a union of scalars none holds a record
    return _stripper(arguments[0]) if arguments and not isinstance(arguments[0], str) else _same


@functools.cache
def _struct_stripper(record: type[Record]) -> Strip:
    lasting = {n: _stripper(f.annotation) for n, f in record.model_fields.items() if not is_volatile(f)}
    later = later_defaults(record)
    absent = {name: (None, *((later[name],) if name in later else ())) for name in lasting}

    def strip(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: of(row[name]) for name, of in lasting.items() if row[name] not in absent[name]}

    return strip


def _same(value: Any) -> Any:
    return value
