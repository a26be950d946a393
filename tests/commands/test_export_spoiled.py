"""Exports of spoiled releases and onto full disks: one sentence that names the file, and nothing half-written."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.cli import run
from formats.releases.release_folder import ReleaseRow
from schemas.message import Message
from schemas.release import GuessableShare, Release
from schemas.run_config import RunConfig
from tasks.publish.write_release import ReleaseFacts, Written, write_release
from warehouse.warehouse import Warehouse

SAID = (Message(role="user", content="How tall is a palm?" * 50), Message(role="assistant", content="9 m", train=True))
SPLITS = ("train", "train", "train", "train", "validation")
ROWS = [ReleaseRow(f"r{n}", "gpt-4", None, None, "MIT", SAID, split=split) for n, split in enumerate(SPLITS)]
SHARD = "00000-of-00001.parquet"
Export = Callable[..., tuple[int, str]]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A home with one release, of both splits."""
    folder = tmp_path / "home" / "releases" / "r1"
    guessable = GuessableShare(asked=0, achieved=0, rows=0, left_out=0)
    facts = ReleaseFacts("r1", RunConfig(), "c", (), (), guessable)
    files = write_release(folder, [Written(row, row) for row in ROWS], count=5, facts=facts)
    about: dict[str, Any] = {
        "recipe": "{}",
        "curation_id": "c",
        "sources": (),
        "shares": (),
        "seconds": 0,
        "cost_usd": 0,
    }
    landed = Release(
        release_id="r1", rows=5, files=files, build=1, created_at=datetime.now(UTC), path=str(folder), **about
    )
    Warehouse(tmp_path / "home").land("releases", [landed], key="r1")
    return folder


@pytest.fixture
def export(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Export:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", "hf_x")

    def exported(*words: str) -> tuple[int, str]:
        code = run(["export", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return exported


def test_each_split_is_a_file_of_its_own(export: Export, release: Path, tmp_path: Path) -> None:
    code, said = export("messages", "--out", str(tmp_path / "out"))
    assert code == 0, said
    lines = {path.name: path.read_text().splitlines() for path in (tmp_path / "out").glob("*.jsonl")}
    assert {name: len(some) for name, some in lines.items()} == {"train.jsonl": 4, "validation.jsonl": 1}
    assert json.loads(lines["validation.jsonl"][0])["id"] == "r4"


@pytest.mark.parametrize("format_", ["messages", "sharegpt", "atif", "preferences", "hub"])
@pytest.mark.parametrize(
    "spoiled", ["README.md", "manifest.json", f"data/messages/train-{SHARD}", f"data/original/validation-{SHARD}"]
)
def test_an_edited_release_is_not_handed_on(
    export: Export, release: Path, tmp_path: Path, format_: str, spoiled: str
) -> None:
    with (release / spoiled).open("r+b") as file:
        file.seek(0)
        whole = file.read()
        file.seek(0)
        file.write(whole.replace(b'"rows": 5', b'"rows": 4') if spoiled == "manifest.json" else b"#" + whole[1:])
    to = ["--repo", "me/it"] if format_ == "hub" else ["--out", str(tmp_path / "deep" / "out")]
    code, said = export(format_, *to)
    assert code == 2
    assert " ".join(said.split()).count(f"{spoiled} is not what was published") == 1
    assert not list(tmp_path.glob("deep*"))


@contextmanager
def full_disk(bytes_: int) -> Iterator[None]:
    """Let no file grow beyond a size, as a quota does: the kernel refuses the write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format_", ["messages", "sharegpt", "atif", "adp", "agent-flan"])
def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing(
    export: Export, release: Path, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "deep" / "deeper" / "out"
    with full_disk(1000):
        code, said = export(format_, "--out", str(out))
    assert code == 2
    assert "cannot be written: File too large; name another --out" in " ".join(said.split())
    assert not list(tmp_path.glob("deep*"))
    assert export(format_, "--out", str(out))[0] == 0
