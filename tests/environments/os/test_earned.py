"""Earned answers: planted ones are refused whatever the check says, and what a step showed or counts is taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.base import Action
from environments.os.earned import Seen, finding, is_earned
from environments.os.world import OsWorld
from schemas.episode import Verdict
from schemas.task_spec import Check, TaskSpec

MakeTask = Callable[..., TaskSpec]

PLANTED = [
    "true",
    ": 1174",
    "echo 1174",
    "printf '%s\\n' 1174",
    "printf 1174; true",
    "cat <<< 1174",
    "cat <<END\n1174\nEND",
    "python3 -c 'print(1174)'",
    "python3 -c 'print(1000 + 174)'",
    "awk 'BEGIN { print 1174 }'",
    "perl -e 'print 1174'",
    "bc <<< 1174",
    "expr 1174 + 0",
    "seq 1174 1174",
    "echo $((1100 + 74))",
    "x=1174; echo $x",
    'x=1174\necho "the answer is $x"',
    "let x=1174; echo $x",
    "echo 4711 | rev",
    "echo '1174' | sort | uniq",
    "bash -c 'echo 1174'",
    "eval 'echo 1174'",
    "if true; then echo 1174; fi",
    "cat /etc/hostname",
    "cat /etc/passwd; echo 1174",
    "head -3 /etc/group && x=1174 && echo $x",
    "ls /usr/share; printf '1174\\n'",
    "cd /etc; cat hostname",
    "date",
    "uname -r; echo 1174",
    "sleep 0; clear; pwd",
    "# cat /root/n",
    "echo 'cat /root/n'",
    "cat /root/other; echo 1174",
    "echo 1174 | grep -o '[0-9]*'",
    "echo 1,174 | tr -d , | cut -d: -f1",
    "echo 1174 | tee /root/said",
    "echo 1174 > said; cat said",
    "touch /root/1174; rm /root/1174",
]

EARNED = [
    "cat /root/n",
    "cat ~/n",
    "cat n",
    "cd /root && cat n",
    "cat /root/*",
    "head -c 100 /root/n; echo",
    "grep . -r /root",
    "python3 -c 'print(open(\"/root/n\").read())'",
    'x=$(cat /root/n); echo "x is $x"',
    "x=$(< /root/n); echo $x",
    "read x < /root/n; echo $x",
    "while read l; do echo $l; done < /root/n",
    'echo "$(cat /root/n)"',
    "awk '{ print $1 }' /root/n",
    "find / -name n -newer /etc/hostname -exec cat {} +",
    "ls -la; cat n | tr -d ' '",
    "F=/root/n; cat $F",
    "[ -f /root/n ] && echo 1174",  # a condition read it: what was known cannot be told
]


async def play(world: OsWorld, spec: TaskSpec, *commands: str, answer: str) -> Verdict:
    async with world.open(spec) as episode:
        await episode.reset()
        for command in commands:
            await episode.step(Action("bash", command))
        await episode.step(Action("answer", answer))
        return await episode.verify()


@pytest.fixture
def spec(make_task: MakeTask) -> TaskSpec:
    return make_task(init="echo 1174 > /root/n; echo 'something else' > /root/other")


@pytest.mark.parametrize("command", PLANTED)
async def test_a_right_answer_that_no_step_read_fails(world: OsWorld, spec: TaskSpec, command: str) -> None:
    verdict = await play(world, spec, command, answer="1174")
    assert (verdict.name, verdict.detail[:17]) == ("failed", "answer_not_earned")


@pytest.mark.parametrize("command", EARNED)
async def test_what_a_step_showed_is_earned(world: OsWorld, spec: TaskSpec, command: str) -> None:
    assert (await play(world, spec, "true", command, "echo done", answer="1174")).name == "passed"


SHOWN = [
    ("How many .log files are in /srv/app?", "ls /srv/app", "a.log\nb.log\nc.log\n", "3", "counted"),
    ("How many .log files are in /srv/app?", "ls -la /srv/app", "total 8\nx a.log\nx b.log\n", "2", "counted"),
    ("How many .log files are in /srv/app?", "ls /srv/app", "a.log b.txt c.log d.log e\n", "3", "cannot_tell"),
    ("How many .log files are in /srv/app?", "ls /srv/app", "a.log\n", "917", "not_shown"),
    ("Sum the numbers in /srv/n.", "cat /srv/n", "12\n30\n", "42", "cannot_tell"),
    ("Sum the numbers in /srv/n.", "cat /srv/n", "12\n30\n", "4711", "not_shown"),
    ("How large is /srv/n?", "stat -c %s /srv/n", "1024\n", "1,024 bytes", "shown"),
    ("Which user owns most of /srv?", "find /srv -printf '%u\\n'", "Amy\nAmy\nbob\n", "amy", "shown"),
    ("Which users own files in /srv?", "ls -l /srv", "amy x\nbob y\n", "bob, amy", "shown"),
    ("Which users own files in /srv?", "ls -l /srv", "amy x\nbob y\n", "amy\nbob", "shown"),
    ("Which users own files in /srv?", "ls -l /srv", "amy x\nbob y\n", "zoe", "not_shown"),
    ("Is port 80 open in /srv/conf?", "cat /srv/conf", "port 81\n", "no", "cannot_tell"),
    ("Is a or b larger in /srv?", "ls -lS /srv", "9 b\n1 a\n", "'b'", "shown"),
]


@pytest.mark.parametrize(("instruction", "command", "text", "answer", "expected"), SHOWN)
def test_what_output_says_of_an_answer(
    make_task: MakeTask, instruction: str, command: str, text: str, answer: str, expected: str
) -> None:
    spec = make_task(instruction=instruction, init="mkdir -p /srv/app", reference="ls /srv")
    assert finding(spec, [Seen(command, text)], answer) == expected


def test_output_that_was_cut_may_have_shown_anything(make_task: MakeTask) -> None:
    assert finding(make_task(), [Seen("cat /root/n", "1\n2\n", is_whole=False)], "999999") == "cannot_tell"


@pytest.mark.parametrize(
    ("question", "reference", "command", "text", "answer"),
    [
        ("How many CPUs has this machine?", "nproc", "grep -c processor /proc/cpuinfo", "2\n", "2"),
        ("How many users are there?", "getent passwd | wc -l", "wc -l < /etc/passwd", "19\n", "19"),
        ("What is the kernel's release?", "uname -r", "uname -a", "Linux sandbox 6.1.0 #1\n", "6.1.0"),
        ("How many processes run?", "ps -e | wc -l", "ps aux", "a\nb\nc\n", "3"),
        ("Reverse the word stone.", "echo stone | rev", "echo stone | rev", "enots\n", "enots"),
    ],
)
def test_facts_of_the_machine_are_read_in_other_ways_too(
    make_task: MakeTask, question: str, reference: str, command: str, text: str, answer: str
) -> None:
    spec = make_task(instruction=question, init=":", reference=reference)
    assert is_earned(finding(spec, [Seen(command, text)], answer))


async def test_changes_ask_for_no_answer_that_is_earned(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="rm /root/n", evaluation="[ ! -e /root/n ]")
    assert (await play(world, spec, "rm /root/n", answer="done")).name == "passed"


async def test_what_is_shown_last_as_an_answer_is_earned_too(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(check=Check(kind="changes"))
    async with world.open(spec) as episode:
        await episode.reset()
        await episode.step(Action("bash", "echo 1174"))
        await episode.step(Action("finish"))
        assert (await episode.verify()).detail.startswith("answer_not_earned")
