"""ALFWorld's own files: a `game.tw-pddl` as a home, a goal and a sentence, and a home as a PDDL problem.

Both generations are read (`put X in/on Y`; from 2.1.2 on `move X to Y`): each game carries its grammar. Source:
reference/envs.md 1. The domain is fixed and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from environments.alfworld.goal import read_goal
from environments.alfworld.home import Grammar, Home, Receptacle, Thing
from environments.alfworld.pddl import (
    Expression,
    UnreadablePddl,
    read_expression,
    sections_of,
    write_expression,
)

_TASK = re.compile(r"Your task is to: ([^\"\\]*)")
_GRAMMARS: Mapping[Grammar, str] = {"put": "put {o} in/on {r}", "move": "move {o} to {r}"}
_THING = ("pickupable", "cleanable", "heatable", "coolable", "toggleable", "sliceable", "isreceptacleobject")
_STATES = ("isclean", "ishot", "iscool", "ison", "istoggled", "issliced")
_PLACE = ("openable", "opened")
_AGENT = "agent1"


class UnreadableGame(ValueError):
    """A file is no game that is read here."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class GameFile(NamedTuple):
    """What a game's file holds."""

    home: Home
    goal: str
    """PDDL."""
    sentence: str
    """What the player is told, with its full stop; empty = the grammar names no task."""
    walkthrough: tuple[str, ...]
    """Commands that win it, as the file has them; empty = it has none."""


def read_game(data: Mapping[str, Any]) -> GameFile:
    """Read the JSON object of a `game.tw-pddl`.

    Raises:
        UnreadableGame: reasons `not_a_game`, `unknown_grammar`, `unreadable_pddl`.
    """
    texts = {name: data.get(name) for name in ("grammar", "pddl_problem")}
    if missing := [name for name, text in texts.items() if not isinstance(text, str)]:
        raise UnreadableGame("not_a_game", f"{', '.join(missing)} is no text")
    grammar = grammar_of(data["grammar"])
    home, goal = read_problem(data["pddl_problem"], grammar)
    task = _TASK.search(data["grammar"])
    sentence = task[1].strip() if task and "UNKNOWN GOAL" not in task[1] else ""
    walk = data.get("walkthrough")
    commands = tuple(map(str, walk)) if isinstance(walk, list) else ()
    return GameFile(home, goal, sentence, commands)


def grammar_of(text: str) -> Grammar:
    """Return which of the two grammars a game speaks.

    Raises:
        UnreadableGame: neither of them.
    """
    for grammar, template in _GRAMMARS.items():
        if template in text:
            return grammar
    known = " nor ".join(repr(template) for template in _GRAMMARS.values())
    raise UnreadableGame("unknown_grammar", f"the grammar has neither {known}")


def read_problem(text: str, grammar: Grammar) -> tuple[Home, str]:
    """Read a PDDL problem as a home and a goal.

    Raises:
        UnreadableGame: reason `unreadable_pddl`.
    """
    try:
        parts = sections_of(read_expression(text))
        facts = [fact for fact in map(_fact, parts.get(":init", ())) if fact]
        if len(parts.get(":goal", ())) != 1:
            raise UnreadablePddl("a problem has one goal")
        goal = write_expression(parts[":goal"][0])
        read_goal(goal)
        return _home(facts, grammar), goal
    except UnreadablePddl as error:
        raise UnreadableGame("unreadable_pddl", str(error)) from error


def _fact(part: Expression) -> tuple[str, ...]:
    if isinstance(part, str) or not part:
        raise UnreadablePddl(f":init holds facts, not {part!r}")
    if not all(isinstance(word, str) for word in part):
        return ()  # (= (distance ..) n): a number, and none of the household's
    return tuple(str(word) for word in part)


class _Facts:
    """The facts of a problem, asked by their names."""

    def __init__(self, facts: Sequence[tuple[str, ...]]) -> None:
        self._facts = facts

    def pairs(self, name: str) -> list[tuple[str, str]]:
        return [(fact[1], fact[2]) for fact in self._facts if fact[0] == name and len(fact) == 3]

    def listed(self, name: str) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for one, other in self.pairs(name):
            found[one] = (*found.get(one, ()), other)
        return found

    def flags(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name in names:
            for fact in self._facts:
                if fact[0] == name and len(fact) == 2:
                    found[fact[1]] = (*found.get(fact[1], ()), name)
        return found


def _home(told: Sequence[tuple[str, ...]], grammar: Grammar) -> Home:
    facts = _Facts(told)
    start = [location for _, location in facts.pairs("atlocation")]
    if len(start) != 1:
        raise UnreadablePddl(f"one agent is somewhere, here are {len(start)}")
    holds = [thing for _, thing in facts.pairs("holds")]
    contains = facts.listed("cancontain")
    return Home(
        grammar=grammar,
        start=start[0],
        holds=holds[0] if holds else None,
        receptacles=_receptacles(facts),
        things=_things(facts, holds),
        can_contain={name: tuple(sorted(set(kinds))) for name, kinds in sorted(contains.items())},
    )


def _receptacles(facts: _Facts) -> dict[str, Receptacle]:
    types, at = dict(facts.pairs("receptacletype")), dict(facts.pairs("receptacleatlocation"))
    flags = facts.flags(_PLACE)
    lain_in = [place for _, place in facts.pairs("inreceptacle")]
    names = sorted({*types, *at, *flags, *lain_in})
    return {
        name: Receptacle(type=types.get(name, ""), at=at.get(name, ""), flags=flags.get(name, ())) for name in names
    }


def _things(facts: _Facts, holds: Sequence[str]) -> dict[str, Thing]:
    types, at = dict(facts.pairs("objecttype")), facts.listed("objectatlocation")
    within, inside = facts.listed("inreceptacle"), facts.listed("inreceptacleobject")
    flags = facts.flags((*_THING, *_STATES))
    return {
        name: Thing(
            type=types.get(name, ""),
            at=at.get(name, ()),
            within=within.get(name, ()),
            inside=inside.get(name, ()),
            flags=flags.get(name, ()),
        )
        for name in sorted({*types, *at, *within, *inside, *flags, *holds})
    }


def write_problem(home: Home, goal: str) -> str:
    """Write a home and a goal as a PDDL problem that the real engine plays; `read_problem` reads the same."""
    objects = "\n".join(f"{name} - {type_}" for name, type_ in sorted(_objects(home, goal)))
    facts = "\n".join(f"({' '.join(fact)})" for fact in _facts_of(home))
    return (
        f"(define (problem plan)\n(:domain alfred)\n(:objects\n{objects}\n)\n(:init\n{facts}\n(= (total-cost) 0)\n)\n"
        f"(:goal {goal})\n(:metric minimize (total-cost))\n)\n"
    )


def _objects(home: Home, goal: str) -> set[tuple[str, str]]:
    words = set(re.findall(r"[a-z0-9_]+", goal))
    kinds = {one.type for one in home.things.values()} | {one for listed in home.can_contain.values() for one in listed}
    places = {one.type for one in home.receptacles.values()} | set(home.can_contain)
    asked = {word for word in words if word.endswith("type")} - {"objecttype", "receptacletype"}
    places |= {"sinkbasintype", "microwavetype", "fridgetype"} | {word for word in asked if word in home.can_contain}
    kinds |= {"knifetype", "butterknifetype"} | (asked - places)
    spots = {home.start} | {one.at for one in home.receptacles.values() if one.at}
    spots |= {at for one in home.things.values() for at in one.at}
    return {
        (_AGENT, "agent"),
        *((name, "receptacle") for name in home.receptacles),
        *((name, "object") for name in home.things),
        *((name, "location") for name in spots),
        *((name, "rtype") for name in places - {""}),
        *((name, "otype") for name in kinds - {""}),
    }


def _facts_of(home: Home) -> Iterator[tuple[str, ...]]:
    yield ("atlocation", _AGENT, home.start)
    if home.holds:
        yield from (("holds", _AGENT, home.holds), ("holdsany", _AGENT))
    for name, place in sorted(home.receptacles.items()):
        yield from [("receptacletype", name, place.type)] * bool(place.type)
        yield from [("receptacleatlocation", name, place.at)] * bool(place.at)
        yield from ((flag, name) for flag in place.flags)
    for type_, kinds in sorted(home.can_contain.items()):
        yield from (("cancontain", type_, kind) for kind in kinds)
    for name, thing in sorted(home.things.items()):
        yield from [("objecttype", name, thing.type)] * bool(thing.type)
        yield from (("objectatlocation", name, at) for at in thing.at)
        yield from (("inreceptacle", name, place) for place in thing.within)
        yield from (("inreceptacleobject", name, outer) for outer in thing.inside)
        yield from ((flag, name) for flag in thing.flags)
