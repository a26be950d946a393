"""AgentBench's own checks keep AgentBench's semantics (reference/agenttuning.md 1.5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.base import Action
from environments.os.world import OsWorld
from schemas.episode import Verdict
from schemas.task_spec import Check, Script, TaskSpec

MakeTask = Callable[..., TaskSpec]
INTEGER = Script(code="from sys import argv\nif int(argv[1]) == int(argv[2]): exit(0)\nexit(1)", language="python")


def chain(*scripts: Script | None) -> Check:
    return Check(kind="chain", reference_on="final", scripts=scripts)


async def judge(world: OsWorld, spec: TaskSpec, command: str, answer: str | None) -> Verdict:
    async with world.open(spec) as episode:
        await episode.reset()
        await episode.step(Action("bash", command))
        await episode.step(Action("finish") if answer is None else Action("answer", answer))
        return await episode.verify()


@pytest.mark.parametrize(
    ("command", "answer", "name"),
    [
        ("cat /root/n", "1174", "passed"),
        ("cat /root/n", " 1174\n", "passed"),
        ("true", "1175", "failed"),
        ("true", "1174 files", "failed"),
        ("true", None, "failed"),
        ("sed -i s/.*/5/ /root/n; cat /root/n", "5", "passed"),
    ],
)
async def test_the_reference_runs_on_the_agents_final_state(
    world: OsWorld, make_task: MakeTask, command: str, answer: str | None, name: str
) -> None:
    spec = make_task(check=chain(None, INTEGER), origin="benchmark")
    assert (await judge(world, spec, command, answer)).name == name


async def test_each_output_becomes_an_argument_of_what_follows(world: OsWorld, make_task: MakeTask) -> None:
    steps = (Script(code='echo "<$1>"'), None, Script(code='[ "$1|$2|$3" = "7|<7>\n|1174\n" ]'))
    spec = make_task(check=chain(*steps), init="echo 1174 > /root/n; echo 7 > /root/m", origin="benchmark")
    verdict = await judge(world, spec, "cat /root/m", "7")
    assert verdict.name == "passed"
    assert verdict.detail == "3 steps of the check ended with exit code 0"


async def test_finish_is_the_word_none(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(check=chain(Script(code='[ "$1" = None ]')), origin="benchmark")
    assert (await judge(world, spec, "true", None)).name == "passed"


async def test_a_reference_with_another_exit_code_fails_at_once(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(check=chain(None, Script(code="exit 0")), reference="echo 1; exit 1", origin="benchmark")
    verdict = await judge(world, spec, "true", "1")
    assert verdict.name == "failed"
    assert verdict.detail == "step 1 of the check (the reference) ended with exit code 1; it said '1'"


async def test_errors_of_the_reference_are_part_of_its_output(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(check=chain(None, INTEGER), reference="echo 5; echo oops >&2", origin="benchmark")
    verdict = await judge(world, spec, "true", "5")
    assert verdict.name == "failed"
    assert "invalid literal" in verdict.detail


@pytest.mark.parametrize(
    ("check", "answer", "name"),
    [
        (Check(kind="match", answer="yes"), " yes \n", "passed"),
        (Check(kind="match", answer="yes"), "Yes", "failed"),
        (Check(kind="match", answer="yes"), None, "failed"),
        (Check(kind="match", regex="b+"), "abba", "passed"),
        (Check(kind="match", regex="^b"), "abba", "failed"),
        (Check(kind="match", regex="x"), None, "failed"),
    ],
)
async def test_match_is_exact_or_a_pattern_found_anywhere(
    world: OsWorld, make_task: MakeTask, check: Check, answer: str | None, name: str
) -> None:
    spec = make_task(check=check, init=f"echo {answer} > /root/said", reference="", origin="benchmark")
    assert (await judge(world, spec, "cat /root/said", answer)).name == name
