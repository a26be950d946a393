"""What an agent may leave in a check's way: an answer that cannot be read has failed, the rest is as before."""

from __future__ import annotations

import pytest

from environments.os.world import OsWorld
from tests.environments.os.test_what_a_check_sees import REPOSITORY, MakeTask, checked, judged


def given_to_nobody(path: str) -> str:
    """Return the command that lays a list of rights on a file, all of them none."""
    entries = "b''.join(struct.pack('<HHI', tag, 0, 2**32 - 1) for tag in (1, 4, 16, 32))"
    names = f"{path!r}, 'system.posix_acl_access'"
    return f"python3 -c \"import os, struct; os.setxattr({names}, struct.pack('<I', 2) + {entries})\""


STATES_WITHOUT_AN_ANSWER = {
    "no right to it": "chmod 000 /root/d/answer",
    "no right to its folder": "chmod 000 /root/d",
    "no right by its list": given_to_nobody("/root/d/answer"),
    "a pipe": "rm /root/d/answer; mkfifo /root/d/answer",
    "a socket": "rm /root/d/answer; python3 -c \"import socket; socket.socket(1).bind('/root/d/answer')\"",
    "a folder": "rm /root/d/answer; mkdir -p /root/d/answer/right",
    "a link to itself": "ln -sfn answer /root/d/answer",
    "its folder a link to itself": "rm -r /root/d; ln -s d /root/d",
    "two folders that are links to each other": "rm -r /root/d; ln -s e /root/d; ln -s d /root/e",
    "a link to what never ends": "ln -sfn /dev/zero /root/d/answer",
    "a link to a terminal": "ln -sfn /dev/tty /root/d/answer",
    "too many links": "cd /root/d; mv answer l0; for i in {1..45}; do ln -s l$((i-1)) l$i; done; mv l45 answer",
    "files without content": "cd /root/d; for i in answer f{1..20}; do rm -f $i; truncate -s 23M $i; done",
    "home a file": "rm -r /root; echo right > /root",
    "home a link to a process": "rm -r /root; ln -s /proc/self /root",
    "everything gone": "rm -rf /root /srv /home /tmp /var /opt /mnt /media /run",
}
STATES_WITH_AN_ANSWER = {
    "no right to the root": "chmod 000 /",
    "no right to home": "chmod 000 /root",
    "no right to anything else": "chmod 000 /srv /home /tmp /var /usr /etc /opt /run /mnt /media /",
    "accounts that are pipes": "cd /etc; rm passwd group hosts shadow; mkfifo passwd group hosts shadow",
    "accounts that are folders": "cd /etc; rm passwd group; mkdir passwd group",
    "accounts that lead to themselves": "ln -sfn passwd /etc/passwd; ln -sfn group /etc/group",
    "accounts that never end": "ln -sfn /dev/zero /etc/passwd; ln -sfn /dev/zero /etc/hosts",
    "accounts somewhere else": "mv /etc/passwd /srv/p; ln -s /srv/p /etc/passwd",
    "ours a link": "rm -rf /run; ln -s /root/d /run",
    "ours a link to itself": "rm -rf /run; ln -s run /run",
    "ours files": "rm -rf /run; mkdir /run; touch /run/trajmill /run/home",
    "the kernel's places files": "rmdir /proc /dev; touch /proc /dev; rm -rf /tmp /var /etc; touch /tmp /var /etc",
    "programs behind a link": "mkdir /srv/u; cp -a /usr/bin /srv/u; rm -rf /usr/share; ln -s /srv/u /usr/share",
    "a full disk": "cat /dev/zero > /tmp/a; cat /dev/zero > /srv/b; cat /dev/zero > /var/c",
    "odd names": "cd; touch -- -rf '*' $'a\\nb' $'\\xff' $'.\\xff' \"$(printf %0255d 1)\" .\"$(printf %0254d 1)\"",
    "names that are too long together": "cd /root; for i in {1..30}; do d=$(printf .%0200d $i); mkdir $d; cd $d; done",
    "a bomb that goes on": "f() { f | f & }; f 2>/dev/null & disown",
    "dates that nobody has": "touch -d 9999-12-31 /root/d/answer; touch -d 1800-01-01 /root/d",
}


@pytest.mark.parametrize("state", STATES_WITHOUT_AN_ANSWER)
async def test_a_state_without_a_right_answer_has_failed_and_is_not_unknown(
    world: OsWorld, make_task: MakeTask, state: str
) -> None:
    spec = checked(make_task, "grep -qx right /root/d/answer")
    command = f"mkdir /root/d; echo right > /root/d/answer; {STATES_WITHOUT_AN_ANSWER[state]}"
    assert (await judged(world, spec, command)).name == "failed"


@pytest.mark.parametrize("state", STATES_WITH_AN_ANSWER)
async def test_what_lies_beside_a_right_answer_stops_no_check(world: OsWorld, make_task: MakeTask, state: str) -> None:
    spec = checked(make_task, "grep -qx right /root/d/answer")
    command = f"mkdir /root/d; echo right > /root/d/answer; {STATES_WITH_AN_ANSWER[state]}"
    assert (await judged(world, spec, command)).name == "passed"


async def test_settings_of_a_repository_behind_a_link_run_nothing(world: OsWorld, make_task: MakeTask) -> None:
    moved = "mkdir -p /srv/c; mv .git/config /srv/c/x; ln -s /srv/c/x .git/config"
    planted = "git config diff.external /srv/lie; printf '#!/bin/sh\\necho right\\n' > /srv/lie; chmod +x /srv/lie"
    spec = checked(make_task, 'cd /root/repo && [ "$(git diff HEAD~1 HEAD | head -1)" = right ]')
    assert (await judged(world, spec, f"{REPOSITORY}{planted}; {moved}")).name == "failed"
    kept = checked(make_task, 'cd /root/repo && [ "$(git config user.name)" = bob ]')
    assert (await judged(world, kept, f"{REPOSITORY}{moved}")).name == "passed"


async def test_what_a_link_of_the_agents_names_is_never_the_machines(world: OsWorld, make_task: MakeTask) -> None:
    """The pod's first process lays the ground: a link that it followed would lead into the machine's own files."""
    spec = checked(make_task, 'grep -qx right /root/answer && [ "$(stat -c %F /run/trajmill)" = directory ]')
    assert (await judged(world, spec, "echo right > ~/answer; rm -rf /run; ln -s /etc /run")).name == "passed"
