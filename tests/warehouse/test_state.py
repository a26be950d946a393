from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.errors import WarehouseError
from warehouse.state import Build, Entry, State

JOURNALLER = """
import os, signal, sys
from pathlib import Path
from warehouse.state import State
state = State(Path(sys.argv[1]))
for index in range(5):
    state.append("episode", 1, index, "ls", "a.txt")
os.kill(os.getpid(), signal.SIGKILL)
"""

OPENER = """
import sys
from pathlib import Path
from warehouse.state import State
state = State(Path(sys.argv[1]))
for kind in ("build", "collect", "curate"):
    print(state.open_build(kind, "hash", "{}").number, state.plan(1, "stage", kind, lambda: [sys.argv[2]])[0])
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path)


def test_an_unfinished_build_is_continued_and_a_finished_one_followed(state: State) -> None:
    assert state.open_build("build", "h", "{}") == Build(1, False, "h")
    assert state.open_build("build", "h", "{}") == Build(1, True, "h")
    state.finish_build(1)
    assert state.open_build("build", "h", "{}") == Build(2, False, "h")


def test_numbers_are_unique_over_kinds(state: State) -> None:
    assert [state.open_build(kind, "h", "{}").number for kind in ("build", "collect", "build")] == [1, 2, 1]


def test_an_unfinished_build_says_with_which_configuration_it_began(state: State) -> None:
    state.open_build("build", "old", '{"seed": 1}')
    assert state.open_build("build", "new", '{"seed": 2}').config_hash == "old"
    assert state.config_of(1) == '{"seed": 1}'


def test_an_abandoned_build_is_not_continued_and_its_number_not_used_again(state: State) -> None:
    state.open_build("build", "old", "{}")
    state.abandon_build(1)
    assert state.open_build("build", "new", "{}") == Build(2, False, "new")


def test_a_build_that_is_not_known_is_told(state: State) -> None:
    with pytest.raises(WarehouseError, match="knows no build 7"):
        state.config_of(7)


def test_a_plan_is_made_once_and_read_back(tmp_path: Path, state: State) -> None:
    assert state.plan(1, "collect", "os", lambda: ["b", "a"]) == ["b", "a"]
    assert State(tmp_path).plan(1, "collect", "os", lambda: ["other"]) == ["b", "a"]
    assert state.plan(1, "collect", "db", lambda: []) == []
    assert state.plan(1, "collect", "db", lambda: ["late"]) == [], "an empty plan is a plan"


def test_a_plan_that_could_not_be_made_is_made_by_the_next_call(state: State) -> None:
    with pytest.raises(ZeroDivisionError):
        state.plan(1, "collect", "os", lambda: [str(1 // 0)])
    assert state.plan(1, "collect", "os", lambda: ["a"]) == ["a"]


def test_processes_agree_on_numbers_and_plans(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENER, str(tmp_path)]
    openers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "ab"]
    told = {opener.communicate(timeout=60)[0] for opener in openers}
    assert len(told) == 1
    assert sorted(line.split()[0] for line in told.pop().splitlines()) == ["1", "2", "3"]


def test_a_journal_gives_the_turns_back_in_order(state: State) -> None:
    state.append("e", 1, 1, "cat a", "text")
    state.append("e", 1, 0, "ls", "a")
    state.append("e", 2, 0, "pwd", "/")
    assert state.journal("e", 1) == [Entry(0, "ls", "a"), Entry(1, "cat a", "text")]
    assert state.count_journalled() == 2


def test_the_same_turn_twice_is_one_and_another_at_its_place_is_told(state: State) -> None:
    state.append("e", 1, 0, "ls", "a")
    state.append("e", 1, 0, "ls", "a")
    with pytest.raises(WarehouseError, match="Is a second build running on this home"):
        state.append("e", 1, 0, "ls", "b")
    assert state.journal("e", 1) == [Entry(0, "ls", "a")]


def test_landed_rollouts_are_forgotten(state: State) -> None:
    for episode in ("a", "b"):
        state.append(episode, 1, 0, "ls", "x")
    state.clear_journal(["a"])
    assert state.journal("a", 1) == []
    assert state.count_journalled() == 1


def test_a_journal_outlives_kill_9(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", JOURNALLER, str(tmp_path)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert len(State(tmp_path).journal("episode", 1)) == 5


def test_threads_share_a_state(state: State) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: state.append(f"e{n % 4}", 1, n, "ls", "x"), range(40)))
    assert state.count_journalled() == 4


def test_journalling_a_turn_takes_less_than_a_millisecond(state: State) -> None:
    best = min(_seconds_for_a_hundred(state, name) for name in "abc") / 100
    assert best < 0.001


def _seconds_for_a_hundred(state: State, episode: str) -> float:
    began = time.perf_counter()
    for index in range(100):
        state.append(episode, 1, index, "ls", "x" * 800)
    return time.perf_counter() - began


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(WarehouseError, match=r"state\.sqlite: file is not a database"):
        State(tmp_path)
