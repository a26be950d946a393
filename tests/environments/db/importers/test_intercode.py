"""InterCode-SQL: what was executed, what was handed in, and every line that cannot be used by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.db.importers.intercode import BadGold, Gold, read_recordings
from environments.db.statement import read_statement
from schemas.recording import SUBMIT, Recorded, Recording
from schemas.rejection import Rejection

TASK = {
    "task_id": 7,
    "db": "garden",
    "gold": "SELECT name FROM plants ORDER BY height",
    "query": "Plants by height?",
    "hardness": "extra",
    "db_tables": {},
}
EPISODE: dict[str, Any] = {
    "env": "sql",
    "model": "gpt-4",
    "prompting": "react",
    "task_id": 7,
    "query": "Plants by height?",
    "turns": [
        {"thought": "Look.\n", "action": "execute[SELECT a[1]\nFROM t]\nObservation", "observation": "[]"},
        {"thought": "Hm.", "action": "execute[SELECT name FROM", "observation": "Error"},
        {"thought": "EXCEEDED MAX TURNS: submit", "action": "submit", "observation": "[]"},
    ],
    "max_reward": 0.97,
    "turns_max": 10,
}


def classify(sql: str) -> Gold:
    if "nonsense" in sql:
        raise BadGold("sql_unreadable", "no SQL")
    return read_statement(sql, "mysql")


def read(tmp_path: Path, *episodes: object, tasks: tuple[object, ...] = (TASK,)) -> list[Recorded | Rejection]:
    for name, rows in (("e.jsonl", episodes), ("t.jsonl", tasks)):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (tmp_path / name).write_text("".join(line + "\n" for line in lines))
    return list(read_recordings([tmp_path / "e.jsonl"], tmp_path / "t.jsonl", "f" * 64, classify))


def one(tmp_path: Path, **fields: object) -> Recorded:
    (row,) = read(tmp_path, EPISODE | fields)
    assert isinstance(row, Recorded), row
    return row


def recording(tmp_path: Path, **fields: object) -> Recording:
    return one(tmp_path, **fields).recording


def test_the_task_is_judged_by_the_gold_s_rows_in_its_order(tmp_path: Path) -> None:
    _, spec = one(tmp_path)
    assert spec is not None
    assert (spec.setup.database, spec.setup.database_name, spec.setup.dialect) == ("f" * 64, "garden", "mysql")
    assert (spec.check.kind, spec.check.ordered, spec.reference[0].code) == ("result", True, TASK["gold"])
    assert (spec.origin, spec.license, spec.difficulty, spec.family) == ("recorded", "MIT", 3, "other")
    assert (spec.labels, spec.provenance.source) == (("hardness:extra",), "t.jsonl:1")


def test_a_react_action_is_what_stood_in_execute_and_what_could_not_be_read_stays(tmp_path: Path) -> None:
    made = recording(tmp_path)
    assert [(turn.action_kind, turn.action) for turn in made.turns] == [
        ("sql", "SELECT a[1]\nFROM t"),
        ("sql", "SELECT name FROM"),
        (SUBMIT, ""),
    ]
    assert [turn.thought for turn in made.turns] == ["Look.", "Hm.", None]  # the last was the recorder's, no model's
    assert (made.model, made.agent, made.reward, made.success) == ("gpt-4", "intercode-react", 0.97, False)
    assert (made.source, made.license) == ("e.jsonl:1", "MIT")


def test_a_multi_turn_episode_hands_in_its_last_result(tmp_path: Path) -> None:
    turns = [{"action": "SHOW TABLES", "observation": "[]", "reward": 0.0, "valid_action": True}]
    made = recording(tmp_path, prompting="multiturn", turns=turns, max_reward=1.0)
    assert [(turn.action_kind, turn.action) for turn in made.turns] == [("sql", "SHOW TABLES"), (SUBMIT, "")]
    assert made.turns[1].observation is None and made.success is True


@pytest.mark.parametrize(
    ("episode", "reason", "said"),
    [
        ("{", "not_json", "unexpected end"),
        ({"env": "sql"}, "not_intercode", "model: it is missing"),
        (EPISODE | {"env": "bash"}, "other_world", "`env` is 'bash'"),
        (EPISODE | {"task_id": 8}, "no_task", "no line of --tasks has the task_id 8"),
        (EPISODE | {"query": "Else?"}, "other_question", "the episode 'Else?'"),
        (EPISODE | {"turns": []}, "no_turns", "nothing was done"),
    ],
)
def test_an_episode_that_cannot_be_used_says_why(tmp_path: Path, episode: object, reason: str, said: str) -> None:
    bad, good = read(tmp_path, episode, EPISODE)
    assert isinstance(bad, Rejection) and isinstance(good, Recorded)
    assert (bad.reason, bad.source) == (reason, "e.jsonl:1") and said in bad.detail


@pytest.mark.parametrize(
    ("task", "reason", "said"),
    [
        (TASK | {"gold": "nonsense"}, "sql_unreadable", "no SQL"),
        (TASK | {"db": None}, "no_database", "does not name the database"),
        ("{}", "not_intercode", "it is missing"),
    ],
)
def test_a_task_that_cannot_be_used_is_told_and_so_are_its_episodes(
    tmp_path: Path, task: object, reason: str, said: str
) -> None:
    first, second = read(tmp_path, EPISODE, tasks=(task,))
    assert isinstance(first, Rejection) and isinstance(second, Rejection)
    assert (first.reason, first.source) == (reason, "t.jsonl:1") and said in first.detail
    assert second.reason == "no_task"
