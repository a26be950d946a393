"""The package of docs/formats.md, installed: its format comes in, its export goes out, and no file of ours knows it."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from commands.cli import run
from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow
from schemas.message import Message
from schemas.release import Release
from warehouse.warehouse import Warehouse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
ASKED = Message(role="user", content="How tall is a palm?")
TOLD = Message(role="assistant", content="9 m", train=True)


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Said]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def called(*arguments: str) -> Said:
        monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
        return Said(run([*arguments]), *capsys.readouterr())

    return called


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install what the page shows, as pip would: a module, and a dist-info with the entry points."""
    blocks = dict(re.findall(r"^```(python|toml)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))
    site = tmp_path / "site"
    (site / "quiz_format-1.0.dist-info").mkdir(parents=True)
    (site / "quiz_format.py").write_text(blocks["python"])
    entries = re.sub(r'project\.entry-points\."(.*)"', r"\1", blocks["toml"]).replace('"', "")
    (site / "quiz_format-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (site / "quiz_format-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: quiz-format\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    monkeypatch.delitem(__import__("sys").modules, "quiz_format", raising=False)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A home with one release of two rows."""
    folder = tmp_path / "home" / "releases" / "r1"
    rows = [
        ReleaseRow("a", "gpt-4", None, None, "MIT", (ASKED, TOLD)),
        ReleaseRow("b", "gpt-4", None, None, "MIT", (ASKED, TOLD, ASKED, TOLD)),
    ]
    write_shard(folder / "data/messages/train.parquet", "messages", rows)
    (folder / "manifest.json").write_text('{"release_id": "r1", "rows": 2}')
    landed = Release(
        release_id="r1",
        recipe="{}",
        curation_id="c",
        sources=(),
        shares=(),
        rows=2,
        files=(),
        build=1,
        created_at=datetime.now(UTC),
        path=str(folder),
        seconds=0,
        cost_usd=0,
    )
    Warehouse(tmp_path / "home").land("releases", [landed], key="r1")
    return folder


def test_a_format_of_an_installed_package_comes_in(call: Call, installed: None, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "quiz.tsv").write_text("How many days has a week?\t7\nNo answer\n")
    made = call("import", "quiz", str(tmp_path / "in"), "--license", "MIT", "--json")
    assert (made.code, made.json["imported"], made.json["by_reason"]) == (0, 1, {"no_answer": 1})
    (spec,) = Warehouse(tmp_path / "home").read("task_specs")
    assert (spec.environment, spec.check.answer, spec.license) == ("os", "7", "MIT")
    assert call("import", "quiz", str(tmp_path / "in"), "--license", "MIT", "--json").json["imported_before"] == 2
    db = call("import", "quiz", str(tmp_path / "in"), "--world", "db", "--lint", "--json")
    assert (db.json["would_import"], db.json["by_reason"]) == (0, {"no_answer": 1, "not_a_task": 1})
    assert (
        "the db world has no check 'match'" in {row["reason"]: row["detail"] for row in db.json["rows"]}["not_a_task"]
    )
    mars = call("import", "quiz", str(tmp_path / "in"), "--world", "mars", "--lint", "--json")
    assert "there is no world 'mars'; there are alfworld, db, kg, mind2web, os, webshop" in str(mars.json["rows"])


def test_an_export_of_an_installed_package_goes_out(call: Call, installed: None, release: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    made = call("export", "pairs", "--release", "r", "--out", str(out), "--json")
    assert (made.code, made.err) == (0, "")
    assert made.json == {"release": "r1", "path": str(out), "rows": 1, "left_out": {"not_a_pair": 1}}
    assert json.loads((out / "train.jsonl").read_text()) == {"question": ASKED.content, "answer": TOLD.content}
    assert json.loads((out / "export.json").read_text()) == {
        "release_id": "r1",
        "format": "pairs",
        "rows": 1,
        "left_out": {"not_a_pair": 1},
    }
    for_people = call("export", "pairs", "--out", str(tmp_path / "again"))
    assert "1 rows of r1, 1 left out" in for_people.out and "not_a_pair" in for_people.out


def test_help_lists_what_is_there_with_options_and_what_they_are_for(call: Call, installed: None) -> None:
    said = call("import", "--help").out
    assert re.search(r"quiz +questions with one right answer", said) and re.search(r"bird +questions with gold", said)
    assert (
        re.search(r"--license TEXT +tasks, quiz, episodes, webshop-sessions, sharegpt,", said)
        and "--world TEXT" in said
    )
    assert re.search(r"pairs +one question and one reply a line", call("export", "--help").out)


def test_what_is_not_installed_is_not_there(call: Call, tmp_path: Path) -> None:
    made = call("import", "quiz", str(tmp_path))
    assert made.code == 2 and "unknown format 'quiz'; there are: tasks, " in made.err
    assert "No such option: --world" in call("import", "tasks", str(tmp_path), "--world", "os").err


def test_an_option_of_another_format_says_whose_it_is(call: Call, tmp_path: Path) -> None:
    made = call("import", "agentbench-db", str(tmp_path), "--license", "MIT")
    assert (
        made.code == 2
        and "agentbench-db takes no --license; it is an option of tasks, episodes, webshop-sessions, sharegpt"
        in made.err
    )
    made = call("export", "messages", "--repo", "a/b", "--out", str(tmp_path / "x"))
    assert made.code == 2 and "messages takes no --repo; it is an option of hub" in made.err


def test_an_export_is_never_mixed_into_what_is_there(call: Call, release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    made = call("export", "messages", "--out", str(out))
    assert made.code == 2 and "is there already" in made.err and not list(out.iterdir())
    assert "messages needs --out DIR" in call("export", "messages").err
    assert "hub writes no folder, so it takes no --out" in call("export", "hub", "--repo", "a/b", "--out", "x").err
    assert call("export", "messages", "--out", str(out / "deeper" / "m")).code == 0


def test_an_export_that_fails_leaves_nothing_behind(call: Call, release: Path, tmp_path: Path) -> None:
    (release / "manifest.json").write_text('{"rows": 3}')
    made = call("export", "sharegpt", "--out", str(tmp_path / "out"))
    assert made.code == 2 and "should hold 3 rows, but holds 2" in made.err
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_export_for_a_trainer_says_how_it_keeps_context_out_of_the_loss(
    call: Call, release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "axolotl"
    made = call("export", "axolotl", "--out", str(out), "--model", "mine/My-70B", "--json")
    assert (made.code, made.err) == (0, "")
    assert (made.json["rows"], made.json["strategy"], made.json["files"]) == (2, "fan-out", {"train.jsonl": 3})
    note = json.loads((out / "export.json").read_text())
    assert {name: note[name] for name in made.json.keys() - {"release", "path"}} == {
        name: told for name, told in made.json.items() if name not in ("release", "path")
    }
    assert "learning_rate: 0.000010" in (out / "axolotl.yaml").read_text()
    for_people = call("export", "openai", "--out", str(tmp_path / "openai"))
    assert "Strategy native (packed): the weight of each reply is read as it is" in for_people.out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            ("trl", "--strategy", "none"),
            "trl cannot be written with --strategy none; it can with fan-out, cut, fold, tok",
        ),
        (("verl", "--strategy", "fold"), "verl takes no --strategy; it is an option of axolotl"),
        (("axolotl", "--tokenizer", "nowhere"), "--tokenizer: no such folder: nowhere"),
        (("axolotl", "--form", "neither"), "--form neither is no form of a release's rows"),
        (("axolotll",), "unknown format 'axolotll'; a release can be exported to: "),
    ],
)
def test_an_export_that_cannot_be_says_so_in_one_sentence_and_leaves_nothing(
    said: tuple[str, ...], told: str, call: Call, release: Path, tmp_path: Path
) -> None:
    made = call("export", *said, "--out", str(tmp_path / "out"))
    assert made.code == 2 and told in made.err and "Traceback" not in made.err
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
