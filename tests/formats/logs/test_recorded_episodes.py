"""A user's own logs: a line is a recording with its task, or says what is wrong with it; the schema is published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from formats.logs.recorded_episodes import episode_schema, main, read_episodes
from schemas.errors import InputError
from schemas.recording import Recorded, RecordedTurn
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

ROOT = Path(__file__).resolve().parents[3]
TASK: dict[str, Any] = {
    "environment": "os",
    "instruction": "How many files are in /srv?",
    "setup": {"init": [{"code": "touch /srv/a"}]},
    "reference": [{"code": "ls /srv | wc -l"}],
    "check": {"kind": "script", "scripts": [{"code": '[ "$1" = "$2" ]'}]},
}
TURNS = [
    {"thought": "Count.", "action_kind": "bash", "action": "ls /srv | wc -l", "observation": "1\n"},
    {"action_kind": "answer", "action": "1"},
]
LINE: dict[str, Any] = {"task": TASK, "model": "m", "agent": "a", "turns": TURNS, "reward": 1, "success": True}


def read(tmp_path: Path, *rows: object) -> list[Recorded | Rejection]:
    path = tmp_path / "log.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return list(read_episodes(path, license="MIT"))


def recorded(row: Recorded | Rejection) -> Recorded:
    assert isinstance(row, Recorded), row
    return row


def test_a_line_becomes_a_recording_of_its_task(tmp_path: Path) -> None:
    recording, spec = recorded(read(tmp_path, LINE)[0])
    assert isinstance(spec, TaskSpec) and recording.task_id == spec.task_id
    assert (spec.origin, spec.license, spec.provenance.source) == ("recorded", "MIT", "log.jsonl:1")
    assert (recording.model, recording.agent, recording.reward, recording.success) == ("m", "a", 1.0, True)
    assert (recording.source, recording.license, recording.environment) == ("log.jsonl:1", "MIT", "os")
    assert recording.turns[0] == RecordedTurn.model_validate(TURNS[0])
    assert (recording.turns[1].thought, recording.turns[1].observation) == (None, None)


def test_a_line_may_name_a_task_that_is_there_already_and_say_no_more_than_turns(tmp_path: Path) -> None:
    recording, spec = recorded(read(tmp_path, {"task_id": "t", "turns": TURNS, "license": "CC-BY-4.0"})[0])
    assert spec is None and (recording.task_id, recording.license) == ("t", "CC-BY-4.0")
    assert (recording.model, recording.agent, recording.reward, recording.success) == (None, None, None, None)


def test_the_task_s_own_origin_and_licence_win(tmp_path: Path) -> None:
    own = {**LINE, "task": {**TASK, "origin": "benchmark", "license": "Apache-2.0"}}
    _, spec = recorded(read(tmp_path, own)[0])
    assert spec is not None and (spec.origin, spec.license) == ("benchmark", "Apache-2.0")


@pytest.mark.parametrize(
    ("row", "reason", "said"),
    [
        ("{", "not_json", ""),
        ("1", "not_an_episode", "it must be an object with keys of"),
        ({"task": TASK}, "not_an_episode", "turns: it is missing"),
        ({"task": TASK, "turns": []}, "not_an_episode", "turns = []: it must have at least 1 entries"),
        ({"task": TASK, "turns": [{"action": "ls"}]}, "not_an_episode", "turns.0.action_kind: it is missing"),
        ({**LINE, "rewrad": 1}, "not_an_episode", "rewrad: there is no such key; allowed are"),
        ({"turns": TURNS}, "not_a_task", "either `task`, the task itself, or `task_id`"),
        ({**LINE, "task_id": "t"}, "not_a_task", "either `task`, the task itself, or `task_id`"),
    ],
)
def test_a_bad_line_says_what_is_wrong_where_and_costs_no_other(
    tmp_path: Path, row: object, reason: str, said: str
) -> None:
    bad, good = read(tmp_path, row, LINE)
    assert isinstance(bad, Rejection) and isinstance(good, Recorded)
    assert (bad.stage, bad.reason, bad.source) == ("import", reason, "log.jsonl:1") and said in bad.detail


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl"):
        list(read_episodes(tmp_path / "none.jsonl"))


def test_the_published_schema_is_the_one_in_the_docs_and_holds_all_that_it_refers_to(tmp_path: Path) -> None:
    assert main(["--check", str(ROOT / "docs" / "recorded-episode.schema.json")]) == 0
    assert main(["--check", str(tmp_path / "none.json")]) == 1
    schema = episode_schema()
    named = {part.split('"')[0] for part in json.dumps(schema).split("#/$defs/")[1:]}
    assert named <= set(schema["$defs"]) and {"Task", "RecordedTurn"} <= named
    assert schema["required"] == ["turns"]
