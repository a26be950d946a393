"""What is known of households at large: kinds of places and things, what lies where, what can be done with what."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from environments.alfworld.wanted import KINDS, Kind

_ABILITIES = {
    "clean": "cleanable",
    "heat": "heatable",
    "cool": "coolable",
    "slice": "sliceable",
    "toggle": "toggleable",
    "hold": "isreceptacleobject",
}


@dataclass(frozen=True)
class PlaceKind:
    """A kind of place."""

    opens: bool
    rooms: Mapping[str, tuple[int, int]]
    """How many there are in a room, at least and at most."""


@dataclass(frozen=True)
class ThingKind:
    """A kind of thing."""

    lies: tuple[str, ...]
    """Kinds of places, the likeliest first."""
    flags: tuple[str, ...]
    room: str
    """The one room that it is found in; empty = it may be in any."""


@dataclass(frozen=True)
class Lore:
    """The table `household.toml`."""

    places: Mapping[str, PlaceKind]
    things: Mapping[str, ThingKind]
    rooms: Mapping[str, tuple[Kind, ...]]
    """Rooms, and the kinds of task that they are good for."""

    def belongs(self, thing: str, room: str, places: Collection[str]) -> bool:
        """Whether a room with these places is one for such a thing: it has two of the three that it lies in mostly."""
        only = self.things[thing].room
        return only in ("", room) and len({place for place in self.things[thing].lies[:3] if place in places}) > 1

    def rank(self, thing: str, place: str) -> int:
        """Return how soon one looks for a thing in a place, 0 first; places that it is not known for come last."""
        known = self.things[thing].lies if thing in self.things else ()
        return known.index(place) if place in known else len(known)


@cache
def household() -> Lore:
    """Read the table."""
    table = tomllib.loads(Path(__file__).with_name("household.toml").read_text(encoding="utf-8"))
    places = {name: _place(row) for name, row in table["places"].items()}
    only = {name: room for room, names in table["stays"].items() for name in names}
    things = {name: _thing(row, only.get(name, "")) for name, row in table["things"].items()}
    rooms = {name: tuple(kind for kind in KINDS if kind in kinds) for name, kinds in table["rooms"].items()}
    return Lore(places, things, rooms)


def _place(row: Mapping[str, object]) -> PlaceKind:
    rooms = {name: (span[0], span[1]) for name, span in row.items() if isinstance(span, list)}
    return PlaceKind(bool(row.get("opens")), rooms)


def _thing(row: Mapping[str, object], room: str) -> ThingKind:
    said, lies = str(row.get("can", "")).split(), row["lies"]
    assert isinstance(lies, list)
    taken = () if row.get("stays") else ("pickupable",)
    return ThingKind(tuple(lies), (*taken, *(_ABILITIES[word] for word in said)), room)
