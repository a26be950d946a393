"""The household's rules: which commands are admissible now, what each does, what it shows.

One fixed domain (alfworld's alfred.pddl and alfred.twl2, both generations), so that nothing is planned or parsed here.
Quirks are kept where the real engine has them; tests/environments/alfworld/test_quirks.py has the list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from environments.alfworld.home import Home

ACT = "act"
"""The one kind of action; its text is the command."""
NOTHING = "Nothing happens."
KNIVES = ("knifetype", "butterknifetype")
TREATMENTS = {
    "sinkbasintype": ("clean", "cleanable", "isclean", None),
    "microwavetype": ("heat", "heatable", "ishot", "iscool"),
    "fridgetype": ("cool", "coolable", "iscool", "ishot"),
}
"""By type of receptacle: verb, what the object must be, what it becomes, what it is no more."""
STATES = ("isclean", "ishot", "iscool", "ison", "istoggled", "issliced")
HELP = """Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


class _Act(NamedTuple):
    do: Callable[..., str]
    arguments: tuple[str, ...] = ()
    changes: bool = True


class Household:
    """One game as it is being played; what it began with is shared, what changed is its own."""

    __slots__ = ("_local", "at", "flags", "held", "home", "is_changed", "location", "opened", "taken", "within")

    def __init__(self, home: Home) -> None:
        self.home, self.location, self.held = home, home.start, home.holds
        self.opened = {name for name, one in home.receptacles.items() if "opened" in one.flags}
        self.within: dict[str, set[str]] = {name: set() for name in home.receptacles}
        self.flags: dict[str, set[str]] = {state: set() for state in STATES}
        self.at: dict[str, set[str]] = {}
        """Locations of the things that were moved; of the others `home` says them."""
        self.taken: set[tuple[str, str]] = set()
        """Thing and receptacle that it was taken from, and not put back into: `look` lists it beside that one."""
        self.is_changed = False
        self._local: dict[str, _Act] | None = None
        for name, thing in home.things.items():
            for receptacle in thing.within:
                self.within[receptacle].add(name)
            for flag in thing.flags:
                if flag in self.flags:
                    self.flags[flag].add(name)

    def intro(self) -> str:
        """Return what a game begins with, without its banner and its task."""
        here = self.home.at_location.get(self.location, ())
        if here:
            return self._look()
        reached = sorted(name for name, one in self.home.receptacles.items() if one.at)
        return f"{_MIDDLE} {_listed([f'a {self.home.names[one]}' for one in reached])}."

    def admissible(self) -> tuple[str, ...]:
        """Return the commands that do something now, sorted."""
        return tuple(sorted((*self._local_acts(), *self.home.ways_from(self.location))))

    def step(self, command: str) -> str:
        """Carry out a command and return what it shows; one that is not admissible, letter by letter, does nothing."""
        command = command.strip()
        act = self._local_acts().get(command)
        if act is None:
            target = self.home.ways_from(self.location).get(command)
            if target is None:
                return NOTHING
            act = _Act(self._go, (target,))
        shown = act.do(*act.arguments)
        if act.changes:
            self._local = None
        return shown

    def _local_acts(self) -> dict[str, _Act]:
        if self._local is None:
            self._local = self._find_acts()
        return self._local

    def _find_acts(self) -> dict[str, _Act]:
        home, names = self.home, self.home.names
        acts = {"look": _Act(self._look, (), False), "inventory": _Act(self._inventory, (), False)}
        if home.grammar == "move":
            acts["help"] = _Act(lambda: HELP, (), False)
        for place in home.at_location.get(self.location, ()):
            self._find_acts_at(place, acts)
        if self.held is None:
            return acts
        acts[f"examine {names[self.held]}"] = _Act(self._examine_held, (), False)
        if home.things[self.held].type in KNIVES:
            for thing, one in home.things.items():
                if "sliceable" in one.flags and self.location in self.locations_of(thing):
                    acts[f"slice {names[thing]} with {names[self.held]}"] = _Act(self._slice, (thing,))
        return acts

    def _find_acts_at(self, place: str, acts: dict[str, _Act]) -> None:
        home, names, receptacle = self.home, self.home.names, self.home.receptacles[place]
        name = names[place]
        acts[f"examine {name}"] = _Act(self._see, (place,), False)
        if "openable" in receptacle.flags:
            verb, act = ("close", self._close) if place in self.opened else ("open", self._open)
            acts[f"{verb} {name}"] = _Act(act, (place,))
        is_open = "openable" not in receptacle.flags or place in self.opened
        for thing in self.within[place]:
            flags = home.things[thing].flags
            if "toggleable" in flags:
                acts[f"use {names[thing]}"] = _Act(self._use, (thing,))
            if is_open and self.held is None and "pickupable" in flags:
                acts[f"take {names[thing]} from {name}"] = _Act(self._take, (thing, place))
        if self.held is None:
            return
        held = home.things[self.held]
        if is_open and held.type in home.can_contain.get(receptacle.type, ()):
            acts[put_command(home, self.held, place)] = _Act(self._put, (place,))
        treatment = TREATMENTS.get(receptacle.type)
        if treatment and treatment[1] in held.flags:
            acts[f"{treatment[0]} {names[self.held]} with {name}"] = _Act(self._treat, (place,))

    def locations_of(self, thing: str) -> set[str] | tuple[str, ...]:
        """Return where a thing is, as far as a fact says it: nowhere while it is held."""
        found = self.at.get(thing)
        return self.home.things[thing].at if found is None else found

    def _go(self, place: str) -> str:
        self.location = self.home.receptacles[place].at
        there = self.location if self.home.grammar == "put" else place
        return f"You arrive at {self.home.names[there]}. {self._see(place)}"

    def _see(self, place: str) -> str:
        name, flags = self.home.names[place], self.home.receptacles[place].flags
        if "openable" in flags and place not in self.opened:
            return f"The {name} is closed."
        seen = _listed([f"a {self.home.names[thing]}" for thing in sorted(self.within[place])])
        return (
            f"The {name} is open. In it, you see {seen}." if "openable" in flags else f"On the {name}, you see {seen}."
        )

    def _open(self, place: str) -> str:
        self.opened.add(place)
        return f"You open the {self.home.names[place]}. {self._see(place)}"

    def _close(self, place: str) -> str:
        self.opened.discard(place)
        return f"You close the {self.home.names[place]}."

    def _take(self, thing: str, place: str) -> str:
        self.is_changed = True
        self.within[place].discard(thing)
        self.taken.add((thing, place))
        self.at[thing] = {at for at in self.locations_of(thing) if at != self.location}
        self.held = thing
        return f"You pick up the {self.home.names[thing]} from the {self.home.names[place]}."

    def _put(self, place: str) -> str:
        self.is_changed = True
        assert self.held is not None
        thing, self.held = self.held, None
        self.within[place].add(thing)
        self.taken.discard((thing, place))
        self.at[thing] = {*self.locations_of(thing), self.location}
        names = self.home.names
        if self.home.grammar == "put":
            return f"You put the {names[thing]} in/on the {names[place]}."
        return f"You move the {names[thing]} to the {names[place]}."

    def _treat(self, place: str) -> str:
        self.is_changed = True
        assert self.held is not None
        verb, _, gained, lost = TREATMENTS[self.home.receptacles[place].type]
        self.flags[gained].add(self.held)
        if lost:
            self.flags[lost].discard(self.held)
        return f"You {verb} the {self.home.names[self.held]} using the {self.home.names[place]}."

    def _use(self, thing: str) -> str:
        self.is_changed = True
        self.flags["ison"] ^= {thing}
        self.flags["istoggled"].add(thing)  # and never removed: it is turned on ever after
        return f"You turn on the {self.home.names[thing]}."

    def _slice(self, thing: str) -> str:
        self.is_changed = True
        assert self.held is not None
        self.flags["issliced"].add(thing)
        return f"You sliced the {self.home.names[thing]} with the {self.home.names[self.held]}."

    def _inventory(self) -> str:
        if self.held is None:
            return "You are not carrying anything."
        return f"You are carrying: a {self.home.names[self.held]}."

    def _look(self) -> str:
        here, names = self.home.at_location.get(self.location, ()), self.home.names
        if not here:
            return f"{_MIDDLE} nothing."
        beside = [
            f"a {names[thing]}"
            for thing, place in sorted(self.taken)
            if place in here and self.location in self.locations_of(thing)
        ]
        return f"You are facing the {_listed([names[one] for one in here])}. Next to it, you see {_listed(beside)}."

    def _examine_held(self) -> str:
        assert self.held is not None
        thing, names, flags = self.held, self.home.names, self.flags
        if "isreceptacleobject" in self.home.things[thing].flags:
            inner = sorted(name for name, one in self.home.things.items() if thing in one.inside)
            return f"This is a normal {names[thing]}. In it, you see {_listed([f'a {names[one]}' for one in inner])}."
        word = next((said for states, said in _CONDITIONS if all(thing in flags[state] for state in states)), None)
        if word is not None:
            return f"This is a {word} {names[thing]}."
        if "toggleable" in self.home.things[thing].flags and thing in flags["istoggled"]:
            return f"This {names[thing]} is on."
        if "sliceable" in self.home.things[thing].flags and thing in flags["issliced"]:
            return f"This is a sliced {names[thing]}."
        return f"There's nothing special about {names[thing]}."


_MIDDLE = "You are in the middle of a room. Looking quickly around you, you see"
_CONDITIONS = (
    (("isclean", "ishot", "issliced"), "hot and clean sliced"),
    (("isclean", "iscool", "issliced"), "cool and clean sliced"),
    (("isclean", "issliced"), "clean sliced"),
    (("ishot", "issliced"), "hot sliced"),
    (("iscool", "issliced"), "cool sliced"),
    (("isclean", "ishot"), "hot and clean"),
    (("isclean", "iscool"), "cool and clean"),
    (("ishot",), "hot"),
    (("isclean",), "clean"),
    (("iscool",), "cold"),
)
"""The first that holds is said, in the grammar's order."""


def put_command(home: Home, thing: str, place: str) -> str:
    """Word the command that puts a thing somewhere, in the game's grammar."""
    names = home.names
    form = "put {} in/on {}" if home.grammar == "put" else "move {} to {}"
    return form.format(names[thing], names[place])


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return names[0] if names else "nothing"
    return f"{', '.join(names[:-1])}, and {names[-1]}"
