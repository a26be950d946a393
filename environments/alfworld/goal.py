"""When a game is won: its goal in PDDL, checked on the household as it stands.

A goal is put in an order once (what is known first, then what has few candidates), so that each check costs a few
microseconds and not the product of all objects that its `exists` would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from environments.alfworld.engine import STATES, Household
from environments.alfworld.pddl import Expression, UnreadablePddl, read_expression, typed

Bound = dict[str, str]
_ARITY = {
    "objecttype": 2, "receptacletype": 2, "inreceptacle": 2, "inreceptacleobject": 2, "receptacleatlocation": 2,
    "objectatlocation": 2, "cancontain": 2, "atlocation": 2, "holds": 2, "holdsany": 1, "openable": 1, "opened": 1,
}  # fmt: skip
_RANK = ("holds", "atlocation", "objecttype", "receptacletype", "receptacleatlocation", *STATES)
"""Which literal is asked first where none is known yet: those with few candidates."""
AGENT = "agent"
"""Stands for the one agent, whatever a game calls it."""


MOST_FACTS = 200_000
"""That one check looks at: the six kinds look at some dozens, and a goal of many free variables at billions."""


class UnboundedGoal(ValueError):
    """A goal that would be checked for hours."""


class _Look:
    """One check of a goal."""

    __slots__ = ("household", "left")

    def __init__(self, household: Household) -> None:
        self.household, self.left = household, MOST_FACTS

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise UnboundedGoal(f"the goal asks for more than {MOST_FACTS:,} combinations")


class _Literal(NamedTuple):
    name: str
    arguments: tuple[str, ...]


class _Test(NamedTuple):
    """A part that is looked at when all its variables are known."""

    variables: frozenset[str]
    holds: Callable[[_Look, Bound], bool]


class Goal:
    """A goal that was read."""

    def __init__(self, text: str) -> None:
        """Read a goal.

        Raises:
            UnreadablePddl: it is no goal that the household can be asked.
        """
        self.text = text
        self._holds = _conjunction([read_expression(text)], frozenset())

    def is_reached(self, household: Household) -> bool:
        """Whether the goal holds now.

        Raises:
            UnboundedGoal: it asks for more combinations than any of the household's goals does.
        """
        return self._holds(_Look(household), {})


@lru_cache(maxsize=1024)
def read_goal(text: str) -> Goal:
    """Return a goal, read once.

    Raises:
        UnreadablePddl: it is no goal that the household can be asked.
    """
    return Goal(text)


def _conjunction(parts: Iterable[Expression], known: frozenset[str]) -> Callable[[_Look, Bound], bool]:
    literals: list[_Literal] = []
    tests: list[_Test] = []
    types: dict[str, str] = {}
    for part in parts:
        _flatten(part, literals, tests, types)
    steps = list(_ordered(literals, tests, types, known))

    def holds(look: _Look, bound: Bound, at: int = 0) -> bool:
        if at == len(steps):
            return True
        step = steps[at]
        if isinstance(step, _Test):
            return step.holds(look, bound) and holds(look, bound, at + 1)
        return any(holds(look, {**bound, **more}, at + 1) for more in _matches(look, step, bound))

    return holds


def _flatten(part: Expression, literals: list[_Literal], tests: list[_Test], types: dict[str, str]) -> None:
    if isinstance(part, str) or not part:
        raise UnreadablePddl(f"a goal is made of expressions, not of {part!r}")
    head, *rest = part
    if head == "and":
        for one in rest:
            _flatten(one, literals, tests, types)
    elif head == "exists":
        words, body = _quantified(part)
        types.update(words)
        _flatten(body, literals, tests, types)
    elif head in ("or", "not", "forall", "="):
        tests.append(_Test(frozenset(_variables(part)), _test_of(str(head), part)))
    else:
        literals.append(_literal(part))


def _literal(part: tuple[Expression, ...]) -> _Literal:
    words = [str(word) for word in part if isinstance(word, str)]
    name, arguments = words[0] if words else "", tuple(words[1:])
    if len(words) != len(part) or len(arguments) != _ARITY.get(name, 1):
        raise UnreadablePddl(f"the household knows no {' '.join(map(str, part))!r}")
    return _Literal(name, arguments)


def _quantified(part: tuple[Expression, ...]) -> tuple[dict[str, str], Expression]:
    if len(part) != 3 or isinstance(part[1], str):
        raise UnreadablePddl(f"{part[0]} takes variables and one expression")
    return dict(typed(part[1])), part[2]


def _test_of(head: str, part: tuple[Expression, ...]) -> Callable[[_Look, Bound], bool]:
    free = frozenset(_variables(part))
    if head == "=":
        if len(part) != 3 or not all(isinstance(one, str) for one in part):
            raise UnreadablePddl("= compares two names")
        one, other = str(part[1]), str(part[2])
        return lambda look, bound: bound.get(one, one) == bound.get(other, other)
    if head == "forall":
        words, body = _quantified(part)
        inner = _conjunction([body], free | set(words))
        return lambda look, bound: all(inner(look, {**bound, **each}) for each in _each(look.household, words))
    branches = [_conjunction([one], free) for one in part[1:]]
    if head == "or":
        return lambda look, bound: any(branch(look, bound) for branch in branches)
    if len(branches) != 1:
        raise UnreadablePddl("not takes one expression")
    return lambda look, bound: not branches[0](look, bound)


def _variables(part: Expression) -> Iterator[str]:
    """Yield the variables of an expression that are free in it."""
    if isinstance(part, str):
        if part.startswith("?"):
            yield part
    elif part and part[0] in ("exists", "forall"):
        words, body = _quantified(part)
        yield from (one for one in _variables(body) if one not in words)
    else:
        for one in part:
            yield from _variables(one)


def _ordered(
    literals: list[_Literal], tests: list[_Test], types: dict[str, str], known: frozenset[str]
) -> Iterator[_Literal | _Test]:
    """Order the parts: a test as soon as it can be made, else the literal with the fewest candidates."""
    bound, left, waiting = set(known), list(literals), list(tests)
    while left or waiting:
        ready = [test for test in waiting if test.variables <= bound]
        if ready:
            yield from ready
            waiting = [test for test in waiting if test not in ready]
        elif left:
            chosen = min(left, key=lambda literal: _cost(literal, bound))
            left.remove(chosen)
            bound |= {one for one in chosen.arguments if one.startswith("?")}
            yield chosen
        else:
            name = min(frozenset[str]().union(*(test.variables for test in waiting)) - bound)
            bound.add(name)
            yield _Literal(f":{types.get(name, 'object')}", (name,))


def _cost(literal: _Literal, bound: set[str]) -> tuple[int, int]:
    unknown = sum(one.startswith("?") and one not in bound for one in literal.arguments)
    rank = _RANK.index(literal.name) if literal.name in _RANK else len(_RANK)
    return unknown, rank


def _each(household: Household, words: dict[str, str]) -> Iterator[Bound]:
    """Yield every way to give variables things of their types."""
    if not words:
        yield {}
        return
    (name, type_), *others = words.items()
    for one in _all_of(household, type_):
        for rest in _each(household, dict(others)):
            yield {name: one, **rest}


def _all_of(household: Household, type_: str) -> Iterable[str]:
    home = household.home
    if type_ == "receptacle":
        return home.receptacles
    if type_ == "agent":
        return (AGENT,)
    if type_ == "location":
        return set(home.at_location) | {household.location}
    return home.things if type_ == "object" else ()


def _matches(look: _Look, literal: _Literal, bound: Bound) -> Iterator[Bound]:
    """Yield what a literal's unknown variables may be."""
    arguments = tuple(bound.get(one, one) for one in literal.arguments)
    for fact in _facts(look.household, literal.name, arguments):
        look.count()
        more: Bound = {}
        for said, is_ in zip(arguments, fact, strict=True):
            if said.startswith("?") and more.get(said, is_) == is_:
                more[said] = is_
            elif said != is_ and not (is_ == AGENT and not said.startswith("?")):
                break
        else:
            yield more


def _facts(household: Household, name: str, arguments: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Return the facts of a name that may match, few more than do."""
    home, first, last = household.home, arguments[0], arguments[-1]
    if name in STATES:
        return [(one,) for one in household.flags[name]]
    if name.startswith(":"):
        return [(one,) for one in _all_of(household, name[1:])]
    if name in ("objecttype", "receptacletype"):
        table = home.things if name == "objecttype" else home.receptacles
        listed = home.things_of if name == "objecttype" else home.receptacles_of
        if not first.startswith("?"):
            return [(first, table[first].type)] if first in table else []
        names = table if last.startswith("?") else listed(last)
        return [(one, table[one].type) for one in names]
    return _OTHERS.get(name, _flagged)(household, name, first, last)


def _flagged(household: Household, name: str, first: str, last: str) -> Iterable[tuple[str, ...]]:
    if not first.startswith("?"):
        thing = household.home.things.get(first)
        return [(first,)] if thing is not None and name in thing.flags else []
    return [(one,) for one, thing in household.home.things.items() if name in thing.flags]


def _within(household: Household, name: str, first: str, last: str) -> Iterable[tuple[str, ...]]:
    if not last.startswith("?"):
        return [(one, last) for one in household.within.get(last, ())]
    if not first.startswith("?"):
        return [(first, place) for place, things in household.within.items() if first in things]
    return [(one, place) for place, things in household.within.items() for one in things]


def _at(household: Household, name: str, first: str, last: str) -> Iterable[tuple[str, ...]]:
    things = household.home.things if first.startswith("?") else [first] if first in household.home.things else []
    return [(one, at) for one in things for at in household.locations_of(one)]


_OTHERS: dict[str, Callable[[Household, str, str, str], Iterable[tuple[str, ...]]]] = {
    "inreceptacle": _within,
    "objectatlocation": _at,
    "holds": lambda household, *_: [(AGENT, household.held)] if household.held else [],
    "holdsany": lambda household, *_: [(AGENT,)] if household.held else [],
    "atlocation": lambda household, *_: [(AGENT, household.location)],
    "opened": lambda household, *_: [(one,) for one in household.opened],
    "openable": lambda household, *_: [(n,) for n, r in household.home.receptacles.items() if "openable" in r.flags],
    "receptacleatlocation": lambda household, *_: [(n, r.at) for n, r in household.home.receptacles.items()],
    "inreceptacleobject": lambda household, *_: [(n, o) for n, t in household.home.things.items() for o in t.inside],
    "cancontain": lambda household, *_: [(r, o) for r, listed in household.home.can_contain.items() for o in listed],
}
