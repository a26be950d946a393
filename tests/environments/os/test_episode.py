"""Episodes of the OS world in a real sandbox: what the agent sees, and how the check judges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import prompts
from environments.base import Action
from environments.os.world import OsWorld
from sandboxes.bubblewrap import Bubblewrap
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.task_spec import Check, Script, Setup, TaskSpec

MakeTask = Callable[..., TaskSpec]
READ = "cat /root/n"


async def play(world: OsWorld, spec: TaskSpec, *commands: str, answer: str | None = None) -> Verdict:
    async with world.open(spec) as episode:
        await episode.reset()
        for command in commands:
            await episode.step(Action("bash", command))
        await episode.step(Action("answer", answer) if answer is not None else Action("finish"))
        return await episode.verify()


async def observe(world: OsWorld, spec: TaskSpec, *commands: str) -> list[str]:
    async with world.open(spec) as episode:
        await episode.reset()
        return [(await episode.step(Action("bash", command))).observation for command in commands]


async def test_the_task_is_the_first_observation(world: OsWorld, make_task: MakeTask) -> None:
    async with world.open(make_task()) as episode:
        assert (await episode.reset()).observation == "Which number is in /root/n?"


async def test_the_shell_keeps_its_state_and_starts_at_home(world: OsWorld, make_task: MakeTask) -> None:
    shown = await observe(world, make_task(), "pwd; X=5; cd /tmp", 'echo "$X $PWD"', "true")
    assert shown == ["/root", "5 /tmp", ""]


async def test_a_long_observation_keeps_its_head_and_its_tail(world: OsWorld, make_task: MakeTask) -> None:
    (fits, cut) = await observe(world, make_task(), "seq 100", "seq 1000")
    assert fits == "\n".join(map(str, range(1, 101)))
    head, _, tail = cut.partition("\n[... 787 lines, 3,149 characters not shown ...]\n")
    assert (head.split("\n")[0], tail.split("\n")[-1]) == ("1", "1000") and len(cut) <= 800


async def test_a_build_that_began_before_cuts_as_agentbench_does(sandbox: Bubblewrap, make_task: MakeTask) -> None:
    with prompts.keeping({"solve_os": "v2"}):
        world = OsWorld(sandbox, sandbox.image.digest)
    benchmark = OsWorld(sandbox, sandbox.image.digest, is_benchmark=True)
    assert world.world_id == benchmark.world_id != OsWorld(sandbox, sandbox.image.digest).world_id
    assert not world.told and not benchmark.told
    long = ("head -c 800 /dev/zero | tr '\\0' x", "head -c 801 /dev/zero | tr '\\0' x")
    fits, cut = await observe(world, make_task(), *long)
    assert [fits, cut] == await observe(benchmark, make_task(), *long)
    assert [fits, cut] == await observe(OsWorld(sandbox, "a").as_told(None), make_task(), *long)
    assert fits == "x" * 800
    assert cut == "x" * 780 + "\n[truncated because the output is too long]"


async def test_a_timeout_is_told_to_the_agent(sandbox: object, make_task: MakeTask, world: OsWorld) -> None:
    hasty = OsWorld(world._sandbox, "image", command_timeout=0.5)
    (shown, after) = await observe(hasty, make_task(), "echo begun; sleep 20", "cat /root/n")
    assert shown.startswith("begun\n[stopped: the command ran longer than 0.5 seconds")
    assert after == "1174"


async def test_an_ended_shell_is_told_to_the_agent(world: OsWorld, make_task: MakeTask) -> None:
    (shown,) = await observe(world, make_task(), "echo bye; exit 3")
    assert shown.startswith("bye\n[the shell has ended")


async def test_start_runs_in_the_agents_shell(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(start="var=3.14; echo noise; sleep 300 &")
    assert await observe(world, spec, 'echo "$var"; jobs | grep -c sleep') == ["3.14\n1"]


async def test_the_working_directory_of_a_task_holds_for_shell_and_scripts(world: OsWorld, make_task: MakeTask) -> None:
    setup = Setup(init=(Script(code="pwd > /where"),), start=Script(code="cd /tmp"), cwd="/")
    spec = make_task(setup=setup, reference="pwd", evaluation='[ "$PWD $2" = "/ /" ]')
    assert await observe(world, spec, "cat /where; pwd") == ["/\n/tmp"]
    assert (await play(world, spec, "true")).name == "passed"


@pytest.mark.parametrize("answer", ["1174", "1,174", "1174\n", "`1174`", "1174 pieces"])
async def test_a_right_answer_passes_in_every_documented_form(world: OsWorld, make_task: MakeTask, answer: str) -> None:
    verdict = await play(world, make_task(), READ, answer=answer)
    assert (verdict.name, verdict.reward) == ("passed", 1.0)


@pytest.mark.parametrize("answer", ["1175", "", "the number is 1174", "11.74"])
async def test_a_wrong_answer_fails_with_the_exit_code(world: OsWorld, make_task: MakeTask, answer: str) -> None:
    verdict = await play(world, make_task(), READ, answer=answer)
    assert (verdict.name, verdict.reward) == ("failed", 0.0)
    assert verdict.detail == "the check ended with exit code 1"


async def test_a_right_answer_without_any_command_is_not_trusted(world: OsWorld, make_task: MakeTask) -> None:
    verdict = await play(world, make_task(), answer="1174")
    assert verdict.name == "failed"
    assert verdict.detail.startswith("answered_without_acting")
    assert (await play(world, make_task(), "  ", answer="1174")).detail.startswith("answered_without_acting")


async def test_finish_without_the_change_fails_by_the_state(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="rm /root/n", evaluation="[ ! -e /root/n ]")
    assert (await play(world, spec)).name == "failed"
    assert (await play(world, spec, "rm /root/n")).name == "passed"
    assert (await play(world, spec, "rm /root/n && touch /root/n")).name == "failed"


async def test_an_episode_that_did_not_commit_fails(world: OsWorld, make_task: MakeTask) -> None:
    async with world.open(make_task()) as episode:
        await episode.reset()
        await episode.step(Action("bash", READ))
        assert (await episode.verify()).detail.startswith("not_committed")


async def test_the_reference_runs_on_the_initial_state(world: OsWorld, make_task: MakeTask) -> None:
    verdict = await play(world, make_task(), "echo 5 > /root/n", answer="5")
    assert verdict.name == "failed"


async def test_the_check_uses_none_of_the_agents_tools(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="rm /root/n", evaluation="grep -q 1174 /root/n && exit 1; exit 0")
    fake = "printf '#!/bin/sh\\nexit 1\\n' > /tmp/grep; chmod +x /tmp/grep; cp /tmp/grep $(command -v grep)"
    rest = "alias grep=false; grep() { return 1; }; export -f grep; echo 'exit 0' > ~/.bashrc; trap 'exit 0' EXIT"
    verdict = await play(world, spec, fake, rest)
    assert verdict.name == "failed"


async def test_processes_of_the_agent_do_not_reach_the_check(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(evaluation='sleep 0.3; [ "$1" = "$2" ] && [ ! -e /root/late ]')
    assert (await play(world, spec, "cat /root/n; (sleep 0.2; touch /root/late) &", answer="1174")).name == "passed"


CRLF_TASK = {
    "init": "mkdir -p /srv/app\r\nprintf 'a\\nb\\n' > /srv/app/app.log\r\n",
    "start": "export WHERE=/srv/app\r\n",
    "reference": "cd $WHERE\r\nwc -l < app.log\r\n",
    "evaluation": 'if [ "$1" = "$2" ]\r\nthen\r\n  exit 0\r\nfi\r\nexit 1',
}


async def test_scripts_whose_lines_end_in_crlf_are_run_as_if_they_ended_in_lf(
    world: OsWorld, make_task: MakeTask
) -> None:
    spec = make_task(**CRLF_TASK)
    assert await observe(world, spec, "ls $WHERE") == ["app.log"]
    assert (await play(world, spec, "wc -l /srv/app/app.log", answer="2")).name == "passed"
    assert (await play(world, spec, "wc -l /srv/app/app.log", answer="3")).name == "failed"
    (told, _) = await world.static_probes(spec)
    assert (told.name, told.passed) == ("crlf_is_lf", True) and "CR LF" in told.detail


@pytest.mark.parametrize("kind", ["changes", "chain"])
async def test_crlf_in_other_kinds_of_checks(world: OsWorld, make_task: MakeTask, kind: str) -> None:
    python = Script(code="import sys\r\nsys.exit(sys.argv[1] != '1')\r\n", language="python")
    check = Check(kind=kind, scripts=(python,) if kind == "chain" else ())
    spec = make_task(reference="touch /root/made\r\necho 1\r\n", check=check)
    assert (await play(world, spec, "touch /root/made; echo 1", answer="1")).name == "passed"


@pytest.mark.parametrize(
    ("evaluation", "detail"),
    [
        ("echo out; echo err >&2; exit 3", "the check ended with exit code 3; it said 'out\\nerr'"),
        ("python3 -c 'import nothing_here'", "ModuleNotFoundError: No module named"),
        ("echo fine", "the check ended with exit code 0; it said 'fine'"),
        ("exit 2", "the check ended with exit code 2"),
        ("seq 1000; exit 1", "; it said '1\\n2\\n3\\n"),
        ("seq 1000; exit 1", "999\\n1000'"),
    ],
)
async def test_what_a_check_said_is_kept(world: OsWorld, make_task: MakeTask, evaluation: str, detail: str) -> None:
    verdict = await play(world, make_task(evaluation=evaluation), READ, answer="1174")
    assert detail in verdict.detail and len(verdict.detail) < 1000


async def test_a_missing_command_of_the_check_is_named(world: OsWorld, make_task: MakeTask) -> None:
    verdict = await play(world, make_task(evaluation="no-such-program"), READ, answer="1174")
    assert verdict.name == "failed"
    assert "127: a command of it was not found" in verdict.detail


async def test_a_check_that_does_not_end_is_unknown_not_zero(world: OsWorld, make_task: MakeTask) -> None:
    world._timeouts = world._timeouts.__class__(check=0.5)
    with pytest.raises(CheckError, match=r"the check did not end within 0\.5 seconds"):
        await play(world, make_task(evaluation="sleep 20"), READ, answer="1174")


async def test_a_reference_that_fails_is_unknown_not_zero(world: OsWorld, make_task: MakeTask) -> None:
    with pytest.raises(CheckError, match="the reference ended with exit code 3"):
        await play(world, make_task(reference="exit 3"), READ, answer="1174")


async def test_a_check_of_another_world_is_named(world: OsWorld, make_task: MakeTask) -> None:
    with pytest.raises(CheckError, match="no check of kind 'rows'"):
        await play(world, make_task(check=Check(kind="rows")), READ, answer="1174")


async def test_an_initialisation_that_fails_is_a_fault_of_the_world(world: OsWorld, make_task: MakeTask) -> None:
    with pytest.raises(EnvironmentFault, match="initialisation script 1 ended with exit code 4: 'oh'") as caught:
        await play(world, make_task(init="echo oh; exit 4"), READ)
    assert not caught.value.transient


async def test_agentbench_ignores_a_failing_initialisation_and_the_verdict_says_so(
    world: OsWorld, make_task: MakeTask
) -> None:
    verdict = await play(world, make_task(init="echo 1174 > /root/n; exit 4", origin="benchmark"), READ, answer="1174")
    assert verdict.name == "passed"
    assert "initialisation script 1 ended with exit code 4" in verdict.detail


async def test_without_reset_there_is_no_episode(world: OsWorld, make_task: MakeTask) -> None:
    with pytest.raises(EnvironmentFault, match="call reset first"):
        await world.open(make_task()).step(Action("bash", "ls"))
