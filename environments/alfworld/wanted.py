"""What a game asks for, in its six kinds: read from its goal, said as a goal.

Source: reference/envs.md 1 (the six types of AgentBench's splits); the goals are those of ALFRED's PDDL, one form each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from environments.alfworld.pddl import Expression, UnreadablePddl, read_expression

Kind = Literal[
    "pick_and_place",
    "pick_clean_then_place",
    "pick_heat_then_place",
    "pick_cool_then_place",
    "look_at_obj",
    "pick_two_obj",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""AgentBench's names, in its order."""
TREATED: dict[Kind, tuple[str, str, str]] = {
    "pick_clean_then_place": ("clean", "cleanable", "isclean"),
    "pick_heat_then_place": ("heat", "heatable", "ishot"),
    "pick_cool_then_place": ("cool", "coolable", "iscool"),
}
"""Verb, what the thing must be, what it must become."""
LAMPS = ("desklamp", "floorlamp")


@dataclass(frozen=True)
class Wanted:
    """A goal in plain words; kinds of things and places are lower case and without `type`."""

    kind: Kind
    thing: str
    place: str = ""
    """Kind of receptacle that it is to lie in; empty where it is looked at."""
    lamp: str = ""
    """Kind of lamp that it is looked at under; empty where it is put somewhere."""

    @property
    def count(self) -> int:
        """How many things are to be put."""
        return 2 if self.kind == "pick_two_obj" else 1

    def goal(self) -> str:
        """Return the goal in PDDL."""
        if self.kind == "look_at_obj":
            return _LOOK.format(thing=self.thing, lamp=self.lamp)
        if self.kind == "pick_two_obj":
            return _TWO.format(thing=self.thing, place=self.place)
        _, can, is_ = TREATED.get(self.kind, ("", "", ""))
        more = f"({can} ?o) ({is_} ?o) " if can else ""
        return _PUT.format(more=more, thing=self.thing, place=self.place)


_PUT = (
    "(exists (?r - receptacle ?o - object) (and {more}(objecttype ?o {thing}type) "
    "(receptacletype ?r {place}type) (inreceptacle ?o ?r)))"
)
_TWO = (
    "(exists (?r - receptacle ?o1 - object ?o2 - object) (and (not (= ?o1 ?o2)) (receptacletype ?r {place}type) "
    "(objecttype ?o1 {thing}type) (inreceptacle ?o1 ?r) (objecttype ?o2 {thing}type) (inreceptacle ?o2 ?r)))"
)
_LOOK = (
    "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and (objecttype ?ot {lamp}type) "
    "(toggleable ?ot) (istoggled ?ot) (receptacleatlocation ?r ?l) (atlocation ?a ?l) (inreceptacle ?ot ?r))) "
    "(exists (?o - object ?a - agent) (and (objecttype ?o {thing}type) (holds ?a ?o))))"
)


def read_wanted(goal: str) -> Wanted | None:
    """Read what a goal asks for; None = it is none of the six kinds (it may still be checked).

    Raises:
        UnreadablePddl: it is no expression.
    """
    facts = list(_facts(read_expression(goal)))
    names = {fact[0] for fact in facts}
    if not names <= _KNOWN or "inreceptacleobject" in names or "issliced" in names:
        return None
    things = {var: _plain(type_) for name, var, type_ in _pairs(facts, "objecttype")}
    places = {_plain(type_) for _, _, type_ in _pairs(facts, "receptacletype")}
    if "istoggled" in names:
        lamps = {things.get(fact[1], "") for fact in facts if fact[0] == "istoggled"}
        held = {things.get(fact[2], "") for fact in facts if fact[0] == "holds" and len(fact) == 3}
        return Wanted("look_at_obj", held.pop(), lamp=lamps.pop()) if len(held) == len(lamps) == 1 else None
    kinds = set(things.values())
    if len(kinds) != 1 or len(places) != 1 or "inreceptacle" not in names:
        return None
    states = [kind for kind, (_, _, state) in TREATED.items() if state in names]
    if len(states) > 1 or (states and len(things) > 1) or len(things) > 2:
        return None
    kind: Kind = states[0] if states else "pick_two_obj" if len(things) == 2 else "pick_and_place"
    return Wanted(kind, kinds.pop(), places.pop())


_KNOWN = {
    "objecttype", "receptacletype", "inreceptacle", "isclean", "ishot", "iscool", "istoggled", "holds", "cleanable",
    "heatable", "coolable", "toggleable", "receptacleatlocation", "atlocation", "objectatlocation", "pickupable", "=",
    "inreceptacleobject", "issliced", "sliceable",
}  # fmt: skip


def _facts(part: Expression) -> Iterator[tuple[str, ...]]:
    if isinstance(part, str) or not part:
        return
    head, *rest = part
    if head in ("and", "not"):
        for one in rest:
            yield from _facts(one)
    elif head == "exists" and len(part) == 3:
        yield from _facts(part[2])
    else:
        yield tuple(str(word) for word in part)


def _pairs(facts: list[tuple[str, ...]], name: str) -> list[tuple[str, str, str]]:
    return [(fact[0], fact[1], fact[2]) for fact in facts if fact[0] == name and len(fact) == 3]


def _plain(type_: str) -> str:
    return type_.removesuffix("type")


__all__ = ["KINDS", "LAMPS", "TREATED", "Kind", "UnreadablePddl", "Wanted", "read_wanted"]
