"""The shortest plan for a game, by one who knows where everything is: how hard a game is, and an expert.

A plan's form follows from the kind of task, so that it is enough to compare the ways to fill it in: which thing, which
sink, which shelf. A test compares it with a search over all actions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations

from environments.alfworld.engine import TREATMENTS, put_command
from environments.alfworld.home import Home
from environments.alfworld.wanted import TREATED, Wanted

Plan = tuple[str, ...]


def shortest_plan(home: Home, wanted: Wanted) -> Plan | None:
    """Return the commands of a shortest plan; None = the game cannot be won."""
    plans = {"look_at_obj": _looks, "pick_two_obj": _twos}.get(wanted.kind, _puts)(home, wanted)
    return min(plans, key=len, default=None)


class _Walk:
    """A plan as it is being written."""

    def __init__(self, home: Home) -> None:
        self.home, self.at, self.commands = home, home.start, list[str]()
        self._open = {name for name, one in home.receptacles.items() if "opened" in one.flags}

    def reach(self, place: str, *, opens: bool = True) -> None:
        receptacle = self.home.receptacles[place]
        if receptacle.at != self.at:
            self.commands.append(f"go to {self.home.names[place]}")
            self.at = receptacle.at
        if opens and "openable" in receptacle.flags and place not in self._open:
            self.commands.append(f"open {self.home.names[place]}")
            self._open.add(place)

    def take(self, thing: str, place: str) -> None:
        if thing == self.home.holds:
            return
        self.reach(place)
        self.commands.append(f"take {self.home.names[thing]} from {self.home.names[place]}")

    def treat(self, verb: str, thing: str, place: str) -> None:
        self.reach(place, opens=False)
        self.commands.append(f"{verb} {self.home.names[thing]} with {self.home.names[place]}")

    def put(self, thing: str, place: str) -> None:
        self.reach(place)
        self.commands.append(put_command(self.home, thing, place))


def _found(home: Home, wanted: Wanted) -> Iterator[tuple[str, str]]:
    """Yield the things of the kind that is wanted, each with a place that it can be taken from."""
    things = home.things_of(f"{wanted.thing}type")
    if home.holds is not None:  # its hands are full: with one of them, or with something that it must put down first
        yield from [(home.holds, "")] if home.holds in things else []
        return
    for thing in things:
        if "pickupable" in home.things[thing].flags:
            yield from ((thing, place) for place in home.things[thing].within)


def _places(home: Home, wanted: Wanted) -> Iterable[str]:
    type_ = f"{wanted.place}type"
    fits = f"{wanted.thing}type" in home.can_contain.get(type_, ())
    return home.receptacles_of(type_) if fits else ()


def _puts(home: Home, wanted: Wanted) -> Iterator[Plan]:
    verb, ability, state = TREATED.get(wanted.kind, ("", "", ""))
    stations = [name for name, one in home.receptacles.items() if TREATMENTS.get(one.type, ("",))[0] == verb]
    for thing, lies in _found(home, wanted):
        flags = home.things[thing].flags
        if ability and ability not in flags:
            continue
        for station in stations if verb and state not in flags else [""]:
            for place in _places(home, wanted):
                walk = _Walk(home)
                walk.take(thing, lies)
                if station:
                    walk.treat(verb, thing, station)
                walk.put(thing, place)
                yield tuple(walk.commands)


def _twos(home: Home, wanted: Wanted) -> Iterator[Plan]:
    for place in _places(home, wanted):
        there = [thing for thing in home.things_of(f"{wanted.thing}type") if place in home.things[thing].within]
        others = [(thing, lies) for thing, lies in _found(home, wanted) if thing not in there]
        for chosen in permutations(others, max(0, wanted.count - len(there))):
            if len({thing for thing, _ in chosen}) < len(chosen):
                continue
            walk = _Walk(home)
            for thing, lies in chosen:
                walk.take(thing, lies)
                walk.put(thing, place)
            yield tuple(walk.commands)


def _looks(home: Home, wanted: Wanted) -> Iterator[Plan]:
    for lamp in home.things_of(f"{wanted.lamp}type"):
        if "toggleable" not in home.things[lamp].flags:
            continue
        for shines in home.things[lamp].within:
            for thing, lies in _found(home, wanted):
                walk = _Walk(home)
                walk.take(thing, lies)
                walk.reach(shines, opens=False)
                if "istoggled" not in home.things[lamp].flags:
                    walk.commands.append(f"use {home.names[lamp]}")
                yield tuple(walk.commands)
