"""`trajmill verify` and the weekly check: on the rows of a real build, whole and tampered with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.cli import run
from flows.verify import past_reports, week_of, write_report
from reports.drift import by_cause, by_world, differing, drift_page, measure_drift, require_little_drift
from sandboxes.images import host_image
from schemas.errors import ExpectationError
from schemas.settings import default_cache
from schemas.task_spec import SOFTWARE
from schemas.verification import Difference, Verification
from warehouse.warehouse import Warehouse

Call = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def in_process(*arguments: str, home: Path) -> tuple[int, str, str]:
        monkeypatch.setenv("TRAJMILL_HOME", str(home))
        return run(["verify", *arguments]), *capsys.readouterr()

    return in_process


@pytest.fixture(scope="session")
def tampered(smoke: Any, tamper: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the smoke home in which one accepted database episode has seen another value than was there."""
    home: Path = smoke.copy(tmp_path_factory.mktemp("tampered") / "home")
    return home, tamper(home)


def test_a_build_s_database_episodes_come_out_the_same(call: Call, smoke: Any) -> None:
    ids = Warehouse(smoke.home).column("trajectories", "trajectory_id", "environment = 'db'")
    code, out, _ = call(*(id_[:12] for id_ in ids), "--json", home=smoke.home)
    found = json.loads(out)
    assert (code, found["verified"], found["same"], found["elsewhere"], found["without_state"]) == (
        0,
        *[len(ids)] * 2,
        0,
        0,
    )
    assert found["by_cause"] == [] and {row["kind"] for row in found["rows"]} == {"episode"}


def test_every_episode_of_a_build_names_its_image_its_walls_with_their_limits_its_software_and_its_state(
    smoke: Any,
) -> None:
    query = (
        "SELECT DISTINCT environment, image, sandbox, software, state_digest IS NULL FROM episodes "
        "WHERE outcome = 'finished' ORDER BY 1"
    )
    db, shell = Warehouse(smoke.home).query(query)
    assert db == ("db", f"sqlite {sqlite3.sqlite_version}", "jailed worker/rlimit", SOFTWARE, False)
    assert shell == ("os", host_image(default_cache()).digest, "bubblewrap/rlimit", SOFTWARE, False)


def test_a_sample_is_drawn_by_its_seed_and_shows_a_table(call: Call, smoke: Any) -> None:
    def drawn(seed: int) -> list[str]:
        found = json.loads(call("--sample", "3", "--seed", str(seed), "--json", home=smoke.home)[1])
        assert found["verified"] == 3 == found["same"] + found["by_nature"] + found["differs"]
        return [row["id"] for row in found["rows"]]

    assert drawn(1) == drawn(1) != drawn(2)
    assert "What came of running them again" in call("--sample", "1", home=smoke.home)[1]


def test_a_task_proves_itself_again(call: Call, smoke: Any) -> None:
    task = Warehouse(smoke.home).column("task_specs", "task_id", "environment = 'db'")[0]
    code, out, _ = call(task, task[:16], "--json", home=smoke.home)
    assert code == 0 and [(row["id"], row["kind"]) for row in json.loads(out)["rows"]] == [(task, "task")]


def test_what_differs_is_shown_with_turn_and_cause_and_the_exit_code_says_so(
    call: Call, tampered: tuple[Path, str]
) -> None:
    home, episode_id = tampered
    before = {table: Warehouse(home).digest(table) for table in ("episodes", "turns", "rejections")}
    code, out, _ = call(episode_id, home=home)
    assert code == 1 and "turn 0" in out and "- somebody else's rows" in out and "text" in out
    found = json.loads(call(episode_id, "--json", home=home)[1])
    assert (found["same"], found["differs"]) == (0, 1)
    assert [d["where"] for d in found["rows"][0]["differences"]] == ["turn 0"]
    assert {table: Warehouse(home).digest(table) for table in before} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "verify needs ids of episodes, trajectories or tasks, or --sample N"),
        (("zzz",), "no id begins with 'zzz'"),
        (("--sample", "0"), "Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_call_says_what_is_allowed(call: Call, smoke: Any, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = call(*arguments, home=smoke.home)
    assert (code, out) == (2, "") and told in err


def test_a_row_that_proves_nothing_is_refused(call: Call, smoke: Any, tmp_path: Path) -> None:
    chat = Warehouse(smoke.home).column("conversations", "conversation_id")[0]
    code, _, err = call(chat, home=smoke.home)
    assert code == 2 and "is a row of conversations; episodes, trajectories and tasks have a proof to run again" in err
    home = smoke.copy(tmp_path / "home")
    (episode, *_) = Warehouse(home).read("latest_episodes")
    cut = {"outcome": "environment_error", "verdict": "unknown", "try_number": 9, "landing": "cut"}
    Warehouse(home).land("episodes", [episode.model_copy(update=cut)], key="cut")
    code, _, err = call(episode.episode_id, home=home)
    assert code == 2 and "it proves nothing that could be run again" in err


def verification(id_: str, *causes: str, elsewhere: str = "", broken: str = "") -> Verification:
    differences = tuple(
        Difference.model_validate({"where": "turn 0", "cause": c, "detail": "- a\n+ b"}) for c in causes
    )
    return Verification(
        id=id_, kind="episode", environment="os", elsewhere=elsewhere, broken=broken, differences=differences
    )


MIXED = [
    verification("same"),
    verification("clock", "times"),
    verification("pid", "times", "numbers"),
    verification("torn", broken="SandboxError: gone"),
    verification("old", "text", elsewhere="made on X, this is Y"),
    verification("old-same", elsewhere="made on X, this is Y"),
]


def test_drift_counts_what_differs_otherwise_than_by_nature_in_today_s_worlds() -> None:
    drift = measure_drift(MIXED)
    assert drift._asdict() == {
        **{"verified": 6, "same": 1, "by_nature": 1, "differs": 2},
        **{"elsewhere": 2, "elsewhere_differs": 1, "without_state": 0},
    }
    assert drift.share == 0.5 and measure_drift([]).share == 0.0
    assert [row["verified"] for row in by_world(MIXED).records()] == [2, 4]
    causes = {row["cause"]: (row["rows"], row["by nature"]) for row in by_cause(MIXED).records()}
    assert causes == {"times": (2, "yes"), "numbers": (1, ""), "text": (1, ""), "broken": (1, "")}
    assert [row["id"] for row in differing(MIXED).records()] == ["pid", "pid", "torn", "old", "clock"]


def test_drift_above_the_threshold_says_how_to_see_it() -> None:
    drift = measure_drift(MIXED)
    require_little_drift(drift, 0.5, 4, 7)
    with pytest.raises(ExpectationError, match=r"2 of 4 .* \(50\.0%; .*trajmill verify --sample 4 --seed 7"):
        require_little_drift(drift, 0.49, 4, 7)


def test_each_week_draws_another_part() -> None:
    assert week_of(datetime(2026, 11, 22, tzinfo=UTC)) == 202647
    assert week_of(datetime(2026, 11, 23, tzinfo=UTC)) == 202648


def test_reports_are_kept_and_the_page_shows_them_over_time(tmp_path: Path) -> None:
    drift = measure_drift(MIXED)
    for day in (1, 8):
        write_report(tmp_path, datetime(2026, 11, day, tzinfo=UTC), day, drift, MIXED)
    past = past_reports(tmp_path)
    assert [(report["seed"], report["share"], len(report["differing"])) for report in past] == [
        (8, 0.5, 4),
        (1, 0.5, 4),
    ]
    page = drift_page(drift, MIXED, past, 8)
    assert "# Drift: 50.0%" in page and "| 2026-11-08 | 8 | 6 | 2 | 50.0% |" in page
    assert (
        "| --- | --- |" in page
        and "<code>&#45; a</code><br><code>&#43; b</code>" in page
        and "made on X, this is Y" in page
    )
