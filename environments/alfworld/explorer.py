"""An expert that knows no more than a player: what it has seen, and where such things usually lie.

It reads the game's own words, so that every action of its episodes follows from an observation before it; the offline
teacher plays with it, too. The planner, which sees into closed drawers, is `planner.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from environments.alfworld.engine import NOTHING
from environments.alfworld.home import Grammar
from environments.alfworld.lore import household
from environments.alfworld.wanted import TREATED, Wanted

_NAME = re.compile(r"\ba ([a-z]+ \d+)")
_FACED = re.compile(r"You are facing the (.+?)\. ")
_CLOSED = re.compile(r"The ([a-z]+ \d+) is closed\.")
_SHOWN = re.compile(r"(?:On the ([a-z]+ \d+), you see|The ([a-z]+ \d+) is open\. In it, you see) (.*)\.", re.DOTALL)
_PUT = re.compile(r"(?:put|move) ([a-z]+ \d+) (?:in/on|to) ([a-z]+ \d+)")
_TAKE = re.compile(r"take ([a-z]+ \d+) from ([a-z]+ \d+)")
_STATION = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}


class Choice(NamedTuple):
    """What is done next, and what for."""

    command: str
    purpose: str
    """search, look, fetch, treat, deliver, lamp: words for whoever thinks aloud."""
    about: str = ""
    """Name of the place or thing that it is about."""


class Explorer:
    """A player that is told what it saw and says what it does next."""

    def __init__(self, wanted: Wanted, grammar: Grammar, intro: str) -> None:
        self.wanted, self.grammar = wanted, grammar
        self.places = sorted(_NAME.findall(intro), key=_in_order)
        self.here: frozenset[str] = frozenset()
        """Places that are reached from where it stands."""
        self.held = ""
        self.is_treated: set[str] = set()
        self.lying: dict[str, list[str]] = {}
        """What was seen to lie in a place; places that were not looked into are not there."""
        self.closed: set[str] = set()
        self.refused: set[str] = set()
        """Places that would not take what was to be put there."""
        self._together: dict[str, frozenset[str]] = {}

    def choose(self, admissible: Collection[str] | None = None) -> Choice | None:
        """Return the next action; None = nothing is left to try.

        With `admissible`, a place that cannot be gone to is recognised as one that it stands before: it looks around,
        and goes on from what that shows. Without, it tries to go, and learns it from `Nothing happens.`
        """
        choice = self._choose()
        is_way = choice is not None and choice.command.startswith("go to ")
        if choice and is_way and admissible is not None and choice.command not in admissible:
            return Choice("look", "look", choice.about)
        return choice

    def saw(self, command: str, observation: str) -> None:
        """Take in what a command showed."""
        if observation == NOTHING:
            self._failed(command)
            return
        if command.startswith("go to "):
            place = command.removeprefix("go to ")
            self.here = self._together.get(place, frozenset([place]))
        elif taken := _TAKE.fullmatch(command):
            self.held = taken[1]
            self.lying[taken[2]] = [one for one in self.lying.get(taken[2], []) if one != taken[1]]
        elif put := _PUT.fullmatch(command):
            self.held = ""
            self.lying.setdefault(put[2], []).append(put[1])
        elif command.split(" ", 1)[0] in _STATION:
            self.is_treated.add(self.held)
        if faced := _FACED.search(observation):
            self._stand_before(frozenset(re.split(r", and |, ", faced[1])))
        for closed in _CLOSED.findall(observation):
            self.closed.add(closed)
        for one, other, things in _SHOWN.findall(observation):
            self.closed.discard(one or other)
            self.lying[one or other] = _NAME.findall(things)

    def _failed(self, command: str) -> None:
        if command.startswith("go to "):
            self._stand_before(self.here | {command.removeprefix("go to ")})
        elif put := _PUT.fullmatch(command):
            self.refused.add(put[2])

    def _stand_before(self, places: frozenset[str]) -> None:
        self.here = places
        self._together.update(dict.fromkeys(places, places))

    def _choose(self) -> Choice | None:
        wanted = self.wanted
        if not self.held:
            return self._fetch()
        if not _is(self.held, wanted.thing):
            return None
        if wanted.kind == "look_at_obj":
            return self._light()
        verb = TREATED.get(wanted.kind, ("",))[0]
        if verb and self.held not in self.is_treated:
            return self._treat(verb)
        return self._deliver()

    def _fetch(self) -> Choice | None:
        goal = self._goal_place() if self.wanted.count > 1 else None
        for place, things in self.lying.items():
            found = next((one for one in things if _is(one, self.wanted.thing)), None)
            if found is None or (place == goal):
                continue
            command = f"take {found} from {place}"
            return self._at(place, Choice(command, "fetch", found))
        return self._search(self.wanted.thing)

    def _search(self, kind: str) -> Choice | None:
        unseen = [place for place in self.places if place not in self.lying]
        if not unseen:
            return None
        lore, nearer = household(), [place for place in unseen if place in self.here]
        place = min(nearer or unseen, key=lambda one: (lore.rank(kind, _kind(one)), _in_order(one)))
        if place not in self.here:
            return Choice(f"go to {place}", "search", place)
        command = f"open {place}" if place in self.closed else f"examine {place}"
        return Choice(command, "search", place)

    def _light(self) -> Choice | None:
        for place, things in self.lying.items():
            lamp = next((one for one in things if _is(one, self.wanted.lamp)), None)
            if lamp is not None:
                return self._at(place, Choice(f"use {lamp}", "lamp", lamp), opens=False)
        return self._search(self.wanted.lamp)

    def _treat(self, verb: str) -> Choice | None:
        station = next(self._places_of(_STATION[verb]), None)
        if station is None:
            return None
        return self._at(station, Choice(f"{verb} {self.held} with {station}", "treat", self.held), opens=False)

    def _deliver(self) -> Choice | None:
        place = self._goal_place()
        if place is None:
            return None
        words = "put {} in/on {}" if self.grammar == "put" else "move {} to {}"
        return self._at(place, Choice(words.format(self.held, place), "deliver", place))

    def _goal_place(self) -> str | None:
        """Return where things are put: where one lies already, else before which it stands, else the first."""

        def fitness(place: str) -> tuple[int, bool, tuple[str, int]]:
            lying = sum(_is(one, self.wanted.thing) for one in self.lying.get(place, ()))
            return -lying * (self.wanted.count > 1), place not in self.here, _in_order(place)

        return min(
            (one for one in self._places_of(self.wanted.place) if one not in self.refused), key=fitness, default=None
        )

    def _places_of(self, kind: str) -> Iterator[str]:
        return (place for place in self.places if _is(place, kind))

    def _at(self, place: str, choice: Choice, *, opens: bool = True) -> Choice:
        """Return what comes first: to go there, to open it, or the choice itself."""
        if place not in self.here:
            return Choice(f"go to {place}", choice.purpose, place)
        if opens and place in self.closed:
            return Choice(f"open {place}", choice.purpose, place)
        return choice


def _kind(name: str) -> str:
    return name.rpartition(" ")[0]


def _is(name: str, kind: str) -> bool:
    return _kind(name) == kind


def _in_order(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition(" ")
    return kind, int(number)
