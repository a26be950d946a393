"""Whose version of a path a check sees (docs/sandbox.md, "What a check sees")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.base import Action
from environments.os.world import OsWorld
from sandboxes.ground import PLACES
from schemas.episode import Verdict
from schemas.errors import StateError
from schemas.task_spec import Check, Script, TaskSpec

MakeTask = Callable[..., TaskSpec]
PROGRAM = "mkdir -p ~/tool; echo 'import util; print(util.double(4))' > ~/tool/main.py\n"
UTIL = "echo 'def double(n): return 2 * n' > ~/tool/util.py"


async def judged(world: OsWorld, spec: TaskSpec, command: str) -> Verdict:
    async with world.open(spec) as episode:
        await episode.reset()
        await episode.step(Action("bash", command))
        await episode.step(Action("finish"))
        return await episode.verify()


def checked(make_task: MakeTask, evaluation: str, **fields: object) -> TaskSpec:
    return make_task(reference="true", check=Check(kind="script", scripts=(Script(code=evaluation),), **fields))


async def test_a_program_of_the_agents_finds_the_modules_beside_it(world: OsWorld, make_task: MakeTask) -> None:
    spec = checked(make_task, '[ "$(python3 /root/tool/main.py)" = 8 ]')
    assert (await judged(world, spec, PROGRAM + UTIL)).name == "passed"


async def test_a_program_under_test_runs_as_the_agents(world: OsWorld, make_task: MakeTask) -> None:
    tried = (Script(code="python3 /root/tool/main.py"),)
    spec = checked(make_task, '[ "$3" = 8 ]', under_test=tried, outputs=("/root/tool",))
    assert (await judged(world, spec, PROGRAM + UTIL)).name == "passed"
    assert (await judged(world, spec, PROGRAM)).name == "failed"


async def test_a_program_under_test_does_not_see_the_check(world: OsWorld, make_task: MakeTask) -> None:
    spy = 'mkdir -p ~/tool; echo \'cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -a secret\' > ~/tool/spy.sh'
    tried = (Script(code="bash /root/tool/spy.sh"),)
    spec = checked(make_task, 'case "$3" in *secret-of-the-check*) exit 0;; esac; exit 1', under_test=tried)
    assert (await judged(world, spec, spy)).name == "failed"


SPY = r"""mkdir -p ~/tool; cat > ~/tool/main.py <<'END'
import glob, os, re
sources = [*glob.glob("/proc/[0-9]*/cmdline"), *glob.glob("/proc/[0-9]*/environ"), *glob.glob("/proc/[0-9]*/fd/*")]
def read(path):
    try:
        if os.stat(path).st_mode & 0o170000 == 0o100000: return open(path, "rb").read(1 << 20)
    except OSError: pass
    return b""
def memory(pid):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as file:
            for line in maps:
                if " rw-p " not in line: continue
                begin, end = (int(part, 16) for part in line.split()[0].split("-"))
                file.seek(begin)
                yield file.read(end - begin)
    except (OSError, OverflowError): pass
found = [read(path) for path in sources]
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid(): found += memory(pid)
print(next((m.group().decode() for m in (re.search(rb"the-answer-\d+", data) for data in found) if m), "nothing"))
END
"""


@pytest.mark.parametrize(
    "check",
    [
        Script(code='[ "$(python3 /root/tool/main.py)" = "$2" ]'),
        Script(code='out=$(python3 /root/tool/main.py)\n[ "$out" = "the-answer-17" ]'),
        Script(
            code="import subprocess, sys\n"
            'ran = subprocess.run(["python3", "/root/tool/main.py"], capture_output=True, text=True)\n'
            "sys.exit(ran.stdout.strip() != sys.argv[2])",
            language="python",
        ),
    ],
    ids=["argument", "script", "python"],
)
async def test_a_program_that_a_check_starts_cannot_look_into_the_check(
    world: OsWorld, make_task: MakeTask, check: Script
) -> None:
    spec = make_task(reference="echo the-answer-17", check=Check(kind="script", scripts=(check,)))
    assert (await judged(world, spec, SPY)).name == "failed"
    honest = "mkdir -p ~/tool; echo 'print(\"the-answer-17\")' > ~/tool/main.py"
    assert (await judged(world, spec, honest)).name == "passed"


REPOSITORY = (
    "mkdir -p /root/repo && cd /root/repo && git init -q -b main . && git config user.name bob"
    " && git config user.email b@x && echo wrong > a && echo x > secret && git add . && git commit -qm one"
    " && echo y > b && git add . && git commit -qm two; "
)


@pytest.mark.parametrize(
    ("trick", "evaluation"),
    [
        ("echo '* -diff' > .git/info/attributes", "! git log -p --all | grep -q wrong"),
        ("echo 'secret export-ignore' > .git/info/attributes", "! git archive HEAD | tar t | grep -q secret"),
        (
            "git replace $(git rev-parse HEAD:a) $(echo right | git hash-object -w --stdin)",
            '[ "$(git show main:a)" = right ]',
        ),
        ("git rev-parse HEAD > .git/shallow", '[ "$(git rev-list --count HEAD)" = 1 ]'),
        ("git rev-parse HEAD > .git/info/grafts", '[ "$(git rev-list --count HEAD)" = 1 ]'),
        ("git replace --graft HEAD", '[ "$(git rev-list --count HEAD)" = 1 ]'),
        ("echo 'Alice <a@x> <b@x>' > .mailmap", "git log -1 | grep -q 'Author: Alice'"),
        ("echo 'Alice <a@x> <b@x>' > m; git config mailmap.file m", "git shortlog -s HEAD < /dev/null | grep -q Alice"),
        ("git config format.pretty 'format:fix bug'", "git log -1 | grep -q 'fix bug'"),
        ("git notes add -m 'fix bug'", "git log -1 | grep -q 'fix bug'"),
        (
            "echo z >> a; git config core.excludesFile /root/e; echo '*' > /root/e; touch n",
            '[ -z "$(git status --porcelain)" ]',
        ),
        ("touch n; echo n > .git/info/exclude", '[ -z "$(git status --porcelain)" ]'),
    ],
)
async def test_settings_of_a_repository_do_not_speak_for_its_content(
    world: OsWorld, make_task: MakeTask, trick: str, evaluation: str
) -> None:
    spec = checked(make_task, f"cd /root/repo && {evaluation}")
    assert (await judged(world, spec, f"{REPOSITORY}{trick}")).name == "failed"


@pytest.mark.parametrize(
    "state",
    [
        "python3 -c \"import os; os.unlink('/bin'); os.symlink('bin', '/bin')\"",
        "python3 -c \"import os; os.unlink('/lib64'); open('/lib64', 'w')\"",
        "python3 -c \"import shutil; shutil.rmtree('/usr/bin'); open('/usr/bin', 'w')\"",
    ],
)
async def test_a_state_on_which_no_check_starts_is_the_agents_failure(
    world: OsWorld, make_task: MakeTask, state: str
) -> None:
    with pytest.raises(StateError, match="does not start on what the agent left"):
        await judged(world, checked(make_task, "true"), state)


@pytest.mark.parametrize(
    "state", ["chmod 0 /usr/bin/bash", "rm -rf /usr/bin", "rm -rf /usr/lib", "ln -sfn bash /usr/bin/bash"]
)
async def test_a_state_on_which_no_program_under_test_starts_is_the_agents_failure(
    world: OsWorld, make_task: MakeTask, state: str
) -> None:
    with pytest.raises(StateError, match="does not start on what the agent left"):
        await judged(world, checked(make_task, "true", under_test=(Script(code="echo"),)), state)


async def test_a_reference_that_the_agents_state_stops_is_the_agents_failure(
    world: OsWorld, make_task: MakeTask
) -> None:
    check = Check(kind="script", scripts=(Script(code='[ "$1" = "$2" ]'),), reference_on="final")
    spec = make_task(init="echo 5 > /root/in", reference="cat /root/in", check=check)
    with pytest.raises(StateError, match="on the initial state it does not"):
        await judged(world, spec, "rm /root/in")


@pytest.mark.parametrize(
    "accounts",
    ["sed -i 's#^root:.*#root:x:0:0::/srv/h:/bin/bash#'", "sed -i '1i other:x:00:0::/srv/h:/bin/sh'"],
)
async def test_an_account_does_not_lead_to_other_settings(world: OsWorld, make_task: MakeTask, accounts: str) -> None:
    plant = "mkdir -p /srv/h; printf '.print 42\\n.output /dev/null\\n' > /srv/h/.sqliterc"
    plant += "; sqlite3 /root/app.db 'create table users (a)'"
    spec = checked(make_task, '[ "$(sqlite3 /root/app.db "select count(*) from users" < /dev/null)" = 42 ]')
    assert (await judged(world, spec, f"{plant}; {accounts} /etc/passwd")).name == "failed"
    kept = checked(make_task, "grep -q ^alice: /etc/passwd")
    moved = "useradd alice; sed -i 's#^root:.*#root:x:0:0::/srv:/bin/sh#' /etc/passwd"
    assert (await judged(world, kept, moved)).name == "passed"


async def test_a_program_that_a_check_starts_changes_nothing_of_ours(world: OsWorld, make_task: MakeTask) -> None:
    spec = checked(make_task, "bash /root/build.sh; python3 -c 'import json; assert not json'")
    plant = "echo \"echo import os > /run/trajmill/json.py; echo 'os._exit(0)' >> /run/trajmill/json.py\" > ~/build.sh"
    assert (await judged(world, spec, plant)).name == "failed"


async def test_what_is_no_output_is_as_it_was(world: OsWorld, make_task: MakeTask) -> None:
    spec = checked(
        make_task, '[ "$(ls -A /root/d)" = a ] && [ ! -e /srv/x ] && [ -z "$(ls -A ~)" ]', outputs=("/root/d/a",)
    )
    assert (await judged(world, spec, "mkdir ~/d; touch ~/d/a ~/d/b /srv/x ~/.jq")).name == "passed"


@pytest.mark.parametrize(
    ("command", "evaluation"),
    [
        ("echo \"alias ll='ls -l'\" >> ~/.bashrc", "grep -q 'alias ll=' ~/.bashrc"),
        ("git config --global user.name Ann", '[ "$(git config --global user.name)" = Ann ]'),
        ("useradd bob", "grep -q ^bob: /etc/passwd"),
        ("echo '10.0.0.1 db' >> /etc/hosts", "grep -q db /etc/hosts"),
        ("mkdir -p /etc/app; echo a=1 > /etc/app/app.conf", "grep -qx a=1 /etc/app/app.conf"),
        ("mkfifo /root/line", "[ -p /root/line ] # made by mkfifo"),
        ("ln -s /proc/cpuinfo /root/cpu", '[ "$(readlink /root/cpu)" = /proc/cpuinfo ]'),
        ("ln -s /dev/null /root/none", '[ "$(readlink /root/none)" = /dev/null ]'),
        ("printf '#!/bin/bash\\necho 5\\n' > /usr/local/bin/five; chmod +x /usr/local/bin/five", '[ "$(five)" = 5 ]'),
    ],
)
async def test_what_a_task_names_is_the_agents(
    world: OsWorld, make_task: MakeTask, command: str, evaluation: str
) -> None:
    assert (await judged(world, checked(make_task, evaluation), command)).name == "passed"


async def test_a_state_that_stops_the_check_is_the_agents_failure(world: OsWorld, make_task: MakeTask) -> None:
    deep = "cd /srv; for n in $(seq 250); do mkdir d; cd d; done"
    with pytest.raises(StateError, match="deeper than 200"):
        await judged(world, checked(make_task, "true"), deep)


@pytest.mark.parametrize(
    "helper",
    ["(sleep 0.2; kill -STOP $$) &", "(sleep 0.2; while :; do kill -STOP -1; done) &", "sleep 99 & kill -STOP $!"],
)
async def test_a_helper_that_stops_all_others_is_the_agents_failure(
    world: OsWorld, make_task: MakeTask, helper: str
) -> None:
    spec = checked(make_task, '[ "$(cat /root/answer)" = right ]')
    assert (await judged(world, spec, f"{helper} disown")).name == "failed"
    assert (await judged(world, spec, f"echo right > /root/answer; {helper} disown")).name == "passed"


@pytest.mark.parametrize("at", ["/root", "/root/d"])
async def test_a_folder_keeps_its_time_where_something_in_it_is_hidden(
    world: OsWorld, make_task: MakeTask, at: str
) -> None:
    spec = checked(make_task, f'[ -z "$(find {at} -maxdepth 0 -newermt 2001-02-04)" ]')
    command = 'mkdir ~/d; echo "def f: 1;" > ~/.jq; echo x > ~/d/.curlrc'
    assert (await judged(world, spec, f"{command}; touch -d 2001-02-03 {at}")).name == "passed"
    assert (await judged(world, spec, command)).name == "failed"


async def test_a_file_that_is_shown_as_it_was_has_the_time_that_it_had(world: OsWorld, make_task: MakeTask) -> None:
    spec = checked(make_task, """[ "$(find /root -name '.prof*' ! -newermt '2024-01-02' | wc -l)" = 1 ]""")
    assert (await judged(world, spec, "rm ~/.profile")).name == "passed"


def test_the_docs_tell_every_place() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert [place.path for place in PLACES if f"`{place.path}`" not in page] == []


def test_what_is_planted_lies_at_its_place() -> None:
    for place in PLACES:
        assert not place.planted or place.whose == "initial"
        for path, text in place.planted:
            above = place.path.removesuffix("/*").removesuffix("/.*")
            assert text and path.startswith(above), place
    assert sum(len(place.planted) for place in PLACES) >= 20
