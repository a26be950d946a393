"""A home as it stands when a game begins: frozen, and shared by all episodes in it.

Names are those of ALFWorld's demangler: ids sorted, numbers counted down, so that a list in the order of ids reads
`drawer 3, drawer 2, drawer 1` (reference/envs.md 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.record import Record, canonical_json

Grammar = Literal["put", "move"]
"""put: `put X in/on Y`, as AgentBench and AgentTuning have it (games 2.1.1); move: `move X to Y` (games from 2.1.2)."""


class Receptacle(Record):
    """A place that things lie in or on."""

    type: str = ""
    """`fridgetype`; empty = none is known, and nothing can be put there."""
    at: str = ""
    """Location from which it is reached; several may share one. Empty = none: it is never reached, and never listed."""
    flags: tuple[str, ...] = ()
    """Of openable, opened."""


class Thing(Record):
    """An object."""

    type: str = ""
    """`mugtype`."""
    at: tuple[str, ...] = ()
    """Locations from which it is reached: for slicing, and for `look`."""
    within: tuple[str, ...] = ()
    """Receptacles that it lies in."""
    inside: tuple[str, ...] = ()
    """Objects that it lies in; a closed fact: no action changes it."""
    flags: tuple[str, ...] = ()
    """Of pickupable, cleanable, heatable, coolable, toggleable, sliceable, isreceptacleobject, and states at the start:
    isclean, ishot, iscool, ison, istoggled, issliced."""


class Home(Record):
    """The initial state of a game; ids in lower case."""

    grammar: Grammar = "put"
    start: str
    """Location of the agent."""
    holds: str | None = None
    receptacles: Mapping[str, Receptacle]
    things: Mapping[str, Thing]
    can_contain: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Types of objects by type of receptacle."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """Refuse a thing in a place, or in a hand, that is not there."""
        for name, thing in self.things.items():
            if missing := [place for place in thing.within if place not in self.receptacles]:
                raise ValueError(f"{name} lies in {missing[0]!r}, which is not there")
        if self.holds is not None and self.holds not in self.things:
            raise ValueError(f"the agent holds {self.holds!r}, which is not there")
        return self

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Names by id, of all that a fact speaks of."""
        return names_of({self.start, *self.receptacles, *self.things, *self._locations})

    @property
    def _locations(self) -> set[str]:
        return {one.at for one in self.receptacles.values() if one.at} | {
            at for one in self.things.values() for at in one.at
        }

    @cached_property
    def ids(self) -> Mapping[str, str]:
        """Ids of receptacles and things by their names."""
        return {self.names[one]: one for one in (*self.receptacles, *self.things)}

    @cached_property
    def at_location(self) -> Mapping[str, tuple[str, ...]]:
        """Receptacles by location, each list sorted by id."""
        found: dict[str, tuple[str, ...]] = {}
        for one in sorted(name for name, receptacle in self.receptacles.items() if receptacle.at):
            at = self.receptacles[one].at
            found[at] = (*found.get(at, ()), one)
        return found

    def ways_from(self, location: str) -> Mapping[str, str]:
        """Return the commands that lead elsewhere, each with the receptacle that it leads to."""
        known = self._ways.get(location)
        if known is None:
            away = (name for name, one in self.receptacles.items() if one.at not in ("", location))
            known = self._ways[location] = {f"go to {self.names[name]}": name for name in away}
        return known

    @cached_property
    def _ways(self) -> dict[str, Mapping[str, str]]:
        return {}

    def things_of(self, type_: str) -> tuple[str, ...]:
        """Return the objects of a type, sorted."""
        return self._by_type.get(type_, ())

    def receptacles_of(self, type_: str) -> tuple[str, ...]:
        """Return the receptacles of a type, sorted."""
        return self._receptacles_by_type.get(type_, ())

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped((one.type, name) for name, one in self.things.items())

    @cached_property
    def _receptacles_by_type(self) -> Mapping[str, tuple[str, ...]]:
        return _grouped((one.type, name) for name, one in self.receptacles.items())

    def to_text(self) -> str:
        """Write it as `setup.state`; what is as ever is left out."""
        return canonical_json(self.model_dump(exclude_defaults=True)).decode()


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for key, name in sorted(pairs):
        found[key] = (*found.get(key, ()), name)
    return found


@lru_cache(maxsize=256)
def read_home(state: str) -> Home:
    """Return the home of a task's state: one object for all episodes of a task.

    Raises:
        pydantic.ValidationError: it is no home.
    """
    return Home.model_validate_json(state)


def names_of(ids: Iterable[str]) -> dict[str, str]:
    """Name ids: the kind, and a number that counts down in the order of ids."""
    ordered = sorted(ids)
    left = Counter(kind for one in ordered if (kind := kind_of(one)) is not None)
    names = {}
    for one in ordered:
        kind = kind_of(one)
        names[one] = one if kind is None else f"{kind} {left[kind]}"
        if kind is not None:
            left[kind] -= 1
    return names


def kind_of(id_: str) -> str | None:
    """Return the word that a name begins with; None where the id is a name by itself (`agent1`)."""
    kind, mark, _ = id_.partition("_bar_")
    if not mark:
        return None
    return f"{kind}basin" if "basin" in id_ else kind
