"""A worker of ours behind walls: it can work, and what takes it over gets nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from sandboxes.base import Limits
from sandboxes.jail import jail
from schemas.errors import SandboxError

pytestmark = pytest.mark.usefixtures("sandbox")  # skips where bubblewrap is refused


async def run_python(code: str, *lent: Path, limits: Limits | None = None) -> tuple[str, int]:
    process = await jail([sys.executable, "-I", "-S", "-c", code], read_only=lent, limits=limits or Limits())
    said, complained = await process.communicate()
    assert process.returncode is not None
    return said.decode() or complained.decode(), process.returncode


async def test_a_worker_answers_on_its_pipes() -> None:
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    worker = await jail([sys.executable, "-I", "-S", "-c", code], read_only=())
    assert worker.stdin is not None and worker.stdout is not None
    for word in (b"one\n", b"two\n"):
        worker.stdin.write(word)
        assert await worker.stdout.readline() == word.upper()
    worker.stdin.close()
    assert await worker.wait() == 0


async def test_the_whole_standard_library_is_there() -> None:
    assert await run_python("import sqlite3, json, decimal, hashlib; print('ok')") == ("ok\n", 0)


async def test_lent_paths_are_there_under_their_names_and_read_only(tmp_path: Path) -> None:
    (tmp_path / "lent").mkdir()
    (tmp_path / "lent" / "file").write_text("content")
    (tmp_path / "secret").write_text("secret")
    tmp_path.chmod(0o700)  # closed above, which must not matter
    code = f"""
from pathlib import Path
home = Path({str(tmp_path)!r})
print((home / "lent" / "file").read_text(), sorted(p.name for p in home.iterdir()))
try: (home / "lent" / "new").write_text("")
except OSError as refused: print(refused.strerror)
"""
    assert await run_python(code, tmp_path / "lent") == ("content ['lent']\nRead-only file system\n", 0)


async def test_nothing_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = """
import json, os, socket
def refused(do):
    try: do()
    except OSError as problem: return problem.strerror
connect = lambda: socket.create_connection(("127.0.0.1", 22), timeout=2)
environment = [name for name in os.environ if name not in ("PWD", "LC_CTYPE")]
print(json.dumps({"environment": environment, "home": os.path.exists("/home"), "passwd": os.path.exists("/etc/shadow"),
    "network": refused(connect), "root": refused(lambda: open("/x", "w")),
    "sysctl": refused(lambda: open("/proc/sys/kernel/core_pattern", "w")),
    "process": refused(lambda: os.pidfd_open(os.getppid() + 1000)), "tmp": os.listdir("/tmp"),
    "caps": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")]}))
"""
    found = json.loads((await run_python(code))[0])
    assert (found["environment"], found["home"], found["passwd"], found["tmp"]) == ([], False, False, [])
    assert (found["network"], found["root"]) == ("Connection refused", "Read-only file system")
    assert found["sysctl"] in ("Read-only file system", "Permission denied")
    assert found["process"] == "No such process"
    assert set(found["caps"]) == {"0" * 16}


async def test_root_is_nobody_in_it() -> None:
    worker = await jail([sys.executable, "-I", "-S", "-c", "print(1, flush=True); input()"], read_only=())
    assert worker.stdin is not None and worker.stdout is not None
    await worker.stdout.readline()
    identity = Path(f"/proc/{worker.pid}").stat().st_uid
    worker.stdin.close()
    await worker.wait()
    assert identity != 0
    assert os.geteuid() in (0, identity)


async def test_memory_and_scratch_space_are_bounded() -> None:
    code = """
try: bytearray(100 << 20)
except MemoryError: print("memory")
try: open("/tmp/x", "wb").write(bytes(20 << 20))
except OSError as problem: print(problem.strerror)
"""
    said, _ = await run_python(code, limits=Limits(data_mb=64, disk_mb=8, file_mb=64))
    assert said == "memory\nNo space left on device\n"


async def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="nothing to a worker: it does not exist"):
        await jail([sys.executable], read_only=(tmp_path / "nothing",))
