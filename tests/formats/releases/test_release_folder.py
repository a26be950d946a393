"""One reader of releases: rows as they were written, of earlier versions too; what is missing is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow, read_release
from schemas.errors import ConfigError, InputError
from schemas.message import Message

MESSAGES = (Message(role="user", content="Why?"), Message(role="assistant", content="Because.", train=True))
ROWS = [ReleaseRow(str(i), "agent", "os", "own", "MIT", MESSAGES) for i in range(5)]


def write(folder: Path, parts: dict[str, list[dict[str, Any]]], **manifest: Any) -> Path:
    for name, rows in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / name)
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_rows_come_back_as_they_were_written_file_by_file(tmp_path: Path) -> None:
    for index, rows in enumerate((ROWS[:3], ROWS[3:])):
        for config in ("messages", "conversations"):
            write_shard(tmp_path / f"data/{config}/train-{index:05}-of-00002.parquet", config, rows)
    (tmp_path / "manifest.json").write_text('{"release_id": "r1", "rows": 5}')
    release = read_release(tmp_path)
    assert (release.release_id, release.promised, list(release.rows())) == ("r1", 5, ROWS)


def test_what_an_earlier_version_did_not_write_takes_its_default(tmp_path: Path) -> None:
    old = [{"id": "a", "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}]
    release = read_release(write(tmp_path, {"data/messages/train.parquet": old}))
    messages = (Message(role="user", content="Why?"), Message(role="assistant", content="So.", train=True))
    assert list(release.rows()) == [ReleaseRow("a", "unknown", None, None, "unknown", messages)]
    assert (release.release_id, release.promised) == (tmp_path.name, None)


def test_what_a_later_version_writes_besides_is_left_alone(tmp_path: Path) -> None:
    later = [{"id": "a", "mood": "good", "messages": [{"role": "user", "content": "Why?", "mood": "bad"}]}]
    (row,) = read_release(write(tmp_path, {"data/messages/train.parquet": later})).rows()
    assert row.messages == (Message(role="user", content="Why?"),)


def test_a_release_of_conversations_alone_keeps_its_flags(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "Hi", "loss": None}, {"from": "gpt", "value": "Ok.", "loss": False}]
    rows = [{"id": "a", "conversations": said}]
    (row,) = read_release(write(tmp_path, {"data/conversations/train.parquet": rows})).rows()
    assert [(m.role, m.train) for m in row.messages] == [("user", False), ("assistant", False)]


def test_a_folder_that_is_no_release_and_one_that_lost_rows_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no manifest\.json"):
        read_release(tmp_path)
    with pytest.raises(InputError, match="holds no rows"):
        list(read_release(write(tmp_path, {})).rows())
    row = {"id": "a", "messages": [{"role": "user", "content": "Hi"}]}
    release = read_release(write(tmp_path, {"data/messages/train.parquet": [row]}, rows=2))
    with pytest.raises(InputError, match="should hold 2 rows, but holds 1"):
        list(release.rows())
    (tmp_path / "data/messages/train.parquet").write_bytes(b"PAR1...PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        list(release.rows())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"[" * 200_000, b'{"a":' * 200_000, b"\xff", b'{"rows": 1, "rows": 2}', b'{"rows": "many"}'],
    ids=["empty", "cut", "list", "deep", "deep objects", "no UTF-8", "a key twice", "no number"],
)
def test_a_spoiled_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ConfigError, match="is no release folder"):
        read_release(tmp_path)


def test_spoiled_rows_are_told(tmp_path: Path) -> None:
    name = "data/messages/train.parquet"
    for number, row in enumerate(({"text": "Hi"}, {"id": "a", "messages": [{"role": "nobody", "content": "Hi"}]})):
        folder = write(tmp_path / str(number), {name: [row]})
        with pytest.raises(InputError, match="holds a row that is none of a release"):
            list(read_release(folder).rows())
    whole = (folder / name).read_bytes()
    for spoiled in (b"", whole[:-100], whole[: len(whole) // 2], bytes(len(whole))):
        (folder / name).write_bytes(spoiled)
        with pytest.raises(InputError, match="cannot be read"):
            list(read_release(folder).rows())
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match="a pipe or a device"):
        list(read_release(folder).rows())
