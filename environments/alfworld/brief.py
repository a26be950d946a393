"""What a generation prompt says of a home, and how it is written there: both directions of one list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import prompts
from environments.alfworld.home import Home
from environments.alfworld.wanted import KINDS, LAMPS, TREATED, Kind, Wanted
from rehearsals.orders import topic_in

PROMPT = "generate_alfworld"
_VERBS = {"clean": "washed", "heat": "warmed", "cool": "chilled"}
_PLACE = re.compile(r"^- ([a-z]+ \d+)(?: \(closed\))?: (.*)$", re.MULTILINE)
_TAKES = re.compile(r"^- ([a-z]+): (.*)$", re.MULTILINE)
_ABLE = re.compile(r"^Can be (\w+): (.*)$", re.MULTILINE)
NOTHING = "nothing"


class Brief(NamedTuple):
    """What can be done in a home, by kinds."""

    things: Mapping[str, tuple[str, ...]]
    """Kinds of things that can be taken, each with the kinds of places that they lie in, one entry a thing."""
    takes: Mapping[str, tuple[str, ...]]
    """Kinds of places, each with the kinds of things that it takes."""
    able: Mapping[str, tuple[str, ...]]
    """washed, warmed, chilled: kinds of things that can be."""
    lamps: tuple[str, ...]

    def problem_of(self, wanted: Wanted) -> str:
        """Say why something cannot be done here, or is done already; empty = it can be done."""
        lying = self.things.get(wanted.thing, ())
        if not lying:
            return f"there is no {wanted.thing} here that can be taken"
        if wanted.kind == "look_at_obj":
            return "" if wanted.lamp in self.lamps else f"there is no lamp {wanted.lamp!r} here"
        if wanted.thing not in self.takes.get(wanted.place, ()):
            return f"no {wanted.place!r} here takes a {wanted.thing}"
        if len(lying) < wanted.count:
            return f"there is one {wanted.thing} here, two are needed"
        verb = TREATED.get(wanted.kind, ("",))[0]
        if verb and wanted.thing not in self.able[_VERBS[verb]]:
            return f"a {wanted.thing} cannot be {_VERBS[verb]}"
        is_there = wanted.kind == "pick_and_place" and wanted.place in lying
        return f"a {wanted.thing} lies in a {wanted.place} already" if is_there else ""


def describe_home(home: Home) -> dict[str, Any]:
    """Return what a prompt says of a home: `places`, `takes`, `abilities`."""
    places = []
    for name in sorted(home.receptacles, key=lambda one: _in_order(home.names[one])):
        lying = sorted((home.names[one] for one, thing in home.things.items() if name in thing.within), key=_in_order)
        is_closed = "openable" in home.receptacles[name].flags
        state = " (closed)" if is_closed else ""
        places.append({"name": home.names[name], "state": state, "things": ", ".join(lying) or NOTHING})
    there = {thing.type for thing in home.things.values() if "pickupable" in thing.flags}
    takes = [
        {"place": _plain(place), "things": ", ".join(_plain(kind) for kind in kinds if kind in there)}
        for place, kinds in sorted(home.can_contain.items())
        if there.intersection(kinds)
    ]
    able = []
    for verb, ability, _ in TREATED.values():
        kinds = sorted({_plain(thing.type) for thing in home.things.values() if ability in thing.flags})
        able.append({"verb": _VERBS[verb], "things": ", ".join(kinds) or NOTHING})
    return {"places": places, "takes": takes, "abilities": able}


def brief_of(home: Home) -> Brief:
    """Return a home's brief, as its prompt says it."""
    return read_brief(_home_in_words(home))


def _home_in_words(home: Home) -> str:
    said = describe_home(home)
    lines = [f"- {one['name']}{one['state']}: {one['things']}" for one in said["places"]]
    lines += [f"- {one['place']}: {one['things']}" for one in said["takes"]]
    return "\n".join([*lines, *(f"Can be {one['verb']}: {one['things']}" for one in said["abilities"])])


def is_brief(prompt: str) -> bool:
    """Whether a text is this world's generation prompt."""
    return prompt.startswith(prompts.load(PROMPT).text.partition("{{")[0])


def read_brief(prompt: str) -> Brief:
    """Read what a prompt says of its home."""
    takes = {place: _listed(kinds) for place, kinds in _TAKES.findall(prompt)}
    taken = {kind for kinds in takes.values() for kind in kinds}
    lying: dict[str, tuple[str, ...]] = {}
    lamps: set[str] = set()
    for place, things in _PLACE.findall(prompt):
        for thing in _listed(things):
            kind = thing.rpartition(" ")[0]
            if kind in taken:
                lying[kind] = (*lying.get(kind, ()), place.rpartition(" ")[0])
            if kind in LAMPS:
                lamps.add(kind)
    able = {verb: _listed(kinds) for verb, kinds in _ABLE.findall(prompt)}
    return Brief(lying, takes, {verb: able.get(verb, ()) for verb in _VERBS.values()}, tuple(sorted(lamps)))


def topic_of(prompt: str) -> Kind:
    """Return the kind of the first task that a prompt asks for."""
    topic = topic_in(prompt)
    return next((kind for kind in KINDS if kind == topic), KINDS[0])


def _listed(text: str) -> tuple[str, ...]:
    return () if text.strip() == NOTHING else tuple(one.strip() for one in text.split(","))


def _plain(type_: str) -> str:
    return type_.removesuffix("type")


def _in_order(name: str) -> tuple[str, int]:
    kind, _, number = name.rpartition(" ")
    return kind, int(number)
