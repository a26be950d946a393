"""The check `changes`: the agent's files and answer are those of the reference, run beside it on the initial state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.admission import admit
from environments.base import Action
from environments.os.by_products import BY_PRODUCTS as BY_PRODUCT_ROWS
from environments.os.changes import is_same_output
from environments.os.world import OsWorld
from schemas.episode import Verdict
from schemas.errors import CheckError
from schemas.task_spec import Check, TaskSpec

TREE = "mkdir -p /w/a; echo one > /w/a/one; echo two > /w/two.log; chmod 644 /w/two.log"
LIST = "find /w -type f"
CLEAN = "rm /w/*.log; mkdir /w/old; chmod 600 /w/a/one"

MakeTask = Callable[..., TaskSpec]


@pytest.fixture
def make(make_task: MakeTask) -> MakeTask:
    def changes(reference: str, *, ordered: bool = False, init: str = TREE, **fields: object) -> TaskSpec:
        check = Check(kind="changes", ordered=ordered)
        return make_task(init=init, reference=reference, check=check, **fields)

    return changes


async def judged(world: OsWorld, spec: TaskSpec, *commands: str, answer: str | None = None) -> Verdict:
    async with world.open(spec) as environment:
        await environment.reset()
        for command in commands:
            await environment.step(Action("bash", command))
        await environment.step(Action("finish") if answer is None else Action("answer", answer))
        return await environment.verify()


DEEDS = {
    "the same by other means": ("cd /w && find . -name '*.log' -delete; install -d old; chmod go= a/one", ""),
    "the same, and a look at it": (f"{CLEAN}; ls -la /w; date", ""),
    "the same, and rubbish in scratch folders": (f"{CLEAN}; date > /tmp/x; mkdir -p ~/.cache/y; echo > /run/z", ""),
    "nothing": ("true", "/w/a/one modified (missing), /w/old added (missing), /w/two.log deleted (missing)"),
    "one thing less": ("rm /w/*.log; chmod 600 /w/a/one", "/w/old added (missing)"),
    "one thing more": (f"{CLEAN}; rm -r /w/old; touch /etc/mine /w/old", "/etc/mine added (the agent's alone), /w/old"),
    "a file for a folder": (f"{CLEAN}; rmdir /w/old; touch /w/old", "/w/old (kind, mode, content)"),
    "another mode": (f"{CLEAN}; chmod 640 /w/a/one", "/w/a/one (mode)"),
    "another content": (f"{CLEAN}; echo One > /w/a/one", "/w/a/one (content)"),
    "another time": (f"{CLEAN}; touch -d 2001-01-01 /w/a/one /w", ""),
    "too many things": (f"{CLEAN}; mkdir /w/n; cd /w/n; touch {{1..9}}", "and 7 more"),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_the_files_must_be_changed_as_the_reference_changes_them(
    deed: str, make: MakeTask, world: OsWorld
) -> None:
    command, problem = DEEDS[deed]
    verdict = await judged(world, make(CLEAN), command)
    assert (verdict.name, verdict.reward) == (("failed", 0.0) if problem else ("passed", 1.0))
    assert problem in verdict.detail
    assert {part.name: part.value for part in verdict.parts} == {"changes": float(not problem), "output": 1.0}


async def test_a_scratch_folder_counts_where_the_reference_uses_it(make: MakeTask, world: OsWorld) -> None:
    spec = make("cp /w/two.log /tmp/copy")
    assert (await judged(world, spec, "cat /w/two.log > /tmp/copy; touch /tmp/other")).name == "passed"
    assert "/tmp/copy added (missing)" in (await judged(world, spec, "cp /w/two.log /tmp/other")).detail


BY_PRODUCTS = (
    "mkdir -p /w/__pycache__ /w/lib/__pycache__; touch /w/__pycache__/m.cpython-311.pyc",
    "cd /w; echo 'x = 1' > /tmp/m.py; PYTHONPATH=/tmp python3 -c 'import m'",
    "touch /w/m.pyc; mkdir /w/.pytest_cache /w/.mypy_cache; touch /w/.pytest_cache/README.md",
    "touch ~/.viminfo ~/.lesshst ~/.wget-hsts /w/.two.log.swp /w/two.log~ /w/.two.log.swo",
    "touch ~/.bash_history ~/.python_history ~/.sqlite_history ~/.node_repl_history ~/.gdb_history",
    "mkdir -p ~/.local/share/nano ~/.config/procps; touch ~/.local/share/nano/search_history ~/.config/procps/toprc",
    "mkdir -p ~/.cache/pip /var/cache/man; touch /var/cache/man/index.db",
    "touch /w/base.db-journal /w/nohup.out",
)


@pytest.mark.parametrize("left", BY_PRODUCTS)
async def test_what_programs_leave_by_themselves_is_no_change(left: str, make: MakeTask, world: OsWorld) -> None:
    assert (
        await judged(world, make(CLEAN), f"mkdir -p /w/lib; rmdir /w/lib; {left}; rm -rf /w/lib", CLEAN)
    ).detail == ("3 changes and the output are the reference's")


@pytest.mark.parametrize(
    ("reference", "instruction", "command"),
    [
        ("echo ls > ~/.bash_history", "Note `ls`.", "true"),  # the reference changes it
        ("mkdir /w/__pycache__", "Make the folder.", "true"),
        ("rm /w/two.log", "Delete the log, and leave ~/.viminfo alone.", "rm /w/two.log; touch ~/.viminfo"),
        ("rm /w/two.log", "Delete the log; no .pyc may be left.", "rm /w/two.log; touch /w/a/m.pyc"),
        ("rm /w/two.log", "Delete the log.", "rm /w/two.log; mkdir -p ~/.local/bin; touch ~/.local/bin/x"),
        ("rm /w/two.log", "Delete the log.", "rm /w/two.log; touch /w/history /w/cache /w/file.swap"),
    ],
)
async def test_it_counts_where_the_reference_leaves_it_or_the_task_names_it(
    reference: str, instruction: str, command: str, make: MakeTask, world: OsWorld
) -> None:
    verdict = await judged(world, make(reference, instruction=instruction), command)
    assert (verdict.name, verdict.detail[:18]) == ("failed", "the changes differ")


def test_the_table_of_by_products_is_the_one_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs/os-tasks.md").read_text()
    for places, who in BY_PRODUCT_ROWS.items():
        assert f"| {', '.join(f'`{place}`' for place in places)} | {who} |" in text


ANSWERS = {
    "answered in another order": ((LIST,), "/w/two.log\n/w/a/one", "passed"),
    "shown by the last command": (("ls /w/a", "ls -d /w/a/one /w/*.log"), None, "passed"),
    "shown too early": ((LIST, "echo done"), None, "failed"),
    "answered in part": ((LIST,), "/w/two.log", "failed"),
    "answered with more": ((LIST,), "/w/two.log\n/w/a/one\n/w/b", "failed"),
    "nothing done": ((), None, "failed"),
    "answered, and something broken": ((LIST, "rm /w/two.log"), "/w/two.log\n/w/a/one", "failed"),
}


@pytest.mark.parametrize("way", ANSWERS)
async def test_what_the_reference_prints_must_be_answered_or_shown_last(
    way: str, make: MakeTask, world: OsWorld
) -> None:
    commands, answer, expected = ANSWERS[way]
    assert (await judged(world, make(LIST), *commands, answer=answer)).name == expected


async def test_an_answer_that_nobody_asked_for_is_wrong(make: MakeTask, world: OsWorld) -> None:
    verdict = await judged(world, make(CLEAN), CLEAN, answer="all five files are gone")
    assert (verdict.name, verdict.detail) == ("failed", "the output differs")


async def test_a_recorder_takes_what_stands_last_even_where_nothing_was_asked(make: MakeTask, world: OsWorld) -> None:
    spec = make(CLEAN, origin="recorded")
    assert (await judged(world, spec, CLEAN)).name == "passed"
    assert (await judged(world, spec, f"{CLEAN}; ls /w")).detail == "the output differs"


async def test_the_order_counts_where_the_check_says_so(make: MakeTask, world: OsWorld) -> None:
    spec = make("printf '2\\n1\\n'", ordered=True)
    assert (await judged(world, spec, "printf '2\\n1\\n'")).name == "passed"
    assert (await judged(world, spec, "printf '1\\n2\\n'")).name == "failed"


def test_lines_are_compared_without_their_blanks() -> None:
    assert is_same_output("  2 a\n\n1\tb \n", "1 b\n2 a", ordered=False)
    assert is_same_output("a\na\nb", "b\na", ordered=False) and not is_same_output("a\na\nb", "a\nb", ordered=True)
    assert not is_same_output("ab", "a b", ordered=True) and not is_same_output("12", "13", ordered=False)


async def test_what_the_agent_does_to_the_tools_changes_no_verdict(make: MakeTask, world: OsWorld) -> None:
    """The reference works in a system that the agent never touched, and so does the comparison."""
    forge = "printf '#!/bin/sh\\ntrue\\n' > /bin/rm; cp /bin/true /usr/bin/python3; ln -sf /bin/true /bin/sha256sum"
    verdict = await judged(world, make(CLEAN), forge)
    assert verdict.name == "failed" and "(the agent's alone)" in verdict.detail and "and 3 more" in verdict.detail


@pytest.mark.slow
async def test_more_changes_than_can_be_compared_fail(make: MakeTask, world: OsWorld) -> None:
    flood = "mkdir /w/n; cd /w/n; seq 20001 | xargs touch"
    assert "more changed than can be compared" in (await judged(world, make(CLEAN), flood)).detail
    with pytest.raises(CheckError, match="the reference changes more"):
        await judged(world, make(flood), CLEAN)


async def test_a_reference_that_fails_is_a_broken_check_of_ones_own_task(make: MakeTask, world: OsWorld) -> None:
    with pytest.raises(CheckError, match="the reference ended with exit code 1"):
        await judged(world, make("grep -r nothing /w"), "grep -r nothing /w")


async def test_other_peoples_references_may_fail_but_not_for_want_of_a_program(make: MakeTask, world: OsWorld) -> None:
    verdict = await judged(world, make("grep -r nothing /w", origin="recorded"), "grep -r nothing /w")
    assert verdict.name == "passed" and "(the reference ended with exit code 1)" in verdict.detail
    with pytest.raises(CheckError, match="127: a command of it was not found"):
        await judged(world, make("no-such-program", origin="recorded"), "no-such-program")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "failing"),
    [(LIST, None), (CLEAN, None), ("true", "nothing_fails"), ("echo $RANDOM$RANDOM > /w/n", "reference_passes_1")],
)
async def test_such_tasks_are_tried_like_others(
    reference: str, failing: str | None, make: MakeTask, world: OsWorld
) -> None:
    probes = await admit(world, make(reference))
    assert [probe.name for probe in probes if not probe.passed] == ([failing] if failing else [])
