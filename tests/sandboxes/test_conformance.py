"""What every backend must do, run once per backend. Faults that peers had are named where they are tested."""

from __future__ import annotations

import asyncio

import pytest

from sandboxes.base import Sandbox, Session
from schemas.errors import SandboxError
from schemas.task_spec import Script


async def test_a_command_gives_output_exit_code_and_folder(session: Session) -> None:
    result = await session.exec("cd /etc && echo out && echo err >&2 && (exit 7)")
    assert (result.text, result.exit_code, result.cwd) == ("out\nerr\n", 7, "/etc")
    assert not (result.timed_out or result.shell_restarted or result.truncated)


async def test_the_shell_persists(session: Session) -> None:
    await session.exec('cd /tmp; export A=1; b=2; f() { echo "$A$b$PWD"; }; alias g=f; sleep 60 &')
    result = await session.exec("g; jobs | wc -l")
    assert result.text == "12/tmp\n1\n"


async def test_the_agent_is_root_in_its_home(session: Session) -> None:
    assert (await session.exec("id -un; pwd; echo $HOME; hostname")).text == "root\n/root\n/root\nsandbox\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat <<END\nnever ended", "never ended"),  # tmux: the end marker was swallowed (harbor#1005)
        ("echo 'open quote", "unexpected EOF"),
        ('read line; echo "got:$line"', "got:"),  # tmux: apt ate the next command (terminal-bench#1379)
        ("if true; then", "syntax error"),
        ("echo 'a;b' -n \\; 'x\ty'", "a;b -n ; x\ty"),  # tmux: `;` and `-` vanished (terminal-bench#763)
        ("set -x; true; set +x; echo still", "still"),
        ("PS1='# $ '; PROMPT_COMMAND='echo no'; echo yes", "yes"),  # AgentBench: a prompt of one's own cost 5 s a step
        ("printf '\\033[0mroot@sandbox:/# '; sleep 0.2; echo after", "after"),  # AgentBench: what looks like its prompt
        ("shopt -s extglob\necho @(a|b)", "@(a|b)"),  # SWE-ReX: `bash -n` refused what bash would run (#286)
        ("printf '999 0 /forged\\0' >&9; echo said", "said"),
        ("trap 'echo bye' EXIT; echo armed", "armed"),
    ],
)
async def test_odd_commands_end_and_leave_a_working_shell(session: Session, command: str, expected: str) -> None:
    assert expected in (await session.exec(command)).text
    following = await session.exec("echo next")
    assert (following.text.splitlines()[-1], following.exit_code) == ("next", 0)


async def test_bytes_that_are_no_utf8_come_back(session: Session) -> None:
    """AgentBench decoded strictly: one bad byte lost the episode."""
    result = await session.exec(r"printf 'a\xff\xfe\033[31mred\033[0m\n'")
    assert result.output == b"a\xff\xfe\x1b[31mred\x1b[0m\n"
    assert result.text == "a\ufffd\ufffdred\n"


async def test_a_hundred_megabytes_are_drained_cut_and_counted(session: Session) -> None:
    """inspect_ai kept all of it (#925); tmux dropped 16 kB without a word (harbor#887)."""
    result = await session.exec("head -c 100000000 /dev/zero | tr '\\0' x; echo; echo end", timeout=60)
    assert (result.total_bytes, len(result.output), result.truncated) == (100_000_005, 8192, True)
    assert (await session.exec("echo next")).text == "next\n"


async def test_a_command_of_a_megabyte_arrives(session: Session) -> None:
    result = await session.exec(f"x='{'y' * 1_000_000}'; echo ${{#x}}")
    assert result.text == "1000000\n"


async def test_a_late_line_is_not_taken_for_the_next_commands_end(session: Session) -> None:
    """AgentBench's prompt pattern gave a slow command's output to the next step."""
    await session.exec("(sleep 0.3; echo late) &")
    result = await session.exec("sleep 0.6; echo own")
    assert (result.text, result.exit_code) == ("late\nown\n", 0)


async def test_a_timeout_keeps_output_place_and_environment(session: Session) -> None:
    """inspect_ai lost the partial output (#1979)."""
    await session.exec("mkdir '/tmp/it'\"'\"'s here'; cd '/tmp/it'\"'\"'s here'; export A='two\nlines $x'; touch kept")
    result = await session.exec("echo begun; sleep 60", timeout=0.5)
    assert (result.text, result.exit_code, result.reason) == ("begun\n", None, "time")
    assert result.timed_out and result.shell_restarted
    after = await session.exec('echo "$A"; ls; echo "${PWD##*/}"')
    assert after.text == "two\nlines $x\nkept\nit's here\n"


async def test_a_timeout_ends_every_process(session: Session) -> None:
    """inspect_ai's timed-out commands ran on for months (#1357, #1585, #2779)."""
    await session.exec("trap '' TERM INT HUP; (trap '' TERM INT HUP; setsid sleep 4444) & sleep 4444", timeout=0.5)
    assert (await session.exec("pgrep -c sleep")).text == "0\n"


@pytest.mark.parametrize(
    "command", ["exit 5", "exec sh -c 'exit 5'", "kill -9 $$", "set -e; false", "exec 10>&- 11>&-"]
)
async def test_a_shell_that_is_left_is_followed_by_one_on_the_same_files(session: Session, command: str) -> None:
    await session.exec("cd /opt; touch kept")
    result = await session.exec(command)
    if command.startswith(("exit", "exec sh")):
        assert (result.exit_code, result.shell_restarted, result.timed_out) == (5, True, False)
    assert (await session.exec("ls; pwd")).text == "kept\n/opt\n"


async def test_a_shell_that_died_between_commands_is_told_with_the_next(session: Session) -> None:
    await session.exec("cd /opt; (sleep 0.1; kill -9 $$) &")
    await asyncio.sleep(0.5)
    result = await session.exec("pwd")
    assert (result.text, result.exit_code, result.shell_restarted) == ("/opt\n", 0, True)


async def test_a_stopped_shell_is_a_timeout(session: Session) -> None:
    assert (await session.exec("kill -STOP $$", timeout=0.5)).timed_out
    assert (await session.exec("echo next")).text == "next\n"


async def test_a_shell_without_outputs_still_reports(session: Session) -> None:
    assert (await session.exec("exec >/dev/null 2>&1")).exit_code == 0
    assert (await session.exec("echo unseen; (exit 3)")).exit_code == 3


async def test_a_background_process_lives_on(session: Session) -> None:
    await session.exec("touch /tmp/ticks; (while :; do date +%N >> /tmp/ticks; sleep 0.05; done) >/dev/null 2>&1 &")
    first = await session.exec("wc -l < /tmp/ticks; sleep 0.5")
    later = await session.exec("wc -l < /tmp/ticks")
    assert int(later.text) > int(first.text)


async def test_start_runs_in_every_shell(sandbox: Sandbox) -> None:
    session = await sandbox.start(start=Script(code="export FROM_START=1; sleep 777 & echo $! > /tmp/pid"))
    try:
        assert (await session.exec("echo $FROM_START; kill -0 $(< /tmp/pid)")).text == "1\n"
        await session.exec("exit")
        assert (await session.exec("echo $FROM_START; kill -0 $(< /tmp/pid)")).text == "1\n"
    finally:
        await session.close()


async def test_a_python_start_runs_too(sandbox: Sandbox) -> None:
    session = await sandbox.start(start=Script(code="open('/tmp/it\"s', 'w').write('x')", language="python"))
    try:
        assert (await session.exec("ls /tmp")).text == 'it"s\n'
    finally:
        await session.close()


async def test_a_start_that_ends_the_shell_is_a_fault_of_the_task(sandbox: Sandbox) -> None:
    session = await sandbox.start(start=Script(code="echo broken; exit 1"))
    try:
        with pytest.raises(SandboxError, match="start script ended the shell: broken") as caught:
            await session.exec("true")
        assert not caught.value.transient
    finally:
        await session.close()


async def test_initialisation_is_seen_by_the_shell_and_what_it_ran_is_gone(session: Session) -> None:
    first = await session.run(Script(code="mkdir /srv/made; sleep 4444 & exit 3"))
    second = await session.run(Script(code="open('/srv/made/by_python', 'w')", language="python"))
    assert (first.exit_code, second.exit_code) == (3, 0)
    assert (await session.exec("ls /srv/made; pgrep -c sleep")).text == "by_python\n0\n"


async def test_a_script_between_commands_leaves_the_shell_where_it_stood(session: Session) -> None:
    await session.exec("cd /var; export A=1")
    await session.run(Script(code="touch /var/mark"))
    assert (await session.exec("pwd; echo $A; ls /var/mark")).text == "/var\n1\n/var/mark\n"


@pytest.mark.parametrize("trusted", [True, False])
async def test_scripts_get_their_arguments(session: Session, trusted: bool) -> None:
    given = ("a b", "", "'\"$x\n", "ü")
    snapshot = await session.snapshot()
    for script in (
        Script(code='printf "<%s>" "$@"'),
        Script(code="import sys; print(*(f'<{a}>' for a in sys.argv[1:]), sep='', end='')", language="python"),
    ):
        result = await session.run(script, arguments=given, on=snapshot, trusted_tools=trusted)
        assert (result.text, result.exit_code) == ("<a b><><'\"$x\n><ü>", 0)


async def test_an_argument_larger_than_a_command_line_may_hold(session: Session) -> None:
    result = await session.run(Script(code="echo ${#1}"), arguments=("z" * 300_000,))
    assert result.text == "300000\n"


@pytest.mark.parametrize("language", ["bash", "python"])
async def test_a_script_larger_than_a_command_line_may_hold(session: Session, language: str) -> None:
    code = "# " + "x" * 200_000 + ("\necho done" if language == "bash" else "\nprint('done')")
    assert (await session.run(Script.model_validate({"code": code, "language": language}))).text == "done\n"


async def test_scripts_end_with_their_own_code(session: Session) -> None:
    for script, code in (
        (Script(code="exit 4"), 4),
        (Script(code="kill -9 $$"), 137),
        (Script(code="if"), 2),
        (Script(code="exit(6)", language="python"), 6),
        (Script(code="import os; os.abort()", language="python"), 134),
        (Script(code="raise ValueError", language="python"), 1),
    ):
        result = await session.run(script, trusted_tools=True)
        assert (script.code, result.exit_code) == (script.code, code)


async def test_a_script_finds_its_start_running(session: Session) -> None:
    start = Script(code="export A=1; sleep 777 & echo $! > /tmp/pid; echo started")
    bash = await session.run(Script(code="echo $A; kill -0 $(< /tmp/pid)"), start=start)
    code = "import os; print(os.environ['A']); os.kill(int(open('/tmp/pid').read()), 0)"
    python = await session.run(Script(code=code, language="python"), start=start)
    assert bash.text == python.text == "started\n1\n"
    assert bash.exit_code == python.exit_code == 0


async def test_a_script_that_does_not_end_is_killed(session: Session) -> None:
    script = Script(code="echo begun; (sleep 60; echo late) & sleep 60; echo ended")
    result = await session.run(script, timeout=0.5)
    assert (result.text, result.exit_code, result.timed_out) == ("begun\n", None, True)
    assert (await session.run(Script(code="echo next"))).text == "next\n"


async def test_a_snapshot_stays_as_it_was(session: Session) -> None:
    await session.exec("echo one > /root/file; rm -r /var/log; echo x > /etc/issue")
    first = await session.snapshot()
    await session.exec("echo two > /root/file; mkdir /var/log")
    second = await session.snapshot()
    look = Script(code="cat /root/file; ls -d /var/log; cat /etc/issue")
    missing = "ls: cannot access '/var/log': No such file or directory"
    assert (await session.run(look, on=first)).text == f"one\n{missing}\nx\n"
    assert (await session.run(look, on=second)).text == "two\n/var/log\nx\n"


async def test_a_view_of_a_snapshot_is_thrown_away(session: Session) -> None:
    snapshot = await session.snapshot()
    await session.run(Script(code="touch /root/mark"), on=snapshot)
    assert (await session.run(Script(code="ls /root"), on=snapshot)).text == ""
    assert (await session.exec("ls /root")).text == ""


async def test_a_snapshot_is_judged_while_the_shell_goes_on(session: Session) -> None:
    await session.exec("touch /root/mark; cd /opt")
    snapshot = await session.snapshot()
    await session.exec("rm /root/mark; sleep 777 & echo $! > /tmp/pid")
    verdict = await session.run(Script(code="ls /root; sleep 60"), on=snapshot, timeout=0.5)
    assert verdict.text == "mark\n"
    assert (await session.exec("ls /root; kill -0 $(< /tmp/pid); pwd")).text == "/opt\n"


async def test_files_are_put_and_got(session: Session) -> None:
    content = bytes(range(256)) * 100
    await session.put("/srv/deep/er/file", content, 0o640)
    assert await session.get("/srv/deep/er/file") == content
    assert (await session.exec("stat -c %a /srv/deep/er/file")).text == "640\n"
    await session.put("/srv/empty", b"")
    assert await session.get("/srv/empty") == b""


async def test_only_regular_files_of_bounded_size_are_got(session: Session) -> None:
    await session.exec("cd /root; ln -s /etc/hostname link; mkfifo pipe; mkdir folder; head -c 5000 /dev/zero > large")
    assert await session.get("/root/link") == b"sandbox\n"  # the sandbox's own, wherever it points
    for name in ("pipe", "folder", "nothing"):
        with pytest.raises(SandboxError, match="not a regular file"):
            await session.get(f"/root/{name}")
    with pytest.raises(SandboxError, match="larger than 100 bytes"):
        await session.get("/root/large", max_bytes=100)


async def test_sessions_share_nothing(sandbox: Sandbox) -> None:
    async def live(number: int) -> str:
        session = await sandbox.start()
        try:
            await session.exec(f"echo {number} > /tmp/mine; cp /bin/true /usr/bin/made{number}")
            await asyncio.sleep(0.1)
            snapshot = await session.snapshot()
            return (await session.run(Script(code="cat /tmp/mine; ls /usr/bin | grep made"), on=snapshot)).text
        finally:
            await session.close()

    answers = await asyncio.gather(*(live(number) for number in range(8)))
    assert answers == [f"{number}\nmade{number}\n" for number in range(8)]


async def test_closing_twice_and_in_the_middle_of_a_command_is_fine(sandbox: Sandbox) -> None:
    session = await sandbox.start()
    running = asyncio.create_task(session.exec("sleep 60", timeout=60))
    await asyncio.sleep(0.3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await session.close()
    await session.close()
    with pytest.raises(SandboxError, match="closed"):
        await session.exec("true")
