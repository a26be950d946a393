"""Second opinions on shell tasks: answers in other words, and states that differ in by-products alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.agreement import find_agreements
from environments.base import Action, judge_episode
from environments.endings import Ending
from environments.os.world import OsWorld
from schemas.task_spec import Check, Script, TaskSpec

MakeTask = Callable[..., TaskSpec]
CREATE = {
    "instruction": "Write the number of lines of /root/n to /root/count.",
    "reference": "echo 2 > /root/count",
    "evaluation": '[ "$(cat /root/count)" = 2 ]',
}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("7", " 7 ", True),
        ("220 files", "220", True),
        ("1,174", "1174", True),
        ("`main.py`", "main.py", True),
        ("3.50", "3.5", True),
        ("7", "8", False),
        ("amy\nkim", "amy\n\nkim", True),
        ("amy\nkim", "kim\namy", False),
        ("Main.py", "main.py", False),
    ],
)
async def test_answers_in_other_words_are_the_same(
    one: str, other: str, expected: bool, world: OsWorld, make_task: MakeTask
) -> None:
    for pair in ((Ending(one), Ending(other)), (Ending(other), Ending(one))):
        assert await world.same_outcome(make_task(), *pair) == expected


async def test_the_order_of_lines_counts_where_the_check_says_so(world: OsWorld, make_task: MakeTask) -> None:
    for ordered in (True, False):
        spec = make_task(check=Check(kind="changes", ordered=ordered))
        assert await world.same_outcome(spec, Ending("a\nb"), Ending("b\na")) == (not ordered)


async def ended(world: OsWorld, spec: TaskSpec, command: str, answer: str | None) -> tuple[str, Ending]:
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("bash", command))
        await environment.step(Action("answer", answer) if answer is not None else Action("finish"))
        verdict = await judge_episode(environment)
        return verdict.name, Ending(answer, await environment.work())


@pytest.mark.parametrize(
    ("commands", "groups"),
    [
        (
            [
                "echo 1 > /root/count",
                "wc -l < /root/n > /tmp/x; cat /tmp/x > /root/count; echo ls > /root/.bash_history",
            ],
            [(0, 1)],
        ),
        (["echo 1 > /root/count", "echo 1 > /root/count; echo 1 > /root/other"], [(0,), (1,)]),
        (["echo 1 > /root/count", "echo 3 > /root/count"], [(0,), (1,)]),
        (["ls /root", "cat /root/n > /tmp/copy"], []),
    ],
)
async def test_states_that_differ_in_by_products_alone_are_the_same(
    commands: list[str], groups: list[tuple[int, ...]], world: OsWorld, make_task: MakeTask
) -> None:
    spec = make_task(**CREATE)
    played = [await ended(world, spec, command, None) for command in commands]
    assert {verdict for verdict, _ in played} == {"failed"}
    assert list((await find_agreements(world, spec, [ending for _, ending in played])).groups) == groups


async def test_of_declared_outputs_nothing_else_counts(world: OsWorld, make_task: MakeTask) -> None:
    check = Check(kind="script", scripts=(Script(code=CREATE["evaluation"]),), outputs=("/root/count",))
    spec = make_task(**{**CREATE, "check": check})
    commands = ["echo 1 > /root/count", "echo 1 > /root/count; echo 1 > /root/other"]
    played = [await ended(world, spec, command, None) for command in commands]
    assert (await find_agreements(world, spec, [ending for _, ending in played])).groups == ((0, 1),)


async def test_a_right_answer_that_nobody_earned_is_no_second_opinion(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task()
    played = [await ended(world, spec, "echo 1174", "1174"), await ended(world, spec, "true", "1174")]
    assert {verdict for verdict, _ in played} == {"failed"}
    assert (await find_agreements(world, spec, [ending for _, ending in played])).groups == ()


async def test_two_wrong_answers_agree_whatever_they_left_beside(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task()
    played = [
        await ended(world, spec, "cat /root/n", "7"),
        await ended(world, spec, "cat /root/n > /root/copy; cat /root/n", "'7'"),
        await ended(world, spec, "cat /root/n", "8"),
    ]
    assert {verdict for verdict, _ in played} == {"failed"}
    assert (await find_agreements(world, spec, [ending for _, ending in played])).groups == ((0, 1), (2,))
