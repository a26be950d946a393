"""Homes and games by seed: a room, what stands and lies in it, and a goal that is not reached yet.

Every game can be won (the planner says how), and its explorer wins it within the turns that an episode has.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from environments.alfworld.home import Home, Receptacle, Thing
from environments.alfworld.lore import household
from environments.alfworld.planner import shortest_plan
from environments.alfworld.play import explore
from environments.alfworld.sentences import forms_of, word
from environments.alfworld.wanted import KINDS, TREATED, Kind, Wanted

_BASINS = {"sinkbasin": "sink", "bathtubbasin": "bathtub"}
_SHARED = 0.15
"""Chance that a place that opens is reached from where the one before it is, as many are in ALFRED's rooms."""
_NESTED = 0.3
"""Chance that something lies in a bowl, a pan or a box."""
_LITTER = (0.8, 1.5)
"""Things beside those that the goal needs, for each place."""
_TRIES = 200


class Game(NamedTuple):
    """A home with something to do in it."""

    home: Home
    wanted: Wanted
    sentence: str
    walkthrough: tuple[str, ...]
    """What the explorer did."""
    plan: tuple[str, ...]
    """A shortest way, by one who knows where everything is."""


def make_game(seed: int, number: int, *, most_turns: int = 35, kind: Kind | None = None) -> Game:
    """Make game `number` of a seed: the kinds come in turn unless one is said.

    Raises:
        RuntimeError: no room that was tried has such a game within `most_turns`.
    """
    chosen = kind or KINDS[number % len(KINDS)]
    for attempt in range(_TRIES):
        rng = random.Random(f"alfworld {seed} {number} {chosen} {attempt}")
        game = _try(rng, chosen, most_turns)
        if game is not None:
            return game
    raise RuntimeError(f"no room has a game of the kind {chosen} that is won within {most_turns} turns")


def make_home(seed: int, number: int) -> tuple[tuple[Kind, ...], Home]:
    """Make a room for whoever looks for something to do there; return the kinds of task that it is good for, too."""
    rng, lore = random.Random(f"alfworld home {seed} {number}"), household()
    room = sorted(lore.rooms)[number % len(lore.rooms)]
    places = _places(rng, room)
    things = [
        kind for kind, thing in lore.things.items() if "pickupable" in thing.flags and lore.belongs(kind, room, places)
    ]
    needed: list[tuple[str, list[str]]] = [
        (kind, []) for kind in rng.sample(things, min(4, len(things))) for _ in range(2)
    ]
    lamp: list[tuple[str, list[str]]] = [("desklamp", [])] if "look_at_obj" in lore.rooms[room] else []
    return lore.rooms[room], _furnish(rng, room, [*needed, *lamp], places)


def _try(rng: random.Random, kind: Kind, most_turns: int) -> Game | None:
    rooms = [room for room, kinds in household().rooms.items() if kind in kinds]
    room = rng.choice(rooms)
    places = _places(rng, room)
    wanted = _want(rng, kind, room, places)
    if wanted is None:
        return None
    home = _furnish(rng, room, _needed(wanted), places)
    walkthrough = explore(home, wanted, most_turns)
    plan = shortest_plan(home, wanted)
    if not walkthrough or not plan:
        return None
    sentence = word(wanted, rng.choice(forms_of(kind)))
    return Game(home, wanted, sentence, walkthrough, plan)


def _want(rng: random.Random, kind: Kind, room: str, places: Sequence[str]) -> Wanted | None:
    """Choose what is to be done where: a thing that can be, and a place that takes it and is not its only one."""
    lore, kinds = household(), sorted(set(places))
    ability = TREATED.get(kind, ("", ""))[1]
    fits = [
        name for name, thing in lore.things.items() if "pickupable" in thing.flags and lore.belongs(name, room, kinds)
    ]
    fits = [name for name in fits if not ability or ability in lore.things[name].flags]
    pairs = [(thing, place) for thing in fits for place in kinds if place in lore.things[thing].lies]
    pairs = [(t, p) for t, p in pairs if any(other != p for other in lore.things[t].lies if other in kinds)]
    if kind == "look_at_obj":
        pairs = [(thing, "") for thing in {thing for thing, _ in pairs}]
        pairs.sort()
    if not pairs:
        return None
    thing, place = rng.choice(pairs)
    return Wanted(kind, thing, place, "desklamp" if kind == "look_at_obj" else "")


def _needed(wanted: Wanted) -> list[tuple[str, list[str]]]:
    """Return the things that the goal needs, each with the kinds of places where it must not lie."""
    if wanted.kind == "look_at_obj":
        return [(wanted.thing, []), (wanted.lamp, [])]
    return [(wanted.thing, [wanted.place])] * wanted.count


def _places(rng: random.Random, room: str) -> list[str]:
    lore = household().places
    return [
        kind for kind in sorted(lore) if room in lore[kind].rooms for _ in range(rng.randint(*lore[kind].rooms[room]))
    ]


def _furnish(rng: random.Random, room: str, needed: Sequence[tuple[str, list[str]]], places: Sequence[str]) -> Home:
    receptacles = _receptacles(rng, places)
    wanted = {kind for kind, _ in needed}
    others = [kind for kind in household().things if kind not in wanted and household().belongs(kind, room, places)]
    litter = [(rng.choice(others), list[str]()) for _ in range(int(len(places) * rng.uniform(*_LITTER)))]
    things: dict[str, Thing] = {}
    for kind, not_in in [*needed, *litter]:
        number = 1 + sum(one.startswith(f"{kind}_bar_") for one in things)
        lies = _lies(rng, kind, not_in, receptacles)
        if lies is not None:
            things[f"{kind}_bar_{number:02}"] = Thing(
                type=f"{kind}type", at=(receptacles[lies].at,), within=(lies,), flags=household().things[kind].flags
            )
    return Home(
        start="loc_bar_00",
        receptacles=receptacles,
        things=_nested(rng, things),
        can_contain=_containing({kind for kind, _ in [*needed, *litter]}, places),
    )


def _receptacles(rng: random.Random, places: Sequence[str]) -> dict[str, Receptacle]:
    made: dict[str, Receptacle] = {}
    location = 0
    for index, kind in enumerate(places):
        opens = household().places[kind].opens
        is_beside = opens and index and places[index - 1] == kind and rng.random() < _SHARED
        location += not is_beside
        number = 1 + sum(one.startswith(f"{_BASINS.get(kind, kind)}_bar_") for one in made)
        tail = f"_bar_{kind}" if kind in _BASINS else ""
        made[f"{_BASINS.get(kind, kind)}_bar_{number:02}{tail}"] = Receptacle(
            type=f"{kind}type", at=f"loc_bar_{location:02}", flags=("openable",) if opens else ()
        )
    return made


def _lies(rng: random.Random, kind: str, not_in: Sequence[str], receptacles: Mapping[str, Receptacle]) -> str | None:
    """Choose a place for a thing, the likelier ones more often."""
    lies = household().things[kind].lies
    fits = [(name, one.type.removesuffix("type")) for name, one in receptacles.items()]
    fits = [(name, place) for name, place in fits if place in lies and place not in not_in]
    if not fits:
        return None
    weights = [len(lies) - lies.index(place) for _, place in fits]
    return rng.choices([name for name, _ in fits], weights)[0]


def _nested(rng: random.Random, things: Mapping[str, Thing]) -> dict[str, Thing]:
    """Let some things lie in a bowl or a box that lies in the same place."""
    holders = [name for name, one in things.items() if "isreceptacleobject" in one.flags]
    nested = dict(things)
    for name, one in things.items():
        outer = next((h for h in holders if things[h].within == one.within and name not in holders), None)
        if outer is not None and "pickupable" in one.flags and rng.random() < _NESTED:
            nested[name] = one.model_copy(update={"inside": (outer,)})
    return nested


def _containing(things: set[str], places: Sequence[str]) -> dict[str, tuple[str, ...]]:
    lore = household().things
    takes = {
        place: tuple(sorted(f"{thing}type" for thing in things if place in lore[thing].lies))
        for place in sorted(set(places))
    }
    return {f"{place}type": kinds for place, kinds in takes.items() if kinds}
