"""Every importer on every kind of spoiled file: a row that cannot be read is rejected by name, and no other with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.cli import run
from environments.registry import importers
from schemas import bounded_reading
from schemas.bounded_reading import MAX_DEPTH, MAX_PARTS, NotJson, parse_json, read_file
from schemas.errors import InputError
from schemas.rejection import Rejection

TASK = {"environment": "os", "instruction": "Count?", "check": {"kind": "match", "answer": "1"}}
TABLE = {"table_name": "t", "table_info": {"columns": [{"name": "a", "type": "TEXT"}], "rows": [["1"]]}}
TURNS = [{"action_kind": "answer", "action": "1"}]
SPOKEN = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So.", "loss": True}]
SAID = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
STEPS = [{"step_id": 1, "source": "user", "message": "Why?"}, {"step_id": 2, "source": "agent", "message": "So."}]
PARTS = [{"class_": "text_observation", "content": "Why?"}, {"class_": "message_action", "content": "So."}]
INTERCODE = {"model": "m", "prompting": "react", "task_id": 1, "query": "Count?", "max_reward": 1.0}
GAME = (
    "(define (problem p) (:init (atLocation a l0) (receptacleType desk_bar_1 DeskType)"
    " (receptacleAtLocation desk_bar_1 l1) (receptacleType bed_bar_1 BedType) (receptacleAtLocation bed_bar_1 l2)"
    " (canContain DeskType PenType) (objectType pen_bar_1 PenType) (pickupable pen_bar_1)"
    " (inReceptacle pen_bar_1 bed_bar_1)) (:goal (exists"
    " (?o - object ?r - receptacle) (and (objectType ?o PenType) (receptacleType ?r DeskType) (inReceptacle ?o ?r)))))"
)
GOOD: dict[str, Callable[[int], dict[str, Any]]] = {
    "tasks": lambda n: {**TASK, "instruction": f"Count {n}?"},
    "agentbench-os": lambda n: {"description": f"Count {n}?", "evaluation": {"match": "1"}},
    "agentbench-db": lambda n: {"description": f"Count {n}?", "label": ["1"], "type": ["other"], "table": TABLE},
    "agentbench-kg": lambda n: {
        "question": f"Who is {n}?",
        "entities": {"X": "m.01"},
        "answer": [{"answer_argument": "m.02"}],
    },
    "alfworld": lambda n: {"grammar": f"put {{o}} in/on {{r}} Your task is to: move it {n}.", "pddl_problem": GAME},
    "bird": lambda n: {"question": f"How many {n}?", "SQL": "SELECT 1", "db_id": "shops"},
    "episodes": lambda n: {"task": {**TASK, "instruction": f"Count {n}?"}, "turns": TURNS},
    "intercode-bash": lambda n: {**INTERCODE, "env": "bash", "turns": [{"action": f"execute[ls {n}]"}]},
    "intercode-sql": lambda n: {**INTERCODE, "env": "sql", "turns": [{"action": f"execute[SELECT {n}]"}]},
    "sharegpt": lambda n: {"conversations": [{"from": "human", "value": f"Why {n}?"}, {"from": "gpt", "value": "So."}]},
    **dict.fromkeys(("agentinstruct", "agenttraj"), lambda n: {"id": f"os_{n}", "conversations": SPOKEN}),
    "agentflan": lambda n: {"id": f"os_{n}", "conversation": SAID},
    **dict.fromkeys(("openai", "traces"), lambda n: {"id": f"os_{n}", "messages": SAID}),
    "atif": lambda n: {"schema_version": "ATIF-v1.8", "session_id": str(n), "agent": {"name": "a"}, "steps": STEPS},
    "adp": lambda n: {"id": f"os_{n}", "content": PARTS},
}
"""By importer: a row that comes in."""
SPOILED: dict[str, tuple[bytes, str]] = {
    "a level too deep": (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "out_of_bounds"),
    "deep lists": (b"1" + b"[" * 200_000 + b"]" * 200_000, "not_json"),
    "deep objects": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "out_of_bounds"),
    "deep and unclosed": (b'{"a":' * 200_000, "out_of_bounds"),
    "too many values": (b'{"turns":[' + b"0," * MAX_PARTS + b"0]}", "out_of_bounds"),
    "too many lists": (b'{"a":[' + b"[]," * MAX_PARTS + b"0]}", "out_of_bounds"),
    "too many keys": (b"{" + b",".join(b'"%d":0' % n for n in range(MAX_PARTS)) + b"}", "out_of_bounds"),
    "a number of a million digits": (b'{"task_id":' + b"9" * 1_000_000 + b"}", "not_json"),
    "a number beyond floats": (b'{"reward":1e999}', "not_json"),
    "not a number": (b'{"reward":NaN}', "not_json"),
    "infinity": (b'{"reward":-Infinity}', "not_json"),
    "a lone surrogate": (b'{"query":"\\ud800"}', "not_json"),
    "a surrogate in UTF-8": (b'{"query":"\xed\xa0\x80"}', "not_json"),
    "no UTF-8": (b'{"query":"\xff\xfe"}', "not_json"),
    "a NUL byte": (b'{"query":"\x00"}', "not_json"),
    "NUL bytes": (b"\x00" * 100, "not_json"),
    "a key twice": (b'{"query":"a","turns":[{"action":"b","action":"c"}]}', "repeated_key"),
    "a key twice, spelled otherwise": (b'{"query":1,"\\u0071uery" :2}', "repeated_key"),
    "cut off": (b'{"query":"Cou', "not_json"),
    "words": (b"hello", "not_json"),
}
"""What stands in a line, and the reason for which it is turned away."""


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[str, bytes], list[object]]:
    """Read a file's bytes with an importer; what its options need is there."""
    tasks = {"task_id": 1, "query": "Count?", "gold": "SELECT 1", "db": "shops"}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(tasks))
    (tmp_path / "files.json").write_text('{"root": "/t", "entries": [{"path": "/t", "type": "dir", "mode": "755"}]}')
    (tmp_path / "dump.sql").write_text("CREATE TABLE t (a TEXT);")
    named = {"tasks": "tasks.jsonl", "filesystem": "files.json", "databases": "dump.sql"}

    def read(name: str, content: bytes) -> list[object]:
        importer = importers(installed=False)[name]
        path = tmp_path / "rows.jsonl"
        path.write_bytes(content)
        needed = {option.name: str(tmp_path / named[option.name]) for option in importer.options if option.required}
        return list(importer.rows([path], importer.settle(needed)))

    return read


def good(name: str, number: int) -> bytes:
    return json.dumps(GOOD[name](number)).encode()


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("name", GOOD)
def test_a_spoiled_row_is_rejected_by_name_and_costs_no_other(rows: Any, name: str, spoiled: str) -> None:
    bad, reason = SPOILED[spoiled]
    first, rejected, last = rows(name, good(name, 1) + b"\n" + bad + b"\n" + good(name, 2) + b"\n")
    assert not isinstance(first, Rejection) and not isinstance(last, Rejection)
    assert isinstance(rejected, Rejection)
    assert (rejected.reason, rejected.source) == (reason, "rows.jsonl:2")
    assert reason in importers(installed=False)[name].reasons


@pytest.mark.parametrize("spoiled", [name for name in SPOILED if not {"cut off", "deep and unclosed"} & {name}])
def test_so_it_is_in_an_array(rows: Any, spoiled: str) -> None:
    found = rows("tasks", b"[" + b",\n".join((good("tasks", 1), SPOILED[spoiled][0], good("tasks", 2))) + b"]")
    assert [isinstance(row, Rejection) for row in found] in ([False, True, False], [False, True, True, False])


@pytest.mark.parametrize("name", GOOD)
def test_a_line_in_another_encoding_is_told_its_byte_and_what_to_do(rows: Any, name: str) -> None:
    (rejected,) = rows(name, '{"query": "café"}'.encode("latin-1"))
    told = "byte 15 of the value is 0xe9, which is no UTF-8 there; convert the file to UTF-8"
    assert isinstance(rejected, Rejection) and rejected.detail.startswith(told)
    with pytest.raises(NotJson, match="begins half a character"):
        parse_json(b'["\xed\xa0\x80"]')


def test_a_format_whose_values_have_more_parts_says_how_many() -> None:
    raw = b"[" + b"0," * MAX_PARTS + b"0]"
    assert len(parse_json(raw, MAX_PARTS + 10)) == MAX_PARTS + 1
    for most in (MAX_PARTS, MAX_PARTS - 10):
        with pytest.raises(NotJson, match=f"more than {most:,} brackets"):
            parse_json(raw, most)


@pytest.mark.parametrize("name", GOOD)
def test_a_row_that_is_too_long_costs_no_other(rows: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("formats.json_values.MAX_VALUE_BYTES", 1000)
    monkeypatch.setattr("formats.json_scanner.MAX_VALUE_BYTES", 1000)
    lines = (good(name, 1), b'{"query":"' + b"x" * 5000 + b'"}', good(name, 2))
    for content in (b"\n".join(lines), b"[" + b",".join(lines) + b"]"):
        first, rejected, last = rows(name, content)
        assert not isinstance(first, Rejection) and not isinstance(last, Rejection)
        assert isinstance(rejected, Rejection) and rejected.reason == "out_of_bounds"


@pytest.mark.parametrize(
    "dressed",
    [
        lambda lines: b"\xef\xbb\xbf" + b"\n".join(lines),
        lambda lines: b"\r\n".join(lines) + b"\r\n",
        lambda lines: b"\n\n \n".join(lines),
        lambda lines: b"\xef\xbb\xbf[" + b",\r\n".join(lines) + b"]\r\n",
        lambda lines: b"[" + lines[0] + b"]\n" + lines[1],
    ],
    ids=["BOM", "CRLF", "blank lines and no last newline", "array with both", "array, then a line"],
)
@pytest.mark.parametrize("name", GOOD)
def test_how_a_file_is_dressed_costs_nothing(rows: Any, name: str, dressed: Callable[[list[bytes]], bytes]) -> None:
    found = rows(name, dressed([good(name, 1), good(name, 2)]))
    assert len(found) == 2 and not any(isinstance(row, Rejection) for row in found)


@pytest.mark.parametrize("name", GOOD)
def test_deep_values_within_bounds_break_no_reader(rows: Any, name: str) -> None:
    """Wherever they stand: readers word what they turn away."""
    deep = json.loads("[" * (MAX_DEPTH - 4) + "]" * (MAX_DEPTH - 4))
    whole = GOOD[name](1)
    for key in (*whole, "plugins", "model", "labels", "answer_md5", "question_id", "difficulty", "source", "create"):
        (row,) = rows(name, json.dumps(whole | {key: deep}).encode())
        assert row is not None


def no_file(path: Path, kind: str) -> Path:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to(path.with_name("nowhere"))
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind != "missing":
        path.write_bytes({"gzip": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\x00", "zip": b"PK\x03\x04"}[kind])
    return path


KINDS = ["folder", "pipe", "dangling link", "link to itself", "device", "missing", "gzip", "xz", "zip"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tasks", "agentbench-os", "agentbench-db", "agentbench-kg", "episodes", "sharegpt"])
def test_what_is_no_file_of_text_is_told(tmp_path: Path, name: str, kind: str) -> None:
    importer = importers(installed=False)[name]
    with pytest.raises(InputError, match=r"rows\.jsonl"):
        list(importer.rows([no_file(tmp_path / "rows.jsonl", kind)], importer.settle({})))


@pytest.mark.parametrize("kind", KINDS[:6])
def test_a_file_that_is_read_whole_is_a_file_within_bounds(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_file(no_file(tmp_path / "one", kind))
    (tmp_path / "large").write_bytes(b"12345")
    assert read_file(tmp_path / "large", 5) == b"12345"
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_file(tmp_path / "large", 4)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
        (b'{"a\\\\":1,"b":": \\":"}', {"a\\": 1, "b": ': ":'}),
        (b'{"a":{"a":1}}', {"a": {"a": 1}}),
        (b'"' + b"[,{" * MAX_PARTS + b'"', "[,{" * MAX_PARTS),
        (b'"' + b"\\\\" * MAX_PARTS + b'"', "\\" * MAX_PARTS),
    ],
    ids=["as deep as may be", "what looks like a key", "a key at two levels", "brackets in a text", "backslashes"],
)
def test_what_only_looks_out_of_bounds_is_read(raw: bytes, value: object) -> None:
    assert value is None or parse_json(raw) == value


def test_bounds_are_looked_at_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_reading, "MAX_PARTS", 3)
    assert parse_json(b"[1,2]") == [1, 2]
    with pytest.raises(NotJson, match="more than 3 brackets"):
        parse_json(b"[1,2,3,4")  # that this is no JSON is not seen


@pytest.mark.parametrize("spoiled", ["deep lists", "a key twice", "too many values"])
def test_the_command_line_tells_the_row_and_keeps_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    bad, reason = SPOILED[spoiled]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join((good("agentbench-os", 1), bad, good("agentbench-os", 2))))
    assert run(["import", "agentbench-os", str(tmp_path / "a.jsonl"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["imported"], made["by_reason"]) == (2, {reason: 1})


def test_a_number_that_no_column_holds_costs_its_row(tmp_path: Path) -> None:
    too_large = json.dumps(json.loads(good("tasks", 2)) | {"difficulty": 2**63}).encode()
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join((good("tasks", 1), too_large, good("tasks", 3))))
    importer = importers(installed=False)["tasks"]
    rows = list(importer.rows([path], importer.settle({})))
    assert [isinstance(row, Rejection) for row in rows] == [False, True, False]


def test_the_command_line_does_not_wait_for_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = no_file(tmp_path / "a.jsonl", "pipe")
    assert run(["import", "tasks", str(path), "--home", str(tmp_path / "home")]) == 2
    assert "a pipe or a device" in capsys.readouterr().err
