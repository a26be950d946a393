"""Recorded episodes beside ours: how they are counted, and InterCode's whole set run again on a real MariaDB."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recorded import sql
from benchmarks.recorded.__main__ import marks, replace_section
from benchmarks.recorded.agreement import UNEXPLAINED, Case, Difference, Goal, Group, cases, missed, replay
from schemas.episode import Episode, Solver
from schemas.recording import SUBMIT, RecordedTurn, Recording
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

REPO = Path(__file__).resolve().parent.parent.parent
DATA = REPO.parent / "shared" / "data" / "intercode"
PAGE = REPO / "docs" / "recorded-episodes.md"
A_FEW = 8
"""By so many episodes a count may move: the engine chooses among equals anew in every run."""


def case(
    *differences: Difference, success: bool = True, verdict: str = "passed", detail: str = "", seen: str = "[]"
) -> Case:
    gold = (Script(code="SELECT a FROM t"),)
    provenance = Provenance(source="t:1")
    spec = TaskSpec.make(
        environment="db",
        instruction="?",
        setup=Setup(),
        reference=gold,
        check=Check(kind="result"),
        origin="recorded",
        provenance=provenance,
    )
    turns = (
        RecordedTurn(action="SELECT b FROM t", action_kind="sql", observation=seen),
        RecordedTurn(action="", action_kind=SUBMIT),
    )
    said: dict[str, Any] = {"model": "m", "agent": "a", "success": success, "source": "log.jsonl:1", "license": "MIT"}
    recording = Recording.make(task_id=spec.task_id, environment="db", turns=turns, reward=float(success), **said)
    solver = Solver(kind="recorded", solver_id="s")
    episode = Episode.model_validate(
        {
            **{"episode_id": "e", "task_id": spec.task_id, "environment": "db", "origin": "recorded", "solver": solver},
            **{"world_id": "w", "build": 1, "attempt": 1, "reward": 0.0, "n_turns": 2, "landing": "l"},
            **{"outcome": "finished", "verdict": verdict, "verdict_detail": detail},
        }
    )
    return Case(spec, recording, episode, differences)


def test_an_unknown_verdict_agrees_with_nobody() -> None:
    assert case().verdict_agrees and case(success=False, verdict="failed").verdict_agrees
    assert not case(verdict="failed").verdict_agrees and not case(verdict="unknown").verdict_agrees


def test_a_goal_that_is_missed_is_told() -> None:
    good, bad = case(), case(Difference("SELECT b FROM t", "[]", "[(1,)]"), verdict="failed")
    goals = (Goal("m", "a", 0.5),)
    assert missed([good, bad], goals, (0.5, 1.0)) == []
    assert missed([bad, bad, good], goals, (0.3, 1.0)) == ["m, a: observations agree in less than 50%"]
    assert missed([good, bad], goals, (0.6, 1.0)) == ["verdicts agree in less than 60% of 2 episodes"]
    assert missed([good], (Goal("nobody", "a", 0.1),), (0.0, 0.0)) == ["nobody, a: observations agree in less than 10%"]


DIFFERENCES: dict[str, tuple[Difference, Group]] = {
    "a table that was left": (
        Difference("SELECT * FROM players", "[]", "Error: Table 'poker.players' doesn't exist"),
        sql.LEFT,
    ),
    "a list that shows what was left": (
        Difference("SHOW TABLES", "[('a',), ('left',)]", "[('a',)]"),
        sql.LEFT,
    ),
    "a list that lacks something": (Difference("SHOW TABLES", "[('a',)]", "[('a',), ('b',)]"), sql.CATALOGUE),
    "a tie": (Difference("SELECT a FROM t ORDER BY b LIMIT 1", "[(1,)]", "[(2,)]"), sql.TIES),
    "plain rows that differ": (Difference("SELECT a FROM t", "[(1,)]", "[(2,)]"), UNEXPLAINED),
    "an error of ours alone": (Difference("SELECT a FROM t", "[(1,)]", "Error: something broke"), UNEXPLAINED),
    "an episode that had ended": (Difference("SELECT a FROM t", "[(1,)]", None), UNEXPLAINED),
    "a syntax error of theirs": (
        Difference("SELECT a FROM t", "Error executing query: You have an error in your SQL syntax", "[(1,)]"),
        UNEXPLAINED,
    ),
}


@pytest.mark.parametrize("way", DIFFERENCES)
def test_only_what_a_rule_proves_is_explained(way: str) -> None:
    difference, group = DIFFERENCES[way]
    assert sql.difference_group(difference) is group


def test_a_verdict_that_differs_on_the_same_result_needs_a_reason_of_its_own() -> None:
    empty = "answered_without_acting: no statement that ran had read or changed a table"
    assert sql.verdict_group(case()) is None
    assert sql.verdict_group(case(verdict="failed", detail=empty)) is sql.EMPTY
    assert sql.verdict_group(case(verdict="failed", detail=empty, seen="[(1,)]")) is UNEXPLAINED
    assert sql.verdict_group(case(success=False, seen="[(1.5,)]")) is sql.TEXTS
    assert sql.verdict_group(case(success=False, seen="[(1,)]")) is UNEXPLAINED
    assert sql.unexplained([case(), case(verdict="failed")]) == ["log.jsonl:1: no group explains it"]


def test_a_section_is_put_where_it_stands_and_nowhere_else() -> None:
    start, end = marks("sql").start, marks("sql").end
    page = replace_section(f"before\n{start}\nold\n{end}\nafter\n", "sql", ["new"])
    assert page == f"before\n{start}\n\nnew\n\n{end}\nafter\n"
    with pytest.raises(SystemExit, match="the page has no section bash"):
        replace_section(page, "bash", ["new"])


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], Counter[str]]:
    """All of InterCode's SQL episodes run again: some minutes."""
    if not DATA.is_dir():
        pytest.skip("../shared/data/intercode is absent")
    if shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("no MariaDB server program: apt install mariadb-server")
    home = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJMILL_HOME", str(home))
        told = replay("intercode-sql", [DATA / name for name in sql.FILES], sql.options(DATA), "db")
    return cases(home, "db", sql.agrees), told


@pytest.mark.engines
def test_verdicts_and_observations_reach_their_goals_and_every_disagreement_is_explained(replayed: Any) -> None:
    found, told = replayed
    assert missed(found, sql.GOALS, sql.VERDICTS) == [] and sql.unexplained(found) == []
    assert len(found) == told["kept"] and told.total() == 1400


@pytest.mark.engines
def test_the_page_says_what_a_run_gives(replayed: Any) -> None:
    """But for what the engine chooses anew: there, counts may move by a few."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(marks("sql").start)[2].partition(marks("sql").end)[0].splitlines()
    made = sql.render(*replayed)
    assert [row for row in rows(made) if sql.TIES.name not in row] == [
        row for row in rows(section) if sql.TIES.name not in row
    ]
    for ours, theirs in zip(counts(made), counts(section), strict=True):
        assert ours[0] == theirs[0] and all(abs(a - b) <= A_FEW for a, b in zip(ours[1], theirs[1], strict=True))


def rows(lines: list[str]) -> list[str]:
    """Return the verdicts that differ, case by case, without the texts of answers."""
    return ["|".join(line.split("|")[:5]) for line in lines if line.startswith("| `sql_")]


def counts(lines: list[str]) -> list[tuple[str, list[int]]]:
    """Return every other row of a table: its words, sorted, and its whole numbers."""
    others = [line for line in lines if line.startswith("| ") and not line.startswith("| `sql_")]
    plain = [re.sub(r"\(?\d+\.\d+%\)?|`[^`]*`", "", line) for line in others]
    return sorted((re.sub(r"\d+", "", line), [int(n) for n in re.findall(r"\d+", line)]) for line in plain)
