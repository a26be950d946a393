"""What one command leaves in the shell reaches the next, and the loop between them leaves nothing: a table of both."""

from __future__ import annotations

import pytest

from sandboxes.base import Session

KEPT = [
    (("grep -q nosuchword /etc/passwd", "if [ $? -eq 0 ]; then echo found; else echo missing; fi"), "missing\n"),
    (("(exit 42)", "echo $?"), "42\n"),
    (("! true", "echo $?"), "1\n"),
    (("f() { return 5; }; f q", 'echo "$? $_"'), "5 q\n"),
    (("echo 'open", "echo $?"), "2\n"),
    (("nosuchcommand", "echo $?"), "127\n"),
    (("true | false | (exit 3)", 'echo "${PIPESTATUS[@]}"'), "0 1 3\n"),
    (("false | true", 'echo "$? ${PIPESTATUS[@]}"'), "0 1 0\n"),
    (("set -o pipefail; false | true", "echo $?"), "1\n"),
    (("mkdir -p /tmp/a/b", "cd $_ && pwd"), "/tmp/a/b\n"),
    (("echo one 'two  x'", 'echo "$_"'), "two  x\n"),
    (('echo "it\'s\ntwo"', 'echo "$_"'), "it's\ntwo\n"),
    (("cat <<'END'\n$_\nEND", "echo $_ $?"), "cat 0\n"),
    (("IFS=,; a=1,2; false", "echo $? $a"), "1 1 2\n"),
    (("[[ abc =~ b(.) ]]; REPLY=q", "echo ${BASH_REMATCH[1]} $REPLY"), "c q\n"),
    (("set -- a b c", "echo $@ $#"), "a b c 3\n"),
    (("true", "echo $LINENO\necho $LINENO"), "1\n2\n"),
    (("false", "nosuchcommand"), "bash: line 1: nosuchcommand: command not found\n"),
    (("true", "echo $BASH_COMMAND"), "echo $BASH_COMMAND\n"),
    (("cd /tmp; false", "echo $? ~+ $OLDPWD"), "1 /tmp /root\n"),
    (("sleep 100 &", "jobs -r | wc -l"), "1\n"),
]

UNSEEN = [
    (("set -x", "echo hi"), "+++ echo hi\nhi\n"),
    (("set -x", "false", "echo $?"), "+++ echo 1\n1\n"),
    (("set -v", "echo hi\necho ho"), "echo hi\nhi\necho ho\nho\n"),
    (("trap 'echo D:$BASH_COMMAND' DEBUG", "true\npwd"), "D:true\nD:pwd\n/root\n"),
    (("trap 'echo D' DEBUG",), ""),
    (("trap 'n=$((n+1))' DEBUG", "n=0", "true", "false; m=$n", "echo $m"), "3\n"),
    (("trap 'echo \"$?\"' DEBUG", "false", "true"), "1\n"),
    (("shopt -s extdebug; trap 'echo D' DEBUG", "f() { :; }", "f"), "D\nD\nD\n"),
    (("trap 'echo D' DEBUG", "trap - DEBUG", "true"), ""),
    (("trap 'echo E' ERR", "false"), "E\n"),
    (("trap 'echo E' ERR; (exit 4)", "true"), ""),
    (("trap 'echo R' RETURN", "true"), ""),
    (("trap 'echo X' EXIT", "true"), ""),
    (("set | grep __; declare -p | grep __; compgen -v | grep __; declare -F; alias; jobs; echo end",), "end\n"),
    (('echo "$-" "$BASH_EXECUTION_STRING" $#',), "hBc  0\n"),
    (("f() { echo $_; }; set one two", "f"), "_bash\n"),
    (("while :; do continue; done & kill $!; a=1", "echo $a"), "1\n"),
    (("set -a", "export -p | grep -c __; env | grep -c __"), "0\n0\n"),
]

NAMES = ("printf", "eval", "builtin", "read", "export", "exit", "trap", "set", "unset", "mapfile")
GOES_ON = [
    *(
        f"enable -n {name}"
        for name in ("printf", "eval", "builtin", "read", "export", "exit", "trap", "set", "unset", "mapfile")
    ),
    *(f"{name}() {{ echo no; }}" for name in ("printf", "eval", "builtin", "read", "export", "exit", "trap", "enable")),
    *(f"{name}() {{ echo no; }}" for name in ("set", "unset", "mapfile", "test", "[", "cd", "echo_")),
    "alias builtin=no command=no printf=no export=no eval=no trap=no set=no unset=no exit=no read=no mapfile=no",
    "set -u",
    "set -e",
    "set -f",
    "set -k",
    "set -T",
    "set -E",
    "set -o posix",
    "POSIXLY_CORRECT=1",
    "shopt -s extdebug",
    "shopt -s failglob nullglob lastpipe xpg_echo nocasematch",
    "shopt -u expand_aliases",
    "IFS=0123",
    "declare -r IFS",
    "declare -r __code=1 __number=2 __command=3 __begin=4",
    "readonly PIPESTATUS BASH_COMMAND",
    "unset PWD OLDPWD IFS HOME",
    "PWD=/nowhere",
    "exec 8>&- 9>&-",
    "exec 8</dev/null 9>/dev/null",
]

ENDS = ["enable -n command", "command() { echo no; }", "declare -r __io=1"]


async def last_of(session: Session, commands: tuple[str, ...]) -> str:
    return [(await session.exec(command)).text for command in commands][-1]


@pytest.mark.parametrize(("commands", "shown"), KEPT)
async def test_what_a_command_left_is_there_for_the_next(
    session: Session, commands: tuple[str, ...], shown: str
) -> None:
    assert await last_of(session, commands) == shown


@pytest.mark.parametrize(("commands", "shown"), UNSEEN)
async def test_traces_and_traps_see_the_agents_commands_alone(
    session: Session, commands: tuple[str, ...], shown: str
) -> None:
    assert await last_of(session, commands) == shown


@pytest.mark.parametrize("command", GOES_ON)
async def test_no_setting_of_the_agents_stops_the_shell_or_shows_it(session: Session, command: str) -> None:
    first = await session.exec(command, timeout=5)
    assert (first.text, first.shell_restarted) == ("", False)
    second = await session.exec("echo hi; sh -c 'exit 3'", timeout=5)
    assert (second.text, second.exit_code, second.timed_out) == ("hi\n", 3, False)
    if command != "set -e":  # which ends the shell there
        assert (await session.exec('echo "$?"', timeout=5)).text == "3\n"


@pytest.mark.parametrize("command", ["break", "continue", "return", "[ -e / ] && continue"])
async def test_a_word_that_leaves_no_loop_of_the_agents_takes_no_time(session: Session, command: str) -> None:
    """Bash lets it leave the loop around it, which is ours; the shell ends, and the next follows."""
    assert not (await session.exec(command, timeout=5)).timed_out
    following = await session.exec("echo hi; sh -c 'exit 3'")
    assert (following.text, following.exit_code) == ("hi\n", 3)


@pytest.mark.parametrize("command", ENDS)
async def test_a_shell_that_cannot_go_on_is_followed_at_once(session: Session, command: str) -> None:
    assert not (await session.exec(command)).timed_out
    following = await session.exec("echo hi; sh -c 'exit 3'")
    assert (following.text, following.exit_code) == ("hi\n", 3)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("for i in 1 2", "bash: eval: line 2: syntax error: unexpected end of file\n"),
        ("if; then", "bash: eval: line 1: syntax error near unexpected token `;'\nbash: eval: line 1: `if; then'\n"),
        ("echo a\\", "a\\\n"),
        ("cat <<END\nx", "x\n"),
        ("}\ntouch /tmp/no", "unexpected token `}'"),
        ("fi; }\ntouch /tmp/no", "unexpected token `fi'"),
        ("fi\ntouch /tmp/no", "unexpected token `fi'"),
        ("true\nelse touch /tmp/no", "unexpected token `else'"),
        ("true\ndone\nfor i in 1 2; do touch /tmp/no", "unexpected token `done'"),
        ("true\nfi\nif true; then touch /tmp/no", "unexpected token `fi'"),
        ("# only a comment", ""),
        ("echo hi # a comment", "hi\n"),
        ("\n\n  echo hi\n\n", "hi\n"),
    ],
)
async def test_what_is_no_whole_command_is_told_as_bash_tells_it(session: Session, command: str, shown: str) -> None:
    result = await session.exec(command)
    assert shown in result.text and "__io" not in result.text
    assert (await session.exec("ls /tmp")).text == ""
