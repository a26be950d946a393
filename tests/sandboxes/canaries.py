"""What stands in for the host: files, a process, listeners; and how one sees that an attack got to them.

For a backend they stand in the tests' own process. As a program (`python -I -S -c SOURCE REQUEST`) this file is the
naive sandbox: in a throw-away root, with limits of its own around all of it, it runs the attack in a plain `bash -c`
and prints what was seen. Imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import re
import resource
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

WORD, SECRET, CONTROL, FLOOD = "word", "secret", "control", "flood"
REACHED, HARMED, OUTLIVED, HUNG = "reached", "harmed", "outlived", "hung"
SIGNS = {
    WORD: "the attack's own test came true, and it said the word",
    SECRET: "the host's secret is in the output, or in the file that was collected",
    CONTROL: "a terminal's control characters are in the text that people see",
    FLOOD: "more than a megabyte of output is held in memory",
    REACHED: "a listener of the host heard from it",
    HARMED: "a file or process of the host is not as it was",
    OUTLIVED: "a process of it goes on after the sandbox has ended",
    HUNG: "handing a file over or collecting one did not end",
}
ABSENT = "absent-from-this-kernel"
FLOOD_BYTES = 1 << 20
HAND_SECONDS = 1
KNOBS = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches")
"""Switches of the whole machine, covered with a file in the throw-away host."""
RESOLVER = "127.0.0.77"
"""Where a resolver would listen, if this user may open port 53."""


class Canaries:
    """What an attack may reach for. A context manager: the listeners and the process end with it."""

    def __init__(self, folder: Path, answer: str) -> None:
        self.answer, self.folder = answer, folder / "host"
        self.secret, self.word, self.abstract = (secrets.token_hex(16) for _ in range(3))
        self.mark = f"54321.{secrets.randbelow(10**9):09}"
        self.folder.mkdir(mode=0o755)
        (self.folder / "secret").write_text(self.secret)
        self._listed = self._look()

    def __enter__(self) -> Canaries:
        with contextlib.ExitStack() as stack:
            self.lent = os.open(self.folder / "secret", os.O_RDONLY)
            stack.callback(os.close, self.lent)
            os.set_inheritable(self.lent, True)
            self._tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._resolver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._udp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):  # a plain user may not, and another run may have it
                self._resolver.bind((RESOLVER, 53))
            self._abstract.bind(f"\0{self.abstract}")
            self._abstract.listen()
            for listener in (self._tcp, self._udp, self._resolver, self._abstract):
                listener.setblocking(False)
            self._victim = stack.enter_context(self._start_victim())
            stack.callback(self._victim.kill)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_victim(self) -> subprocess.Popen[bytes]:
        waits = "import time; time.sleep(600)"
        python = [sys.executable, "-I", "-S", "-c", waits, self.secret]
        environment = {"PASSWORD": self.secret}
        return subprocess.Popen(python, env=environment, cwd=self.folder, start_new_session=True)

    def prologue(self) -> str:
        """Return the lines that tell an attack where everything is."""
        known = {
            "WON": self.word,
            "ABSENT": ABSENT,
            "SECRET_FILE": str(self.folder / "secret"),
            "HOST_FOLDER": str(self.folder),
            "ANSWER": self.answer,
            "VICTIM": str(self._victim.pid),
            "TCP_PORT": str(self._tcp.getsockname()[1]),
            "UDP_PORT": str(self._udp.getsockname()[1]),
            "ABSTRACT": self.abstract,
            "RESOLVER": RESOLVER,
            "MARK": self.mark,
        }
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in known.items())

    def signs(self, shown: str, kept: int, collected: bytes = b"", hung: bool = False) -> set[str]:
        """Return what shows that the attack got somewhere; none = it was contained.

        Takes the output as people see it, the bytes of it that were kept, and the file that was collected.
        """
        found = {
            WORD: self.word in shown,
            SECRET: self.secret in shown or self.secret.encode() in collected,
            CONTROL: re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", shown) is not None,
            FLOOD: max(kept, len(collected)) > FLOOD_BYTES,
            REACHED: self._was_reached(),
            HARMED: self._was_harmed(),
            OUTLIVED: self._outlived(),
            HUNG: hung,
        }
        return {sign for sign, seen in found.items() if seen}

    def _was_reached(self) -> bool:
        heard = False
        for listener, take in (
            (self._tcp, socket.socket.accept),
            (self._abstract, socket.socket.accept),
            (self._udp, lambda udp: udp.recv(1)),
            (self._resolver, lambda udp: udp.recv(1)),
        ):
            with contextlib.suppress(BlockingIOError):
                take(listener)
                heard = True
        return heard

    def _was_harmed(self) -> bool:
        state = Path(f"/proc/{self._victim.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return self._victim.poll() is not None or state not in "RSD" or self._look() != self._listed

    def _look(self) -> list[tuple[str, str]]:
        return sorted((path.name, path.read_text()) for path in self.folder.iterdir())

    def _outlived(self) -> bool:
        return any(self.mark.encode() in line for line in _command_lines())


def _command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield (process / "cmdline").read_bytes()


# From here on: the naive sandbox.


def besiege(script: str, seconds: float, hands: str) -> dict[str, object]:
    """Run an attack in a plain `bash -c` of a plain folder, with our terminal, environment and descriptors."""
    box = Path("/srv/box")
    box.mkdir()
    with Canaries(Path("/srv"), str(box / "out" / "answer")) as canaries:
        os.environ["API_KEY"] = canaries.secret
        kept, code = _run(canaries, script, seconds, box)
        collected, hung = _hand(Path(canaries.answer), hands)
        shown = kept.decode("utf-8", "replace")
        signs = canaries.signs(shown, len(kept), collected, hung)
    return {"signs": sorted(signs), "shown": shown[-2000:], "code": code}


def _run(canaries: Canaries, script: str, seconds: float, box: Path) -> tuple[bytes, int | None]:
    terminal, slave = os.openpty()
    kept = bytearray()
    out, into = os.pipe()
    reader = threading.Thread(target=_keep, args=(out, kept), daemon=True)
    reader.start()  # first: a bomb leaves no room for a thread
    child = subprocess.Popen(
        ["bash", "-c", canaries.prologue() + script],
        cwd=box,
        stdin=slave,
        stdout=into,
        stderr=subprocess.STDOUT,
        pass_fds=[canaries.lent],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
    )
    os.close(into)
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.terminate()
        code = None
    reader.join(0.3)
    os.close(terminal)
    return bytes(kept), code


def _keep(pipe: int, kept: bytearray) -> None:
    while len(kept) < 4 * FLOOD_BYTES and (data := os.read(pipe, 65536)):
        kept += data


def _hand(answer: Path, hands: str) -> tuple[bytes, bool]:
    """Collect the answer or hand one over, by its path, as one does without thinking."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(HAND_SECONDS)
    try:
        if hands == "get":
            with answer.open("rb") as file:
                return file.read(2 * FLOOD_BYTES), False
        if hands == "put":
            answer.parent.mkdir(exist_ok=True)
            answer.write_bytes(b"given")
    except TimeoutError:
        return b"", True
    finally:
        signal.alarm(0)
    return b"", False


def _give_up(*_: object) -> None:
    raise TimeoutError


def _bound() -> None:
    """Put hard limits around the naive sandbox and all that it lets happen."""
    bounds = {"NPROC": 300, "DATA": 1200 << 20, "AS": 1 << 40, "FSIZE": 128 << 20, "CPU": 20, "CORE": 0, "NOFILE": 1024}
    for name, bound in bounds.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))


def _dress() -> None:
    """Give this throw-away host what a real one has: a metadata server, switches of the kernel that root may set."""
    subprocess.run(["ip", "address", "add", "169.254.169.254/32", "dev", "lo"], check=True)
    metadata = socket.create_server(("169.254.169.254", 80))
    metadata.set_inheritable(False)
    threading.Thread(target=metadata.accept, daemon=True).start()
    libc = ctypes.CDLL(None, use_errno=True)
    for knob in KNOBS:
        Path("/run/knob").touch()
        if libc.mount(b"/run/knob", knob.encode(), None, 0x1000, None):
            raise OSError(ctypes.get_errno(), f"bind {knob}")


if __name__ == "__main__":
    _bound()
    _dress()
    json.dump(besiege(**json.loads(sys.argv[1])), sys.stdout)
    sys.stdout.flush()
    os._exit(0)
