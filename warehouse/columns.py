"""How a record lies in a table: its Arrow schema, rows to columns and back.

In step with `schemas.tables.column_type` (a test compares the two). Every column is nullable, so that a record may gain
fields; a field that an old row lacks takes the record's default when it is read.
"""

from __future__ import annotations

import functools
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import ValidationError

from schemas.errors import WarehouseError
from schemas.invalid_values import explain
from schemas.record import Record

R = TypeVar("R", bound=Record)
Convert = Callable[[Any], Any]

VERSION_COLUMN = "_version"
"""Delta version of the commit that landed the row: any version is a filter, whatever gc did to the files since."""

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


@functools.cache
def record_schema(record: type[Record]) -> pa.Schema:
    """Return the Arrow schema of a record, without the warehouse's own `_version`."""
    return pa.schema([pa.field(name, arrow_type(field.annotation)) for name, field in record.model_fields.items()])


def arrow_type(annotation: Any) -> pa.DataType:
    """Return the Arrow type of a field's annotation.

    Raises:
        TypeError: for an annotation that no column can hold.
    """
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if _is_record(annotation):
        return pa.struct([pa.field(k, arrow_type(f.annotation)) for k, f in annotation.model_fields.items()])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(arrow_type(arguments[0]))
    if origin is typing.Annotated:
        return arrow_type(arguments[0])
    if _is_union(annotation):
        members = _members(annotation)
        return arrow_type(members[0]) if len(members) == 1 else pa.string()  # mixed scalars: JSON text
    raise TypeError(f"{annotation!r} has no column type")


def to_arrow(record: type[Record], rows: Sequence[Record]) -> pa.Table:
    """Lay rows out as columns.

    Raises:
        WarehouseError: a value fits no column: an integer beyond 64 bits, a lone surrogate, NaN in JSON.
    """
    encode = _encoder(record)
    try:
        plain = [encode(row.model_dump()) if encode else row.model_dump() for row in rows]
        return pa.Table.from_pylist(plain, record_schema(record))
    except (pa.ArrowException, UnicodeError, OverflowError, ValueError) as error:
        raise WarehouseError(
            f"A {record.__name__} holds a value that no column can hold: {error}. "
            "Integers have 64 bits, text is valid UTF-8, numbers in JSON are finite; mend or reject the row."
        ) from error


def from_arrow(record: type[R], rows: Iterable[Mapping[str, Any]]) -> list[R]:
    """Build records from rows as `pa.Table.to_pylist` gives them; the inverse of `to_arrow`.

    Raises:
        WarehouseError: a row is none of these records, not even with its defaults.
    """
    decode = _decoder(record)
    try:
        return [record.model_validate(decode(row)) for row in rows]
    except (ValueError, TypeError, RecursionError) as error:  # pydantic's and json's are ValueErrors
        said = explain(error, record) if isinstance(error, ValidationError) else str(error)
        raise WarehouseError(
            f"A stored row is no {record.__name__}: {said}. Did a newer Trajmill land it? Update, then read again."
        ) from error


def _encoder(annotation: Any) -> Convert | None:
    """Return what turns a dumped value into a column's, or None where they are the same."""
    if _is_record(annotation):
        return _struct_encoder(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _over(_encoder(arguments[0]))
    if origin is typing.Annotated:
        return _encoder(arguments[0])
    if _is_union(annotation):
        members = _members(annotation)
        return _unless_none(_encoder(members[0]) if len(members) == 1 else _to_json)
    return None


@functools.cache
def _struct_encoder(record: type[Record]) -> Convert | None:
    found = {name: _encoder(field.annotation) for name, field in record.model_fields.items()}
    encoders = {name: encode for name, encode in found.items() if encode}
    if not encoders:
        return None
    return lambda row: {**row, **{name: encode(row[name]) for name, encode in encoders.items()}}


def _decoder(annotation: Any) -> Convert:
    """Return what turns a column's value into one that the record validates."""
    if _is_record(annotation):
        return _struct_decoder(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return _over(_decoder(arguments[0])) or _same
    if origin is typing.Annotated:
        return _decoder(arguments[0])
    if _is_union(annotation):
        members = _members(annotation)
        return _unless_none(_decoder(members[0]) if len(members) == 1 else json.loads) or _same
    return _same


@functools.cache
def _struct_decoder(record: type[Record]) -> Convert:
    """A null in a column that may hold none was landed before the field existed: the default takes its place."""
    fields = [(name, _decoder(f.annotation), _admits_none(f.annotation)) for name, f in record.model_fields.items()]

    def decode(row: Mapping[str, Any]) -> dict[str, Any]:
        plain = {}
        for name, convert, optional in fields:
            value = row.get(name)
            if value is not None:
                plain[name] = convert(value)
            elif optional:
                plain[name] = None
        return plain

    return decode


def _over(convert: Convert | None) -> Convert | None:
    if convert is None or convert is _same:
        return None
    return lambda values: [convert(value) for value in values]


def _unless_none(convert: Convert | None) -> Convert | None:
    if convert is None or convert is _same:
        return None
    return lambda value: None if value is None else convert(value)


def _same(value: Any) -> Any:
    return value


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_record(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Record)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _members(annotation: Any) -> list[Any]:
    return [member for member in typing.get_args(annotation) if member is not types.NoneType]


def _admits_none(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _admits_none(typing.get_args(annotation)[0])
    return _is_union(annotation) and types.NoneType in typing.get_args(annotation)
