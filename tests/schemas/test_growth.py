"""A field, or a key of a defaulted mapping, that came later counts nowhere until it says something."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from environments.base import Card
from environments.db.config import DbConfig
from environments.db.engine import SqlLimits
from environments.os.config import OsConfig
from environments.os.episode import Timeouts
from environments.registry import default_worlds
from environments.sections import config_in_ids
from sandboxes.base import Limits
from schemas.completion import CompletionRequest
from schemas.message import Message
from schemas.record import FIRST_FORM, Record, canonical_json, digest, first_form
from schemas.release import SourceDigest
from schemas.run_config import CollectConfig, CurateConfig, RunConfig
from schemas.tables import TABLES, Table
from tasks.publish.write_release import make_release_id
from warehouse.columns import to_arrow
from warehouse.digests import digest_rows

LATER: list[tuple[Any, Any, Any]] = [
    (str | None, None, "x"),
    (tuple[str, ...], (), ("x",)),
    (bool, False, True),
    (int, 0, 1),
    (float, 1.5, 2.5),
    (str, "", "x"),
    (dict[str, int], {}, {"x": 1}),
    (Message | None, None, Message(role="user", content="x")),
]
"""Type, default and another value of a later field."""


def every_record() -> list[type[Record]]:
    for module in pkgutil.iter_modules(schemas.__path__):
        importlib.import_module(f"schemas.{module.name}")
    found: list[type[Record]] = []
    todo = list(Record.__subclasses__())
    while todo:
        one = todo.pop()
        todo += one.__subclasses__()
        if one.__module__.startswith("schemas.") or one in (OsConfig, DbConfig):
            found.append(one)
    return sorted(found, key=lambda one: one.__name__)


RECORDS = every_record()
FIRST_CONFIG = FIRST_FORM["run_config"]
TODAY = FIRST_CONFIG | {
    "environments": list(default_worlds()),
    "generate": FIRST_CONFIG["generate"] | {"seed_examples": 1, "machine_examples": 1},
}
"""What counts of the default configuration; three defaults are others than at first, on purpose."""
DEALT = [
    *((record, LATER[number % len(LATER)]) for number, record in enumerate(RECORDS)),
    *((record, later) for record in (CompletionRequest, RunConfig) for later in LATER),
]
"""Records with a later field: every record meets one, and two that are hashed most meet all."""


def example(annotation: Any) -> Any:
    """Make a small value of a type; of a record, one whose every field that may hold anything holds something."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        fields = {n: f for n, f in annotation.model_fields.items() if f.is_required() or not f.metadata}
        given = {name: example(field.annotation) for name, field in fields.items() if name not in ("mixtures",)}
        return annotation.model_validate(given)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return arguments[0]
    if origin is typing.Annotated:
        return example(arguments[0])
    if origin is tuple:
        return (example(arguments[0]),)
    if origin is dict:
        return {"k": example(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return example(arguments[0])
    return {str: "a", int: 1, float: 0.5, bool: True, datetime: datetime(2026, 11, 29, tzinfo=UTC), Any: 1}.get(
        annotation
    )


def grown(record: type[Record], type_: Any, default: Any) -> type[Record]:
    """Return the class as it would be with one more field."""
    return pydantic.create_model(record.__name__, __base__=record, later=(type_, default))


def swapped(annotation: Any, old: type, new: type) -> Any:
    if annotation is old:
        return new
    if isinstance(annotation, type) and issubclass(annotation, Record):
        fields: Any = {name: (swapped(f.annotation, old, new), f) for name, f in annotation.model_fields.items()}
        changed = {n: one for n, one in fields.items() if one[0] is not annotation.model_fields[n].annotation}
        return pydantic.create_model(annotation.__name__, __base__=annotation, **changed) if changed else annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if not arguments or origin is typing.Literal:
        return annotation
    inner = tuple(swapped(one, old, new) for one in arguments)
    if inner == arguments:
        return annotation
    if origin is types.UnionType:
        return typing.Union[inner]  # noqa: UP007
    return origin[inner] if origin is not typing.Annotated else typing.Annotated[inner]


def parents_of(record: type[Record]) -> Iterator[type[Record]]:
    """Yield the records that hold one, at any depth."""
    for one in RECORDS:
        if one is not record and record in set(reachable(one)):
            yield one


def reachable(annotation: Any) -> Iterator[Any]:
    for one in typing.get_args(annotation):
        yield from reachable(one)
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
        for field in annotation.model_fields.values():
            yield from reachable(field.annotation)


def said_at_first(value: Any) -> Any:
    """Return a record as it was dumped when its class had its first fields alone."""
    return _first_alone(value, value.model_dump(mode="json") if isinstance(value, Record) else None)


def _first_alone(value: Any, dumped: Any) -> Any:
    if isinstance(value, Record):
        names = {name for one in type(value).__mro__ for name in FIRST_FORM["fields"].get(one.__name__, ())}
        fields = [name for name in type(value).model_fields if name in names]
        return {name: _first_alone(getattr(value, name), dumped[name]) for name in fields}
    if isinstance(value, tuple):
        return [_first_alone(*pair) for pair in zip(value, dumped, strict=True)]
    if isinstance(value, dict):
        return {key: _first_alone(one, dumped[key]) for key, one in value.items()}
    return dumped


def canonical_at_first(value: Any) -> bytes:
    """Return the canonical JSON of commit 12dff63."""

    def plain(one: Any) -> Any:
        if isinstance(one, pydantic.BaseModel):
            return said_at_first(one)
        if isinstance(one, set | frozenset):
            return sorted(one)
        raise TypeError

    return orjson.dumps(value, default=plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def without_later(record: Record) -> Record:
    """Return it with the fields that came later at their defaults, at any depth."""
    return type(record).model_validate(said_at_first(record))


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one.__name__)
def test_what_was_stored_reads_as_it_did(record: type[Record]) -> None:
    if record.__name__ not in FIRST_FORM["fields"]:
        pytest.skip("it came later itself")
    value = without_later(example(record))
    assert canonical_json(value) == canonical_at_first(value)
    assert canonical_json([{"of": value}]) == canonical_at_first([{"of": value}])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(0, 9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_plain_values_read_as_they_did(value: Any) -> None:
    assert canonical_json(value) == canonical_at_first(value)


@given(st.builds(Limits, memory_mb=st.integers(1, 9), disk_mb=st.integers(1, 9)), st.builds(Timeouts))
def test_dataclasses_read_as_they_did(limits: Limits, timeouts: Timeouts) -> None:
    card = Card("os", 1, 8, "solve_os", extra={"limits": limits, "timeouts": timeouts, "image": "i"})
    plain = Card("os", 1, 8, "solve_os", extra={**dataclasses.asdict(card)["extra"]})
    assert digest("world", card) == digest("world", dataclasses.asdict(plain))


@pytest.mark.parametrize(("record", "later"), DEALT, ids=lambda one: getattr(one, "__name__", str(one)[:24]))
def test_a_later_field_counts_where_it_says_something(record: type[Record], later: tuple[Any, Any, Any]) -> None:
    type_, default, other = later
    value = example(record)
    larger = grown(record, type_, default)
    silent = larger.model_validate(value.model_dump())
    assert (digest("x", silent), first_form(silent)) == (digest("x", value), first_form(value))
    assert digest("x", silent.model_copy(update={"later": other})) != digest("x", value)
    for parent in parents_of(record):
        holder = example(parent)
        there = swapped(parent, record, larger).model_validate(holder.model_dump())
        assert digest("x", there) == digest("x", holder), parent
        assert digest("x", [there], {"a": there}) == digest("x", [holder], {"a": holder}), parent


@pytest.mark.parametrize(
    ("table", "later"),
    [
        *((table, LATER[number % 6]) for number, table in enumerate(TABLES.values())),
        *((TABLES["releases"], later) for later in LATER[:6]),
    ],
    ids=lambda one: getattr(one, "name", str(one)[:24]),
)
def test_a_later_field_leaves_the_digest_of_a_table(table: Table, later: tuple[Any, Any, Any]) -> None:
    type_, default, other = later
    one = example(table.record)
    row = to_arrow(table.record, [one]).to_pylist()[0]
    stood = digest_rows(table, [row])
    for record in set(reachable(table.record)):
        larger = swapped(table.record, record, grown(record, type_, default))
        there = Table(table.name, larger, table.keys)
        landed = to_arrow(larger, [larger.model_validate(one.model_dump())]).to_pylist()
        assert digest_rows(there, landed) == stood, record
    top = Table(table.name, grown(table.record, type_, default), table.keys)
    assert digest_rows(top, [row | {"later": None}]) == stood, "as rows read that were landed before"
    assert digest_rows(top, [row | {"later": other}]) != stood


@pytest.mark.parametrize("thing", [Card("os", 1, 8, "solve_os"), Limits(), Timeouts(), SqlLimits()])
@pytest.mark.parametrize(("type_", "default", "other"), LATER, ids=lambda one: str(one)[:12])
def test_a_later_field_leaves_the_id_of_a_world(thing: Any, type_: Any, default: Any, other: Any) -> None:
    name, field = type(thing).__name__, dataclasses.field(default_factory=lambda: default)
    larger: Any = dataclasses.make_dataclass(name, [("later", type_, field)], bases=(type(thing),), frozen=True)
    held = {one.name: getattr(thing, one.name) for one in dataclasses.fields(thing)}

    def world_id(one: Any) -> str:
        return digest("world", Card("os", 1, 8, "p", extra={"limits": one}) if not isinstance(one, Card) else one)

    assert world_id(larger(**held)) == world_id(thing)
    assert world_id(larger(**held, later=other)) != world_id(thing)


@pytest.mark.parametrize(
    ("record", "name", "type_", "more"),
    [
        (CollectConfig, "max_turns", dict[str, int], {"os": 8, "db": 15, "new": 50}),
        (CurateConfig, "thresholds", dict[str, float], {"new": 0.5}),
    ],
)
def test_a_later_key_of_a_defaulted_mapping_counts_where_it_says_something(
    record: type[Record], name: str, type_: Any, more: dict[str, Any]
) -> None:
    larger = pydantic.create_model(record.__name__, __base__=record, **{name: (type_, more)})
    assert digest(larger()) == digest(record())
    for chosen in ({"os": 3}, {"os": 1, "db": 7}):
        assert digest(larger(**{name: chosen})) == digest(record(**{name: chosen}))
    assert digest(larger(**{name: {"os": 3, "new": more["new"]}})) == digest(record(**{name: {"os": 3}}))
    assert digest(larger(**{name: {"os": 3, "new": 9}})) != digest(record(**{name: {"os": 3}}))


def larger_config(type_: Any, default: Any, other: Any = None) -> RunConfig:
    larger = swapped(RunConfig, CollectConfig, grown(CollectConfig, type_, default))
    made: RunConfig = larger()
    if other is None:
        return made
    return made.model_copy(update={"collect": made.collect.model_copy(update={"later": other})})


@pytest.mark.parametrize(("type_", "default", "other"), LATER, ids=lambda one: str(one)[:12])
def test_a_later_field_leaves_the_id_of_a_release_and_of_a_configuration(type_: Any, default: Any, other: Any) -> None:
    config = larger_config(type_, default)
    assert config_in_ids(config) == config_in_ids(RunConfig()) == TODAY
    assert config_in_ids(larger_config(type_, default, other)) != TODAY
    sources = [SourceDigest(table="episodes", digest="d", version=1)]
    assert make_release_id(sources, config, "lock") == make_release_id(sources, RunConfig(), "lock")


def test_a_later_field_of_a_message_counts_in_the_id_of_a_request_where_it_says_something() -> None:
    def hash_of(*messages: Message) -> str:
        return CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=messages).request_hash

    plain = Message(role="user", content="x")
    assert hash_of(plain) == hash_of(plain.model_copy(update={"train": True}))
    assert hash_of(plain) != hash_of(plain.model_copy(update={"reasoning_content": "so"}))


def test_a_class_keeps_its_first_fields_under_its_name() -> None:
    """One that is renamed takes its entry in first_form.json along, or every id that it counts in would change."""
    names = {record.__name__ for record in RECORDS} | {one.__name__ for one in (Card, Limits, Timeouts, SqlLimits)}
    assert FIRST_FORM["fields"].keys() - names == set()
    for record in RECORDS:
        gone = set(FIRST_FORM["fields"].get(record.__name__, ())) - record.model_fields.keys()
        assert gone == ({"os", "db"} if record.__name__ == "GenerateConfig" else set()), record
