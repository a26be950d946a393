from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from schemas.errors import WarehouseError
from warehouse.state import Build, JournalEntry, State

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
    assert state.open_build("build", "h", "{}") == Build(1, False, "h", "{}")
    assert state.open_build("build", "h", "{}") == Build(1, True, "h", "{}")
    state.finish_build(1)
    assert state.open_build("build", "h", "{}") == Build(2, False, "h", "{}")


def test_numbers_are_unique_over_kinds(state: State) -> None:
    kinds = ("build", "collect", "curate", "build")
    assert [state.open_build(kind, "h", "{}").number for kind in kinds] == [1, -1, -2, 1]


def test_a_stage_by_itself_takes_no_number_of_a_build(state: State) -> None:
    assert state.open_build("collect", "h", "{}").number == -1 and state.last_build() == -1
    for expected in (1, 2):
        assert state.open_build("build", "h", "{}").number == expected == state.last_build()
        state.finish_build(expected)
    state.finish_build(-1)
    assert state.open_build("collect", "h", "{}").number == -2 and state.stages_alone() == [-2, -1]


def test_an_unfinished_build_says_with_which_configuration_it_began(state: State) -> None:
    state.open_build("build", "old", '{"seed": 1}')
    assert state.open_build("build", "new", '{"seed": 2}').config_hash == "old"
    assert state.config_of(1) == '{"seed": 1}'


def test_an_abandoned_build_is_not_continued_and_its_number_not_used_again(state: State) -> None:
    state.open_build("build", "old", "{}")
    state.abandon_build(1)
    assert state.open_build("build", "new", "{}") == Build(2, False, "new", "{}")


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
    told = {opener.communicate()[0] for opener in openers}
    assert len(told) == 1
    assert sorted(line.split()[0] for line in told.pop().splitlines()) == ["-1", "-2", "1"]


def test_those_who_open_a_new_home_at_the_same_moment_wait_for_each_other(tmp_path: Path) -> None:
    """The switch to WAL is refused at once where another process is switching: one in some tries met it."""
    with ThreadPoolExecutor(6) as pool:
        for turn in range(60):
            opened = pool.map(State, [tmp_path / str(turn)] * 6)
            assert [state.last_build() for state in opened] == [None] * 6


def test_a_journal_gives_the_turns_back_in_order(state: State) -> None:
    state.append("e", 1, 1, "cat a", "text")
    state.append("e", 1, 0, "ls", "a")
    state.append("e", 2, 0, "pwd", "/")
    assert state.journal("e", 1) == [JournalEntry(0, "ls", "a"), JournalEntry(1, "cat a", "text")]
    assert state.count_journalled() == 2


def test_the_same_turn_twice_is_one_and_another_at_its_place_is_told(state: State) -> None:
    state.append("e", 1, 0, "ls", "a")
    state.append("e", 1, 0, "ls", "a")
    with pytest.raises(WarehouseError, match="Is a second build running on this home"):
        state.append("e", 1, 0, "ls", "b")
    assert state.journal("e", 1) == [JournalEntry(0, "ls", "a")]


def test_landed_rollouts_are_forgotten(state: State) -> None:
    for episode in ("a", "b"):
        state.append(episode, 1, 0, "ls", "x")
    state.append("b", 2, 0, "ls", "x")
    assert state.journalled() == [("a", 1), ("b", 1), ("b", 2)]
    state.clear_journal(["a"])
    assert state.journal("a", 1) == []
    assert state.count_journalled() == 2


def test_a_journal_outlives_kill_9(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", JOURNALLER, str(tmp_path)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert len(State(tmp_path).journal("episode", 1)) == 5


def test_threads_share_a_state(state: State) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: state.append(f"e{n % 4}", 1, n, "ls", "x"), range(40)))
    assert state.count_journalled() == 4


def test_journalling_a_turn_is_one_statement_that_waits_for_no_disk(state: State) -> None:
    statements: list[str] = []
    state._connection.set_trace_callback(statements.append)
    state.append("episode", 1, 0, "ls", "x" * 800)
    state._connection.set_trace_callback(None)
    assert [statement.split()[0] for statement in statements] == ["INSERT"]
    kept = [state._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert kept == ["wal", 1], "NORMAL: a commit is written, not synced"


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(WarehouseError, match=r"state\.sqlite: file is not a database"):
        State(tmp_path)


def test_a_file_of_an_earlier_version_gains_what_came_since(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db:
        db.execute(
            "CREATE TABLE builds (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, config_hash TEXT NOT NULL, "
            "config_json TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT, "
            "abandoned INTEGER NOT NULL DEFAULT 0) STRICT"
        )
        db.execute("INSERT INTO builds VALUES (1, 'build', 'h', '{}', 'then', NULL, 0)")
        db.commit()
    for _ in range(2):
        state = State(tmp_path)
        assert state.unfinished_build("build") == Build(1, True, "h", "{}", None)
    state.abandon_build(1)
    state.open_build("build", "h", "{}", "more")
    assert state.unfinished_build("build") == Build(2, True, "h", "{}", "more")


@pytest.mark.parametrize(
    "spoil",
    [lambda whole: whole[: len(whole) // 2], lambda whole: whole[:50], lambda whole: b"junk" * 500],
    ids=["half", "a beginning", "something else"],
)
def test_a_damaged_file_is_told_as_one(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    state = State(tmp_path)
    state.open_build("build", "hash", "x" * 100_000)
    state.close()
    path = tmp_path / "state.sqlite"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(WarehouseError, match="The file is damaged: restore it from a copy"):
        State(tmp_path).config_of(1)
