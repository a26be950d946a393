"""The loop that bash runs for us, and what is laid around a command so that the loop leaves no trace in the shell.

Between two commands stands only what the last one left: `$?`, `PIPESTATUS`, `$_`, tracing, a DEBUG trap. They are told
with each report and laid back on a line before the next command, which is no line of it. All of ours is `command X`,
whatever functions and aliases are called, and its words go nowhere. Our variables begin with `__io` and are unset while
a command runs. docs/sandbox.md, "The shell", says what cannot be hidden.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

# A frame is a number, what stands before the command, and the command. That is parsed in a loop that never runs
# first: beside one that is not complete (an open quote, a heredoc) nothing may stand, bash would show it. A report is
# written down in one word as soon as the command is over; one that broke off did not come so far: then the last
# argument of `eval` is `$_`, and that ends with the number. A shell that lost its orders (the agent closed what it did
# not open) leaves before it reports. One line, so that bash counts a command's lines from 1. What runs while a DEBUG
# trap stands names `__io`: `_GUARD`. `_bash` is what `$_` is at first. Each builtin costs bash some microseconds, each
# file that it opens ten.
_TAKE = (
    r"command mapfile -t -d '' -n 3 -u 8 __io || { command enable mapfile; command mapfile -t -d '' -n 3 -u 8 __io; }; "
    r"""{ [[ ${__io[0]} != v* ]] && command eval $'while [[ ! 1 ]]; do if :; then\n'"${__io[2]}"$'\nfi; done' """
    r"&& command unset -v __io_broken; } || __io_broken=1"
)
_RUN = (
    r"command eval '\command unset -v __io _bash; '"
    r""""${__io[1]}${__io[2]}"$'\n{ __io="$? ${PIPESTATUS[@]} $- '"${__io[0]}"' $_"; } """
    r"""2>/dev/null >&2 #'"${__io[0]}" </dev/null 8<&- 9>&-"""
)
_RUN_BROKEN = (
    r"""{ command enable eval ${__io:+}; command eval "${__io[1]/set -x/:}" ''; } >/dev/null 2>&1; """
    r"""command eval "${__io[2]}" </dev/null 8<&- 9>&-; """
    r"""{ __io="$? ${PIPESTATUS[@]} $- ${__io[0]} "; } 2>/dev/null"""
)
_TELL = (
    r"""__io="${__io-$? ${PIPESTATUS[@]} $- ${_: -12} }"; """
    r"[[ $-${__io:+} == *[xv]* ]] && command set +xv ${__io:+}; "
    r"[[ -e /dev/fd/8${__io:+} ]] || break; command trap -p DEBUG ${__io:+}; command trap - DEBUG ${__io:+}; "
    r"""command export -p; command printf '\0%s\0%s\0' "${PWD-}" "$__io" """
)
LOOP = (
    r"shopt -s expand_aliases; unset -v __begin BASH_EXECUTION_STRING; builtin printf 'ready\0' >&9; "
    f"{{ {_TAKE}; }} 2>/dev/null; while [[ -n ${{__io[2]+x}} ]]; do "
    f"if [[ -z ${{__io_broken-}} ]]; then {_RUN}; else {_RUN_BROKEN}; fi; "
    f"{{ {_TELL}; {_TAKE}; }} >&9 2>/dev/null; done"
)
REPORT = re.compile(rb"([0-9]{1,3})((?: [0-9]{1,3})*) ([A-Za-z]*) (?:[^#]{0,12}#)?v?([1-9][0-9]{0,8}) (.*)", re.DOTALL)
"""Exit code, PIPESTATUS, options, number of the command, `$_`."""
RECORDS = 2
"""Before a report: DEBUG trap and exports, the folder."""

_TRAP = re.compile(rb"trap -- '((?:[^']|'\\'')*)' (?:SIG)?DEBUG\n")
_GUARD = b"case $BASH_COMMAND in *__io*) ;; *) "
"""Before the agent's DEBUG trap: what is ours does not fire it. In the command that sets it, it does, unseen."""
_GUARD_END = b"\n;; esac"
_SUBSHELL = b"(\\command enable exit; \\command exit %d)"
_SHOWS_LINES = re.compile(rb"\bset\b[^\n;]*v")
_NAMES_LAST = re.compile(rb"\$\{?_(?![A-Za-z0-9_])")


@dataclass(frozen=True)
class Left:
    """What a command left in the shell beside its files, variables and functions."""

    exit_code: int = 0
    statuses: tuple[int, ...] = (0,)
    """PIPESTATUS."""
    last: bytes = b""
    """`$_`."""
    options: bytes = b""
    """`$-`."""
    debug_trap: bytes = b""
    """The agent's own, as it stands between single quotes."""


def read_left(head: bytes, report: re.Match[bytes]) -> tuple[Left, bytes]:
    """Return what a command left, and its exports."""
    trap = _TRAP.search(head)
    own = trap[1].removeprefix(_GUARD).removesuffix(_GUARD_END) if trap else b""
    left = Left(int(report[1]), tuple(map(int, report[2].split())), report[5], report[3], own)
    return left, head[trap.end() :] if trap else head


def frame(number: int, command: bytes, left: Left) -> bytes:
    """Return the frame of a command: what a prior one left is laid back before it."""
    command = command.replace(b"\0", b"")
    shows_lines = b"v" in left.options or _SHOWS_LINES.search(command)
    kind = b"v" if shows_lines else b""
    return b"".join(part + b"\0" for part in (kind + b"%d" % number, _before(command, left), command))


def _before(command: bytes, left: Left) -> bytes:
    """Return what lays back, on one line; as little as the command may ask for, since bash reads byte by byte."""
    lines = [b"\\command set -" + bytes([letter]) for letter in left.options if letter in b"xv"]
    if left.debug_trap:
        lines.append(b"\\command trap -- '%s%s%s' DEBUG" % (_GUARD, left.debug_trap, _GUARD_END))
    if _NAMES_LAST.search(command):
        lines.append(b"\\command : ${__io:+} " + _quoted(left.last))
    lines += _status(command, left)
    return b"{ %s; } >/dev/null 2>&1; " % b"; ".join(lines) if lines else b""


def _status(command: bytes, left: Left) -> list[bytes]:
    """Return what sets `$?`, and PIPESTATUS for a command that names it: a subshell each, so only where it is asked."""
    if b"PIPESTATUS" in command and left.statuses not in ((), (left.exit_code,)):
        ends = b" | ".join(_SUBSHELL % status for status in left.statuses)
        inverted = left.exit_code in (0, 1) and bool(left.statuses[-1]) != bool(left.exit_code)
        ends = b"! " + ends if inverted else ends
    elif not left.exit_code:
        return []
    elif left.exit_code == 1:
        ends = b"[[ -n ${__io:+} ]]"
    else:
        ends = _SUBSHELL % left.exit_code
    # The left side of a list fires no ERR trap and ends no shell that has `set -e`.
    return [ends + (b" && :" if left.exit_code else b" || :")]


def _quoted(text: bytes) -> bytes:
    return shlex.quote(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
