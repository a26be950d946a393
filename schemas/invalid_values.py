"""What pydantic found wrong, in words for people: `key = value: what it must be`, and which keys there are.

The one place where its errors are worded: its own text names types of Python, and links to pages of its own.
"""

from __future__ import annotations

import datetime
import difflib
import re
import reprlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MOST = 5
"""Faults of one value that are told; a broken row may have very many."""
Location = tuple[int | str, ...]

_WHOLE, _NUMBER, _TEXT, _LIST = "a whole number", "a number", "text", "a list"
_KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    "int_parsing_size": "a whole number of fewer digits",
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type"), _TEXT),
    "string_unicode": "text of valid Unicode",
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type"), "a section or an object, keys with values"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dataclass_type"), "an object"),
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    "none_required": "left out",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
    "string_pattern_mismatch": "of the pattern {pattern}",
    "too_short": "have at least {min_length} entries, it has {actual_length}",
    "too_long": "have at most {max_length} entries, it has {actual_length}",
    "union_tag_invalid": "an object whose {discriminator} is one of {expected_tags}",
    "union_tag_not_found": "an object with {discriminator}",
    "json_invalid": "JSON: {error}",
    "json_type": "JSON",
}
"""What a value must be, by pydantic's name of the fault."""
_BRANCH = re.compile(
    r"(?:str|int|float|bool|none|constrained-\w+|(?:list|tuple|dict|set|frozenset|literal|nullable|union|"
    r"lax-or-strict|json-or-python|function-[\w-]+|is-instance)\[.*)$",
    re.DOTALL,
)
"""What pydantic puts into a location for one of several forms that a value may have: no key of anybody's."""
_SPELL = reprlib.Repr()
_SPELL.maxstring = _SPELL.maxother = 120
_SPELL.maxlevel = 2


def explain(error: ValidationError, model: type[BaseModel] | None = None, before: Sequence[str] = ()) -> str:
    """Word the first faults of a value; `before` are the keys in front of it, `model` says which keys there are."""
    return "; ".join(f"{key}{words}" for key, words in faults_of(error, model, before))


def faults_of(
    error: ValidationError, model: type[BaseModel] | None = None, before: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the key of each of the first faults, and what is wrong with it: ` = value: it must be ...`."""
    found: dict[Location, list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        place = tuple(part for part in fault["loc"] if not _BRANCH.match(str(part)))
        found.setdefault(place, []).append(fault)
    for place, faults in list(found.items())[:MOST]:
        yield ".".join(map(str, (*before, *place))) or "value", _word(place, faults, model)
    if len(found) > MOST:
        yield f"{len(found) - MOST:,} more", ""


def spell(value: Any) -> str:
    """Return a value as people write it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else _SPELL.repr(value)


def booleans_for_numbers(model: Any, values: Any, place: Location = ()) -> Iterator[tuple[str, bool]]:
    """Yield where true or false stands for a number: pydantic would read 1 or 0."""
    if isinstance(values, bool):
        kinds = set(_forms(model))
        if kinds & {int, float} and bool not in kinds and Any not in kinds:
            yield ".".join(map(str, place)), values
    elif isinstance(values, Mapping):
        for name, value in values.items():
            yield from booleans_for_numbers(_below(model, name), value, (*place, name))
    elif isinstance(values, Sequence) and not isinstance(values, str):
        for number, value in enumerate(values):
            yield from booleans_for_numbers(_below(model, number), value, (*place, number))


def _word(place: Location, faults: list[ErrorDetails], model: type[BaseModel] | None) -> str:
    first = faults[0]
    match first["type"]:
        case "missing":
            return ": it is missing"
        case "extra_forbidden":
            return f": there is no such key{_keys_beside(place, model)}"
        case "value_error" | "assertion_error":
            return f" = {spell(first['input'])}: {first.get('ctx', {}).get('error', first['msg'])}"
        case "model_type" | "model_attributes_type" if keys := _keys(model, place):
            kind = "this is a section, its keys are" if place else "it must be an object with keys of"
            return f" = {spell(first['input'])}: {kind} {', '.join(keys)}"
    wanted = " or ".join(dict.fromkeys(_wanted(fault) for fault in faults))
    size = f", it has {len(first['input']):,}" if first["type"].startswith("string_too_") else ""
    return f" = {spell(first['input'])}: it must {'' if wanted.startswith('have ') else 'be '}{wanted}{size}"


def _wanted(fault: ErrorDetails) -> str:
    known = _KINDS.get(fault["type"])
    if known is not None:
        return known.format_map(fault.get("ctx", {}))
    return re.sub(r"^(?:Input|Value|\w+) should (?:be )?", "", fault["msg"])


def _keys_beside(place: Location, model: type[BaseModel] | None) -> str:
    keys = _keys(model, place[:-1])
    near = difflib.get_close_matches(str(place[-1]), keys, n=1) if place else []
    allowed = f"; allowed are {', '.join(keys)}" if keys else ""
    return allowed + (f". Did you mean {near[0]}?" if near else "")


def _keys(model: Any, place: Location) -> list[str]:
    for part in place:
        model = _below(model, part)
    return sorted({key for form in _forms(model) for key in getattr(form, "model_fields", {})})


def _below(model: Any, part: int | str) -> Any:
    """Return what stands under a key: of a record, a mapping or a list."""
    for form in _forms(model):
        if part in getattr(form, "model_fields", {}):
            return form.model_fields[part].annotation
        arguments = typing.get_args(form)
        if arguments and form is not Any:
            return arguments[-1] if isinstance(part, str) else arguments[0]
    return None


def _forms(annotation: Any) -> list[Any]:
    """Return the forms that a value may have: those of a union, without what is said about them."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _forms(typing.get_args(annotation)[0])
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        return [form for one in typing.get_args(annotation) for form in _forms(one)]
    return [annotation]
