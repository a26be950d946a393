"""One reader of releases: rows as they were written, of earlier versions too; what is missing is told."""

from __future__ import annotations

import hashlib
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


def published(folder: Path) -> Path:
    """Write a release of five rows, two of them for validation, whose manifest names its files."""
    for split, rows in (("train", ROWS[:3]), ("validation", ROWS[3:])):
        for table in ("messages", "original", "conversations"):
            write_shard(folder / f"data/{table}/{split}-00000-of-00001.parquet", table, rows)
    (folder / "README.md").write_text("# A card")
    files = [
        {"path": str(path.relative_to(folder)), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    manifest = {"rows": 5, "splits": {"train": 3, "validation": 2}, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_rows_are_given_split_by_split(tmp_path: Path) -> None:
    release = read_release(published(tmp_path / "r"))
    assert release.splits == {"train": 3, "validation": 2}
    assert list(release.rows()) == ROWS[:3], "never what is for validation, unless it is asked for"
    assert list(release.rows("validation")) == [row._replace(split="validation") for row in ROWS[3:]]
    (release.folder / "data/original/validation-00000-of-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"holds no rows.*data/original"):
        list(release.rows("validation"))


def test_context_comes_from_the_rows_as_they_were_rendered_not_from_the_folded_ones(tmp_path: Path) -> None:
    said = (*MESSAGES[:1], MESSAGES[1].model_copy(update={"train": False}), *MESSAGES)
    for table in ("messages", "original"):
        write_shard(tmp_path / f"data/{table}/train-00000-of-00001.parquet", table, [ROWS[0]._replace(messages=said)])
    (tmp_path / "manifest.json").write_text("{}")
    (row,) = read_release(tmp_path).rows()
    assert row.messages == said


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "README.md").write_text("# Mine"), r"README\.md is not what was published"),
        (
            lambda folder: next(folder.glob("data/original/train*")).write_bytes(b""),
            "is not what was publ",
        ),
        (lambda folder: next(folder.glob("data/messages/val*")).unlink(), "messages/validation-.* is missing"),
        (lambda folder: (folder / "data/messages/train-1.parquet").write_bytes(b""), "train-1.* is no file of the rel"),
        (lambda folder: (folder / "README.md").unlink() or (folder / "README.md").mkdir(), r"README\.md is missing"),
    ],
    ids=["card edited", "rows edited", "rows gone", "rows added", "a folder in its place"],
)
def test_a_release_that_was_edited_is_told_with_the_file_s_name(tmp_path: Path, spoil: Any, told: str) -> None:
    release = read_release(published(tmp_path / "r"))
    release.check_files()
    spoil(release.folder)
    with pytest.raises(InputError, match=told) as caught:
        release.check_files()
    assert "\n" not in str(caught.value)
