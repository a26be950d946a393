"""The base of every record: frozen, closed, its fields documented by the string under each.

Ids come from content: `digest` names everything that makes two rows differ, and nothing else. They outlive growth:
`first_form.json` holds the fields that every record had when ids were first stored; a field added later counts only
where it differs from its default (docs/decisions/0007-ids-that-may-grow.md).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python


class Volatile:
    """Marks a field (through `Annotated`) that may differ between two equal builds: times, durations, landing ids."""


VOLATILE = Volatile()

FIRST_FORM: Mapping[str, Any] = orjson.loads(Path(__file__).with_name("first_form.json").read_bytes())
"""`fields`: by class, those that count whatever they hold. `mappings`: by class and field, the first defaults of
mappings. `run_config`: what a configuration said that set nothing. `configs`: what the files that shipped set.
`prompts`: the versions that there were."""

_REQUIRED = object()
_Prune = Callable[[Any], Any]


class Record(BaseModel):
    """A frozen row. Unknown fields are errors, so a typo never becomes data."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def digest(*parts: Any) -> str:
    """Return 32 hex digits of sha256 over the canonical JSON of `parts`.

    Records, dataclasses, mappings, sequences and scalars, at any depth; later fields at their defaults are left out.
    """
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def canonical_json(value: Any) -> bytes:
    """Serialise with sorted keys, so that equal values give equal bytes."""
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
    return orjson.dumps(value, default=_plain, option=options)


def first_form(value: BaseModel) -> dict[str, Any]:
    """Return what counts of a record, as JSON values: the form that its ids are made of."""
    prune = _pruner(type(value))
    plain = value.model_dump(mode="json")
    return typing.cast(dict[str, Any], prune(plain) if prune else plain)


def later_defaults(record: type) -> dict[str, Any]:
    """Return the defaults, as JSON values, of the fields that came after a class's first form.

    A class that has no first form came later itself: all its defaulted fields did.
    """
    first = first_fields(record)
    return {name: default for name, default in _defaults(record).items() if name not in first}


def first_fields(record: type) -> frozenset[str]:
    """Return the fields that count whatever they hold: those of the first form, a parent's included."""
    return frozenset(name for one in record.__mro__ for name in FIRST_FORM["fields"].get(one.__name__, ()))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return first_form(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain_dataclass(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _plain_dataclass(value: Any) -> dict[str, Any]:
    later = later_defaults(type(value))
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: one for name, one in found.items() if name not in later or one != later[name]}


@functools.cache
def _pruner(annotation: Hashable) -> _Prune | None:
    """Return what brings a dumped value into its first form, or None where nothing is to be done."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _record_pruner(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (tuple, list):
        return _over(_pruner(arguments[0]))
    if origin in (dict, Mapping):
        return _over_values(_pruner(arguments[1]))
    if origin is typing.Annotated:
        return _pruner(arguments[0])
    found = [prune for prune in map(_pruner, arguments) if prune] if origin is not typing.Literal else []
    if len(found) > 1:
        raise TypeError(f"{annotation!r} names two records: which one a stored value was cannot be told")
    only = found[0] if found else None
    return (lambda value: None if value is None else only(value)) if only else None


def _record_pruner(record: type[BaseModel]) -> _Prune | None:
    later = later_defaults(record)
    found = {name: _pruner(typing.cast(Hashable, field.annotation)) for name, field in record.model_fields.items()}
    nested = {name: of for name, of in found.items() if of}
    mappings = {name: (_defaults(record)[name], first) for name, first in _first_mappings(record).items()}
    if not (later or nested or mappings):
        return None

    later |= {name: of(later[name]) for name, of in nested.items() if name in later}  # a section may grow, too

    def prune(row: dict[str, Any]) -> dict[str, Any]:
        row = row | {name: of(row[name]) for name, of in nested.items() if name in row}
        kept = {name: value for name, value in row.items() if name not in later or value != later[name]}
        kept |= {name: _first_mapping(kept[name], *known) for name, known in mappings.items() if name in kept}
        return kept

    return prune


def _first_mappings(record: type[BaseModel]) -> dict[str, dict[str, Any]]:
    found = (FIRST_FORM["mappings"].get(one.__name__, {}) for one in record.__mro__)
    return {name: first for known in found for name, first in known.items() if name in record.model_fields}


def _first_mapping(value: dict[str, Any], default: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Leave out the keys that a default has gained since; a default as a whole counts as it did at first."""
    if value == default:
        return first
    return {key: one for key, one in value.items() if key in first or key not in default or one != default[key]}


@functools.cache
def _defaults(record: type) -> dict[str, Any]:
    """Return the defaults of a class's fields: JSON values of a record's, values as they are of a dataclass's."""
    if issubclass(record, BaseModel):
        fields = record.model_fields.items()
        return {
            n: to_jsonable_python(f.get_default(call_default_factory=True)) for n, f in fields if not f.is_required()
        }
    found = {one.name: _default_of(one) for one in dataclasses.fields(typing.cast(Any, record))}
    return {name: default for name, default in found.items() if default is not _REQUIRED}


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else _REQUIRED


def _over(prune: _Prune | None) -> _Prune | None:
    return (lambda values: [prune(value) for value in values]) if prune else None


def _over_values(prune: _Prune | None) -> _Prune | None:
    return (lambda values: {key: prune(value) for key, value in values.items()}) if prune else None
