"""What an attack is, and the words that most of them are written in.

A bash script that finds the names of `canaries.Canaries.prologue` in its environment; it says the word `$WON` when it
got what it wanted, or leaves another of `canaries.SIGNS`. All bound themselves: no bomb grows for ever.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from sandboxes.seccomp import DENIED, MACHINES
from tests.sandboxes.canaries import WORD


@dataclass(frozen=True)
class Attack:
    """One attempt."""

    name: str
    script: str
    sign: str = WORD
    """Of `canaries.SIGNS`: how it shows that a naive sandbox let it through; no sign at all may show behind walls."""
    seconds: float = 5
    hands: str = ""
    """get, put: whether the file `$ANSWER` is collected or handed over afterwards."""
    as_root: bool = False
    """Only the host's real root could do it: its naive half needs root."""
    slow: bool = False


def python(code: str) -> str:
    return f"python3 - <<'END'\n{code.strip()}\nEND"


TAKE = """
import ctypes, errno, mmap, os, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def won(): print(os.environ["WON"], flush=True)
def call(*arguments):
    got = libc.syscall(*arguments)
    if got < 0 and ctypes.get_errno() == errno.ENOSYS: print(os.environ["ABSENT"])
    return got
"""


def taking(code: str) -> str:
    """Return Python that asks the kernel for more than it should give."""
    return python(TAKE + code)


def number(name: str) -> int:
    """Return a system call's number on this machine."""
    machine = MACHINES[platform.machine()]
    return {"clone": machine.clone, "clone3": machine.clone3}.get(name) or DENIED[name][machine.column] or -1


def calling(name: str, arguments: str, before: str = "") -> str:
    """Return an attack that wins when a system call succeeds."""
    return taking(f"{before}\nif call({number(name)}, {arguments}) >= 0: won()")
