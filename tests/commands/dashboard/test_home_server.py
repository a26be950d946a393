"""A home's own server: one for all who use it, told apart from strangers, and gone when nobody needs it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from commands.dashboard import home_server, patience
from commands.dashboard.home_server import HomeServer
from commands.dashboard.patience import Patience
from commands.dashboard.server_folder import ServerFolder, ServerRecord, up_lock, warm_servers
from schemas.errors import TrajmillError

QUICK = Path(__file__).with_name("quick_server.py")
LONG = 3600.0
WAIT_SECONDS = 600
"""For what happens within a second where nothing else runs."""

COMMAND = """
import sys
from pathlib import Path
from commands.dashboard import home_server
home_server.PROGRAM = (sys.argv[1],)
server = home_server.HomeServer(Path(sys.argv[2]), float(sys.argv[3]))
server.wait(sys.stderr.write)
print("ready", flush=True)
sys.stdin.read()
"""

Use = Callable[[float], HomeServer]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_server, "PROGRAM", (str(QUICK),))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    (made / "prefect").mkdir(parents=True)
    (made / "go").touch()
    yield made
    shutil.rmtree(made, ignore_errors=True)  # what still serves it ends by that


@pytest.fixture
def use(home: Path) -> Iterator[Use]:
    used: list[HomeServer] = []

    def begin(idle_seconds: float) -> HomeServer:
        used.append(HomeServer(home, idle_seconds))
        return used[-1]

    yield begin
    for server in used:
        server.let_go()


def has_ended(home: Path) -> bool:
    """Wait until no server of the home lives; a test that waits for ever is ended by its time-out."""
    while warm_servers(home):
        time.sleep(0.05)
    return True


def wait_until(true: Callable[[], object], what: str) -> None:
    while not true():  # a test that waits for ever is ended by its time-out, with this line
        time.sleep(0.05)


def unheard(line: str) -> None:
    """Take a line that a loaded machine may say."""


def test_who_comes_later_finds_the_server_of_who_came_first(use: Use) -> None:
    first = use(LONG).wait(unheard)
    assert use(LONG).wait(unheard) == first and first.is_proven()


def test_of_two_that_come_at_once_one_starts_it_and_both_use_it(use: Use, home: Path) -> None:
    one, other = use(LONG), use(LONG)
    assert other.wait(unheard) == one.wait(unheard)
    assert len(warm_servers(home)) == 1


def test_it_stays_for_the_next_command(use: Use) -> None:
    first = use(LONG)
    found = first.wait(unheard)
    assert first.is_kept
    first.let_go()
    assert use(LONG).wait(unheard) == found


def test_it_ends_when_nobody_has_used_it_for_a_while(use: Use, home: Path) -> None:
    server = use(0.01)
    server.wait(unheard)
    server.let_go()
    assert has_ended(home)


def test_with_no_idle_time_it_ends_with_its_last_user(use: Use, home: Path) -> None:
    first, second = use(0), use(0)
    record = second.wait(unheard)
    second.let_go()
    assert warm_servers(home) and first.wait(unheard) == record and not first.is_kept
    first.let_go()
    assert has_ended(home)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_command_whatever_ends_that(home: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-c", COMMAND, str(QUICK), str(home), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        assert warm_servers(home)
        process.send_signal(how)
        process.wait()
        assert has_ended(home)


def test_a_command_that_is_killed_before_the_server_is_ready_leaves_none(home: Path) -> None:
    (home / "go").unlink()
    command = [sys.executable, "-c", COMMAND, str(QUICK), str(home), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        wait_until(lambda: warm_servers(home), "start of the server")
        process.kill()
        process.wait()
        assert has_ended(home)


def test_a_pipe_that_the_command_writes_to_closes_with_it(home: Path) -> None:
    command = [sys.executable, "-c", COMMAND, str(QUICK), str(home), str(LONG)]
    done = subprocess.run(command, input=b"", capture_output=True, check=True)  # waits for both pipes to close
    assert done.stdout == b"ready\n" and warm_servers(home)


def test_ctrl_c_of_the_command_does_not_reach_it(use: Use) -> None:
    server = use(LONG)
    server.wait(unheard)
    assert server._process is not None
    assert os.getsid(server._process.pid) == server._process.pid


def test_it_ends_when_its_home_is_removed(use: Use, home: Path) -> None:
    server = use(LONG)
    server.wait(unheard)
    assert server._process is not None
    shutil.rmtree(home)
    server._process.wait(WAIT_SECONDS)


def test_it_ends_when_up_serves_the_home_and_nobody_uses_it(use: Use, home: Path) -> None:
    server = use(LONG)
    server.wait(unheard)
    with up_lock(home).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert not server.is_kept and warm_servers(home)
        server.let_go()
        assert has_ended(home)


def test_what_it_wrote_down_is_for_its_owner_alone_and_no_argument_tells_it(use: Use) -> None:
    server = use(LONG)
    record = server.wait(unheard)
    assert server._process is not None
    folder = server._folder.path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "record.json").stat().st_mode) == 0o600
    assert record.password not in Path(f"/proc/{server._process.pid}/cmdline").read_text()
    assert len(record.password) >= 32


def test_no_key_of_the_command_stays_with_it(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("TRAJMILL_LEDGER_URL", "postgresql://who:sk-secret@127.0.0.1/d")
    server = use(LONG)
    server.wait(unheard)
    assert server._process is not None
    assert "sk-secret" not in Path(f"/proc/{server._process.pid}/environ").read_text()


class Stranger(BaseHTTPRequestHandler):
    """Answers everything, and remembers what it was told."""

    told: list[str]

    def do_GET(self) -> None:
        self.server.told.append(self.requestline + str(self.headers))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"yes, of course")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_stranger_on_its_port_is_not_believed_and_hears_no_password() -> None:
    stranger = HTTPServer(("127.0.0.1", 0), Stranger)
    stranger.told = []  # type: ignore[attr-defined]
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    assert not ServerRecord(stranger.server_port, "the password").is_proven()
    assert len(stranger.told) == 1 and "the password" not in stranger.told[0]  # type: ignore[attr-defined]
    stranger.shutdown()
    stranger.server_close()


def test_a_record_that_a_killed_server_left_is_no_server(use: Use) -> None:
    server = use(LONG)
    left = server.wait(unheard)
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.let_go()
    assert server._folder.read() == left
    again = use(LONG).wait(unheard)
    assert again != left and again.is_proven()


def test_who_found_a_server_that_dies_starts_another(use: Use) -> None:
    first, second = use(LONG), use(LONG)
    first.wait(unheard)
    assert first._process is not None
    first._process.kill()
    first._process.wait()
    assert second.wait(unheard).is_proven()


def test_a_slow_start_is_waited_for_and_told(use: Use, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.0)
    (home / "go").unlink()
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        (home / "go").touch()  # it would never be ready if nobody were told

    assert use(LONG).wait(hear).is_proven()
    assert heard[0] == "Prefect's server is slow to start (0 s so far); waiting"


def test_patience_says_so_after_ten_seconds_and_every_thirty_from_then_on() -> None:
    now, heard = [0.0], list[str]()
    waiting = Patience("it", heard.append, lambda: now[0])
    for second in range(75):
        now[0] = float(second)
        waiting.look()
    assert heard == [f"it is slow to start ({second} s so far); waiting" for second in (10, 40, 70)]


def test_a_server_that_ends_while_it_starts_is_told_with_its_last_words(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit('the history is of a newer Prefect')")
    monkeypatch.setattr(home_server, "PROGRAM", (str(program),))
    with pytest.raises(TrajmillError, match=r"ended while it started; see .*/log: the history is of a newer Prefect"):
        use(LONG).wait(unheard)


def test_other_settings_of_prefect_have_another_server_and_what_ended_is_swept(home: Path) -> None:
    one, other = ServerFolder.of(home, {"PREFECT_HOME": "a"}), ServerFolder.of(home, {"PREFECT_HOME": "b"})
    assert one != other
    lock = one.take()
    assert lock is not None and one.is_taken() and one.take() is None
    other_lock = other.take()
    assert other_lock is not None
    other.sweep_others()
    assert one.path.is_dir()
    os.close(lock)
    other.sweep_others()
    assert not one.path.exists()
    os.close(other_lock)


def test_a_home_that_was_moved_has_a_server_of_its_own(home: Path, tmp_path: Path) -> None:
    before = ServerFolder.of(home, {})
    home.rename(tmp_path / "elsewhere")
    assert ServerFolder.of(tmp_path / "elsewhere", {}).path.name != before.path.name


def test_it_listens_on_loopback_alone(use: Use) -> None:
    record = use(LONG).wait(unheard)
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", record.port))
