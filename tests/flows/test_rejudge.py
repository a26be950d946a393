"""`trajmill verify --rejudge`: accepted episodes of a home of an earlier commit, judged by today's checks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from commands import rejudge
from commands.cli import run
from environments.db.world import DbWorld
from flows.own_home import own_home
from schemas.episode import Episode
from warehouse.warehouse import Warehouse

Call = Callable[..., "tuple[int, str, str]"]
CONFIG = Path(__file__).resolve().parents[1] / "fixtures" / "home-12dff63" / "config.toml"
ACCEPTED = "latest_episodes", "verdict = 'passed'"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, old_home: Path) -> Call:
    """Call the command in this process, without any key of a teacher."""
    monkeypatch.setenv("TRAJMILL_HOME", str(old_home))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return lambda *arguments: (run([*arguments]), *capsys.readouterr())


def judge(call: Call, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = call("verify", "--rejudge", *arguments, "--json")
    assert out, err
    return code, json.loads(out)


def counts(found: dict[str, Any]) -> dict[str, int]:
    return {name: found[name] for name in ("judged", "stand", "fall", "unknown", "landed", "waiting")}


def asked(home: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db:
        return db.execute("SELECT request_hash FROM completions ORDER BY row_id").fetchall()


def land_another_try(home: Path, episode: Episode, **changes: Any) -> None:
    """Land a later try of an episode with the turns of the one before."""
    warehouse, landing = Warehouse(home), "again"
    turns = warehouse.read("turns", "episode_id = ? AND landing = ?", (episode.episode_id, episode.landing))
    warehouse.land("turns", [turn.model_copy(update={"landing": landing}) for turn in turns], key="again/turns")
    again = {"landing": landing, "try_number": episode.try_number + 1, **changes}
    warehouse.land("episodes", [episode.model_copy(update=again)], key="again")


def test_what_weaker_checks_accepted_is_judged_part_by_part_and_nothing_else_changes(
    call: Call, old_home: Path
) -> None:
    warehouse = Warehouse(old_home)
    everything, bought = warehouse.count(*ACCEPTED), asked(old_home)
    before = {table: warehouse.digest(table) for table in ("episodes", "turns", "trajectories", "rejections")}
    code, found = judge(call, "--sample", "3")
    assert code == 0 and counts(found) == {
        **{"judged": 3, "stand": 3, "fall": 0, "unknown": 0, "landed": 3, "waiting": everything - 3}
    }
    drawn = {row["episode_id"] for row in found["rows"]}
    code, found = judge(call)
    assert code == 0 and (found["judged"], found["waiting"]) == (everything - 3, 0)
    assert not drawn & {row["episode_id"] for row in found["rows"]}
    assert judge(call)[1]["judged"] == 0, "every one was judged"
    assert {table: warehouse.digest(table) for table in before} == before and asked(old_home) == bought
    code, out, _ = call(
        "sql", "SELECT DISTINCT check_contract FROM latest_verdicts WHERE verdict = 'passed' ORDER BY 1", "--json"
    )
    assert (code, json.loads(out)["rows"]) == (0, [[3]])


def test_a_false_acceptance_falls_and_is_told_by_table_show_and_sql(
    call: Call, old_home: Path, accept_falsely: Callable[[Path], str]
) -> None:
    false = accept_falsely(old_home)
    code, out, _ = call("verify", "--rejudge", false[:12])
    assert code == 1 and "1 judged again: 0 stand, 1 do not, 0 could not be run" in out
    (line,) = [line for line in out.splitlines() if line.startswith(false)]
    assert "passed, reward 1" in line and "failed, reward 0" in line and "nobody knows" in line
    (row,) = Warehouse(old_home).read("verdicts")
    assert (row.episode_id, row.verdict, row.check_contract, row.number, row.try_number) == (false, "failed", 3, 1, 2)
    assert row.shows_same, "what its actions showed is what was recorded"
    code, found = judge(call, false)
    assert (code, found["fall"], found["landed"]) == (1, 1, 0), "the same said again is no second row"
    trajectory = Warehouse(old_home).column("trajectories", "trajectory_id", "episode_id = ?", (false,))[0]
    for id_ in (false, trajectory):
        shown = call("show", id_)[1]
        assert "Judged again" in shown and row.detail[:20] in shown
        assert [one["verdict"] for one in json.loads(call("show", id_, "--json")[1])["verdicts"]] == ["failed"]
    code, out, _ = call("sql", "FROM latest_verdicts WHERE NOT stands", "--json")
    assert (code, [one[0] for one in json.loads(out)["rows"]]) == (0, [false])


def test_another_outcome_under_the_same_checks_is_another_row_and_the_newest_counts(
    call: Call, old_home: Path, accept_falsely: Callable[[Path], str]
) -> None:
    (right,) = Warehouse(old_home).read("latest_episodes", "episode_id = ?", (accept_falsely(old_home),))
    judge(call, right.episode_id)
    warehouse = Warehouse(old_home)
    turns = warehouse.read("turns", "episode_id = ? AND landing <> 'false'", (right.episode_id,))
    warehouse.land("turns", [turn.model_copy(update={"landing": "right"}) for turn in turns], key="right/turns")
    mended = right.model_copy(update={"landing": "right", "try_number": right.try_number + 1})
    warehouse.land("episodes", [mended], key="right")
    code, found = judge(call, right.episode_id)
    assert (code, found["stand"], found["landed"]) == (0, 1, 1)
    said = warehouse.query("SELECT number, verdict FROM verdicts ORDER BY number")
    assert said == [(1, "failed"), (2, "passed")]
    assert warehouse.column("latest_verdicts", "number", "episode_id = ?", (right.episode_id,)) == [2]


def test_what_today_s_checks_accepted_waits_for_none_and_is_no_row_where_it_passes_again(
    call: Call, old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (episode, *_) = Warehouse(old_home).read("latest_episodes", "verdict = 'passed' AND environment = 'db'")
    land_another_try(old_home, episode, check_contract=3)
    code, found = judge(call, episode.episode_id)
    assert (code, found["stand"], found["landed"]) == (0, 1, 0)
    assert episode.episode_id not in {row["episode_id"] for row in judge(call)[1]["rows"]}
    monkeypatch.setattr(DbWorld, "check_contract", 4)
    accepted = Warehouse(old_home).count("latest_episodes", "verdict = 'passed' AND environment = 'db'")
    found = judge(call)[1]
    assert counts(found) == {
        **{"judged": accepted, "stand": accepted, "fall": 0, "unknown": 0, "landed": accepted, "waiting": 0}
    }


def test_one_that_ended_early_goes_on_where_it_stood(
    call: Call, old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A world that does not open ends the run; what was judged before it has landed."""
    monkeypatch.setattr(rejudge, "SHARD_SIZE", 1)
    with closing(sqlite3.connect(old_home / "state.sqlite")) as db, db:
        stood = db.execute("SELECT number, config_json FROM builds").fetchall()
        for number, config in stood:
            changed = json.loads(config)
            changed["collect"]["sandbox"]["image"] = "/no/such/image.tar"
            db.execute("UPDATE builds SET config_json = ? WHERE number = ?", (json.dumps(changed), number))
    code, out, err = call("verify", "--rejudge", "--seed", "1")
    assert code == 2 and "/no/such/image.tar" in err
    first = Warehouse(old_home).column("verdicts", "episode_id")
    assert first and f"{len(first)} of {Warehouse(old_home).count(*ACCEPTED)} judged" in out
    with closing(sqlite3.connect(old_home / "state.sqlite")) as db, db:
        db.executemany("UPDATE builds SET config_json = ?2 WHERE number = ?1", stood)
    code, found = judge(call, "--seed", "1")
    assert code == 0 and not set(first) & {row["episode_id"] for row in found["rows"]}
    assert len(first) + found["landed"] == Warehouse(old_home).count("verdicts") == Warehouse(old_home).count(*ACCEPTED)


def test_what_cannot_be_run_to_its_end_is_unknown_stands_as_it_was_and_is_tried_again_last(
    call: Call, old_home: Path
) -> None:
    (episode, *_) = Warehouse(old_home).read("latest_episodes", "verdict = 'passed' AND environment = 'db'")
    land_another_try(old_home, episode, build=99)
    for landed in (1, 0):
        code, found = judge(call, episode.episode_id)
        assert (code, found["unknown"], found["landed"], found["rows"][0]["stands"]) == (1, 1, landed, True)
    (row,) = Warehouse(old_home).read("verdicts")
    assert row.verdict == "unknown" and "knows no build 99" in row.detail and not row.shows_same
    everything = Warehouse(old_home).count(*ACCEPTED)
    assert (judge(call, "--sample", str(everything - 1))[0], judge(call)[1]["unknown"]) == (0, 1)


def test_a_world_that_is_not_installed_is_told_and_left_alone(call: Call, old_home: Path) -> None:
    (episode, *_) = Warehouse(old_home).read("latest_episodes", "verdict = 'passed'")
    gone = {"episode_id": "gone", "task_id": "gone", "environment": "moon", "landing": "gone"}
    Warehouse(old_home).land("episodes", [episode.model_copy(update=gone)], key="gone")
    code, out, _ = call("verify", "--rejudge", "--sample", "1")
    assert code == 0 and "of the world 'moon', which is not installed here, were left alone: 1." in out
    assert judge(call, "--sample", "1")[1]["not_installed"] == {"moon": 1}


def test_it_waits_for_no_other_run_and_says_what_it_cannot_judge(call: Call, old_home: Path) -> None:
    task = Warehouse(old_home).column("task_specs", "task_id")[0]
    code, _, err = call("verify", "--rejudge", task)
    assert code == 2 and f"is a task; episodes and trajectories are judged again, `trajmill verify {task[:12]}`" in err
    with own_home(old_home):
        code, _, err = call("verify", "--rejudge")
    assert code == 2 and "another run works on" in err
    assert Warehouse(old_home).count("verdicts") == 0


@pytest.mark.slow
def test_the_next_release_leaves_it_out_and_says_so_on_stdout_in_the_card_and_in_the_log(
    call: Call, old_home: Path, accept_falsely: Callable[[Path], str], trajmill: Callable[..., Any]
) -> None:
    false = accept_falsely(old_home)
    assert judge(call, false)[0] == 1
    ran = trajmill("publish", "--config", str(CONFIG), "--json", home=old_home)
    assert ran.code == 0, ran.err
    kept = Warehouse(old_home).count("trajectories")
    told = [note for note in ran.json["notes"] if "agent row" in note]
    assert told[0].startswith("1 agent row left out: judged again")
    assert sum(int(note.split()[0]) for note in told[1:]) == kept - 1 and "contract 1" in told[-1]
    card = Path(ran.json["path"], "README.md").read_text(encoding="utf-8")
    with closing(sqlite3.connect(old_home / "prefect" / "prefect.db")) as db:
        logged = [message for (message,) in db.execute("SELECT message FROM log")]
    assert all(note in card and note in logged for note in told)
