"""Two attempts agree on something: what is empty, given up or left as it was is nothing to agree on."""

from __future__ import annotations

import pytest

from environments.agreement import find_agreements
from environments.base import UNCHANGED, Action, Environment, Step, World, no_action
from environments.endings import Ending, is_alike, says_something
from schemas.episode import Verdict
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

SAYS = (
    *("0", "no", "false", "7", "Rex", "ERROR", "unknown.txt", "+", "not found.txt", "can", "I", "[0]", '["Rex", null]'),
    *("no-reply@x.org", "impossible.txt", "None of them but Rex"),
)
SAYS_NOTHING = (
    *(None, "", "  \n", "[]", "{}", '""', "[null]", '[["None"]]', "None", "N/A", "nothing", "no results", "unknown"),
    *("I don’t know", "I cannot determine this.", "Sorry, I can't.", "unable to find the file", '["done"]', "error: x"),
    *("I am not sure", "could not", "[[null, null]]", "No rows found."),
)


@pytest.mark.parametrize("answer", SAYS)
def test_an_answer_that_says_something(answer: str) -> None:
    assert says_something(answer)


@pytest.mark.parametrize("answer", SAYS_NOTHING)
def test_an_answer_that_says_nothing(answer: str | None) -> None:
    assert not says_something(answer)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Ending("7", "a"), Ending(" 7\n", "a"), True),
        (Ending("7"), Ending("7", "a"), True),
        (Ending("7", "a"), Ending("7", "b"), False),
        (Ending("7"), Ending("8"), False),
        (Ending("a b"), Ending("a\nb"), True),
        (Ending(None, "a"), Ending(None, "a"), True),
        (Ending("7", "a"), Ending(None, "a"), False),
    ],
)
def test_endings_are_compared_as_they_stand_where_a_world_says_nothing(
    one: Ending, other: Ending, expected: bool
) -> None:
    assert is_alike(one, other) == is_alike(other, one) == expected


class Jar(Environment):
    """A jar of pebbles. Its digest is its own word whatever happened, as a world's may be."""

    def __init__(self, spec: TaskSpec, digests: bool) -> None:
        self.spec, self.digests = spec, digests

    async def reset(self) -> Step:
        self.pebbles = 3
        return Step(self.spec.instruction)

    async def step(self, action: Action) -> Step:
        if action.kind == "add":
            self.pebbles += int(action.text)
            return Step("ok")
        if action.kind in ("answer", "finish"):
            return Step("", terminated=True)
        raise no_action("jar", action.kind, "add, answer, finish")

    async def verify(self) -> Verdict:
        raise NotImplementedError

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        actions = [Action(*script.code.split(" ", 1)) for script in self.spec.reference]
        return tuple([(action, await self.step(action)) for action in actions])

    async def fingerprint(self) -> str | None:
        return f"{self.pebbles} pebbles" if self.digests else None


class JarWorld(World):
    name, max_turns = "jar", 3

    def __init__(self, digests: bool = True) -> None:
        self.digests = digests

    def open(self, spec: TaskSpec) -> Jar:
        return Jar(spec, self.digests)


def task(*reference: str) -> TaskSpec:
    return TaskSpec.make(
        environment="jar",
        instruction="The jar.",
        setup=Setup(),
        reference=tuple(Script(code=code) for code in reference),
        check=Check(kind="jar"),
        origin="own",
        provenance=Provenance(source="test"),
    )


QUESTION, CHANGE, BOTH = task("answer 3"), task("add 2", "finish"), task("add 2", "answer 5")
IDLE = "3 pebbles"


@pytest.mark.parametrize(
    ("spec", "endings", "groups"),
    [
        (QUESTION, [Ending("4", IDLE), Ending("4", IDLE)], [(0, 1)]),
        (QUESTION, [Ending("4", IDLE), Ending("4", "9 pebbles")], [(0, 1)]),  # a question's state does not count
        (QUESTION, [Ending("4", IDLE), Ending("5", IDLE)], [(0,), (1,)]),
        (QUESTION, [Ending("3", IDLE), Ending("3", IDLE)], []),  # the reference's: it failed for another reason
        (QUESTION, [Ending("", IDLE), Ending(None, IDLE), Ending("I don't know", IDLE)], []),
        (QUESTION, [Ending("4"), Ending("5"), Ending("4"), Ending("3")], [(0, 2), (1,)]),
        (CHANGE, [Ending(None, "6 pebbles"), Ending("all done", "6 pebbles")], [(0, 1)]),
        (CHANGE, [Ending(None, IDLE), Ending(None, IDLE)], []),  # two that did nothing
        (CHANGE, [Ending(None, UNCHANGED), Ending(None, UNCHANGED)], []),
        (CHANGE, [Ending(None, None), Ending(None, None)], []),
        (CHANGE, [Ending(None, "5 pebbles"), Ending("x", "5 pebbles")], []),
        (BOTH, [Ending("6", "6 pebbles"), Ending("6", "6 pebbles")], [(0, 1)]),
        (BOTH, [Ending("6", "6 pebbles"), Ending("7", "6 pebbles")], [(0,), (1,)]),
        (BOTH, [Ending("6", IDLE), Ending("6", IDLE)], []),  # the same words, and no work
    ],
)
async def test_a_world_that_says_nothing_of_outcomes_has_its_attempts_compared(
    spec: TaskSpec, endings: list[Ending], groups: list[tuple[int, ...]]
) -> None:
    found = await find_agreements(JarWorld(), spec, endings)
    assert list(found.groups) == groups


async def test_a_world_without_digests_agrees_by_answers_alone() -> None:
    world = JarWorld(digests=False)
    assert (await find_agreements(world, QUESTION, [Ending("4"), Ending("4")])).groups == ((0, 1),)
    assert (await find_agreements(world, CHANGE, [Ending(None), Ending(None)])).groups == ()
