"""InterCode-Bash: commands as their recorder ran them, its file systems, and every line that cannot be used by name."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from environments.os.importers.intercode import MOST_SCRIPT_BYTES, command_as_run, read_recordings
from schemas.errors import InputError
from schemas.recording import SUBMIT, Recorded
from schemas.rejection import Rejection

DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "intercode"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/intercode is absent")


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("ls -l /w | wc -l", "ls -l /w | wc -l"),
        ('find /w -name "*.txt"', "find /w -name *.txt"),  # its quotes were the recorder's
        (r"find /w -exec rm {} \;", r"find /w -exec rm {} \;"),
        ("awk '{print $1\" \"$2}'", shlex.join(["/bin/bash", "-c", "awk '{print $1", "$2}'"])),  # cut in two
        ("cd /w/a", "cd /w/a"),  # carried over by the recorder
        ("cd /w && ls", "/bin/bash -c 'cd /w && ls'"),  # by a shell of its own, which ended
        ("export A=1", "/bin/bash -c 'export A=1'"),
        ("A=1", "/bin/bash -c A=1"),
        ("exit 3", "/bin/bash -c 'exit 3'"),
        ("sleep 9 &", "/bin/bash -c 'sleep 9 &'"),
        ('echo "open', None),
        ("", None),
    ],
)
def test_a_command_is_what_the_recorder_ran(command: str, run: str | None) -> None:
    assert command_as_run(command) == run


TASK = {"task_id": 7, "query": "Which files?", "gold": 'find /w -name "*.txt"'}
EPISODE: dict[str, Any] = {
    "env": "bash",
    "model": "gpt-4",
    "prompting": "react",
    "task_id": 7,
    "query": "Which files?",
    "turns": [
        {"thought": "Look.", "action": 'execute[ls "/w"]', "observation": "a\n"},
        {"thought": "Hm.", "action": "ls\npwd", "observation": "Error executing query: Your last `execute` action did"},
        {"thought": "Done.", "action": "submit", "observation": "a\n"},
    ],
    "max_reward": 1.0,
}
FILES = {
    "root": "/w",
    "entries": [
        {"path": "/w", "type": "dir", "mode": "0o750"},
        {"path": "/w/it's", "type": "dir", "mode": "0o755"},
        {"path": "/w/it's/a b", "type": "file", "mode": "0o600", "text": "%s\\n\n$x\n", "mtime": 981173106},
        {"path": "/w/bytes", "type": "file", "mode": "0o644", "base64": "AP8="},
        {"path": "/w/empty", "type": "dir", "mode": "0o755"},
    ],
}


def read(folder: Path, *episodes: Any, task: Any = TASK, files: Any = FILES) -> list[Recorded | Rejection]:
    for name, rows in (("tasks", [task]), ("episodes", episodes)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "files").write_text(json.dumps(files))
    return list(read_recordings([folder / "episodes"], folder / "tasks", folder / "files"))


def test_an_episode_comes_in_with_its_task(tmp_path: Path) -> None:
    (row,) = read(tmp_path, EPISODE)
    assert isinstance(row, Recorded) and row.spec is not None
    recording, spec = row
    assert [(turn.action_kind, turn.action) for turn in recording.turns] == [
        ("bash", "ls /w"),
        ("bash", "# not run by the recorder: ls\n# not run by the recorder: pwd"),
        (SUBMIT, ""),
    ]
    assert (recording.task_id, recording.success, recording.agent) == (spec.task_id, True, "intercode-react")
    assert (spec.environment, spec.check.kind, spec.origin, spec.setup.cwd) == ("os", "changes", "recorded", "/")
    assert spec.reference[0].code == "find /w -name *.txt" and str(spec.explanation).endswith(TASK["gold"])


def test_the_file_system_is_built_as_the_manifest_says(tmp_path: Path) -> None:
    (row,) = read(tmp_path, EPISODE)
    assert isinstance(row, Recorded) and row.spec is not None
    script = row.spec.setup.init[0].code.replace("/w", str(tmp_path / "w"))
    subprocess.run(["bash", "-c", script], check=True, timeout=20)
    odd = tmp_path / "w" / "it's" / "a b"
    assert odd.read_text() == "%s\\n\n$x\n" and (tmp_path / "w" / "bytes").read_bytes() == b"\0\xff"
    assert (odd.stat().st_mode & 0o777, int(odd.stat().st_mtime)) == (0o600, 981173106)
    assert not (tmp_path / "w" / "empty").exists()  # `git clean -fd` had taken it


MISSING = {"action": "ls /w", "observation": "ls: cannot access '/w': No such file or directory\n"}
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "another world": ({"env": "sql"}, "other_world"),
    "no such task": ({"task_id": 8}, "no_task"),
    "another question": ({"query": "Why?"}, "other_question"),
    "nothing done": ({"turns": []}, "no_turns"),
    "no such folder": ({"turns": [MISSING]}, "no_file_system"),
    "no number": ({"task_id": "x"}, "not_intercode"),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_episode_that_cannot_be_used_is_told_by_name(way: str, tmp_path: Path) -> None:
    changed, reason = WAYS[way]
    (row,) = read(tmp_path, {**EPISODE, **changed})
    assert isinstance(row, Rejection) and (row.reason, row.stage) == (reason, "import")


def test_a_recorder_without_the_file_system_costs_its_whole_file(tmp_path: Path) -> None:
    removed = {**EPISODE, "turns": [{"action": "rm -r /w", "observation": ""}, MISSING]}
    assert isinstance(read(tmp_path, removed)[0], Recorded)
    rows = read(tmp_path, EPISODE, {**EPISODE, "turns": [MISSING]})
    assert [row.reason for row in rows if isinstance(row, Rejection)] == ["no_file_system"] * 2


def test_a_gold_that_cannot_have_run_costs_its_task(tmp_path: Path) -> None:
    rows = read(tmp_path, EPISODE, task={**TASK, "gold": 'echo "open'})
    assert [row.reason for row in rows if isinstance(row, Rejection)] == ["bad_gold", "no_task"]


def test_a_file_system_that_is_none_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest of a file system"):
        read(tmp_path, EPISODE, files={"root": "/w"})
    large = {"path": "/w/large", "type": "file", "mode": "0o644", "text": "x" * MOST_SCRIPT_BYTES}
    with pytest.raises(InputError, match="at most"):
        read(tmp_path, EPISODE, files={"root": "/w", "entries": [large]})


@needs_data
def test_the_published_recordings_come_in_but_for_those_without_a_file_system() -> None:
    counts = {}
    for name, number in (("3.5_multiturn", 1), ("3.5_react", 1), ("4_multiturn", 2), ("3.5_react", 2)):
        path, tasks = DATA / f"bash_gpt-{name}_fs{number}.jsonl", DATA / f"bash_tasks_fs{number}.jsonl"
        rows = list(read_recordings([path], tasks, DATA / f"bash_filesystem_fs{number}.json"))
        counts[name, number] = [len(rows), sum(isinstance(row, Rejection) for row in rows)]
    assert counts == {
        ("3.5_multiturn", 1): [60, 0],
        ("3.5_react", 1): [60, 0],
        ("4_multiturn", 2): [53, 0],
        ("3.5_react", 2): [53, 53],
    }
