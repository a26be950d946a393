"""Declarations: found by name in one order, options settled by them alone, clashes and broken packages told."""

from __future__ import annotations

import gzip
import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from environments.registry import importers
from formats.catalogue import CONFIG, LICENSE, Exporter, Given, Importer, Option, choose, find_exporters, name_files
from schemas.errors import ConfigError, InputError


def read_nothing(paths: Sequence[Path], given: Given) -> Iterator[object]:
    return iter(())


def make(name: str = "toy", **fields: Any) -> Importer:
    return Importer(**{"name": name, "kind": "tasks", "summary": "toys", "read": read_nothing, **fields})


def install(monkeypatch: pytest.MonkeyPatch, declared: object, group: str = "trajmill.importers") -> None:
    """Let an installed package declare something."""
    monkeypatch.setattr("formats.catalogue.declared_by_test", declared, raising=False)
    entry = importlib.metadata.EntryPoint("toy", "formats.catalogue:declared_by_test", group)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] if entry.group == group else [])


def test_formats_are_listed_by_kind() -> None:
    kinds = [importer.kind for importer in importers(installed=False).values()]
    assert kinds == sorted(kinds, key=["tasks", "questions", "logs", "chats", "sets"].index)
    assert {"tasks", "episodes", "sharegpt"} < importers(installed=False).keys()
    assert {"hub", "messages", "sharegpt"} < find_exporters(installed=False).keys()


@pytest.mark.parametrize("importer", importers(installed=False).values(), ids=lambda importer: importer.name)
def test_a_reader_names_no_reason_that_its_declaration_does_not(importer: Importer) -> None:
    source = inspect.getsource(inspect.getmodule(importer.read))  # type: ignore[arg-type]
    named = re.findall(
        r"(?:Unfit|BadGold|Unreadable|_reject|_rejected|\.reject)\(\s*\"([a-z_]+)\"|reason=\"(\w+)\"", source
    )
    assert {reason for pair in named for reason in pair if reason} <= importer.reasons.keys()


def test_an_installed_package_adds_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, make())
    assert "toy" in importers() and "toy" not in importers(installed=False)
    install(monkeypatch, (make("a"), make("b", kind="sets")))
    assert {"a", "b"} < importers().keys() and list(importers())[-1] == "b"


def test_an_installed_package_that_is_broken_or_takes_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, make("sharegpt"))
    with pytest.raises(ConfigError, match="two formats are called 'sharegpt'"):
        importers()
    install(monkeypatch, ["nothing"])
    with pytest.raises(ConfigError, match=r"the format 'toy' of the installed package .* is no Importer"):
        importers()
    entry = importlib.metadata.EntryPoint("toy", "no_such_package_of_ours:X", "trajmill.exporters")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    with pytest.raises(ConfigError, match="cannot be loaded: No module named"):
        find_exporters()


def test_a_name_that_no_format_has_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown format 'nope'; there are: toy"):
        choose({"toy": make()}, "nope")


def test_options_take_their_defaults_and_are_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    file = Option("names", "who they are", metavar="FILE", required=True)
    toy, other = make(options=(LICENSE, file)), make("other", options=(CONFIG,))
    (tmp_path / "names").touch()
    assert toy.settle({"names": str(tmp_path / "names")}) == {"license": "unknown", "names": str(tmp_path / "names")}
    with pytest.raises(ConfigError, match="toy takes no --config; it is an option of other"):
        toy.settle({"config": "smoke"}, [toy, other])
    with pytest.raises(ConfigError, match="toy needs --names FILE; --names is missing"):
        toy.settle({})
    with pytest.raises(InputError, match="--names: no such file: nobody"):
        toy.settle({"names": "nobody"})


def test_a_folder_is_its_files_or_itself(tmp_path: Path) -> None:
    for name in ("b.tsv", "a.tsv", "c.json"):
        (tmp_path / name).touch()
    assert [path.name for path in make(suffixes=(".tsv",)).find([tmp_path]).files] == ["a.tsv", "b.tsv"]
    assert make(suffixes=()).find([tmp_path]).files == [tmp_path]
    with pytest.raises(InputError, match=r"holds no \.txt file"):
        make(suffixes=(".txt",)).find([tmp_path])


FOLDER: dict[str, bytes] = {
    "a.json": b"no JSON, but called so",
    "b.jsonl.gz": gzip.compress(b'{"a": 1}\n'),
    "c.ndjson": b'{"a": 1}\n',
    "d.log": b'{"a": 1}\n',
    "deeper/e": b' [\n{"a": 1}]',
    "f.log.gz": gzip.compress(b'{"a": 1}\n'),
    "g.parquet": b"PAR1",
    "h.data": b"PAR1",
}
NOT_READ: dict[str, bytes] = {
    "LICENSE": b"MIT",
    "README.md": b"[a link](x)",
    "bad.bin": b"\x1f\x8b\x08",
    "deeper/set.toml": b"[set]\na = 1",
    "rows.csv": b'a\n{"a": 1}\n',
    "template.jinja": b"{% if a %}{{ a }}{% endif %}",
}


def test_of_a_folder_every_format_takes_what_holds_json_values_and_names_the_rest(tmp_path: Path) -> None:
    for name, content in (FOLDER | NOT_READ).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    found = make().find([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found.files] == sorted(FOLDER)
    assert [str(path.relative_to(tmp_path)) for path in found.skipped] == sorted(NOT_READ)
    assert name_files(found.skipped) == "LICENSE, README.md, bad.bin, set.toml and 2 more"
    by_itself = {name for name, importer in importers(installed=False).items() if importer.suffixes is not None}
    assert by_itself == {"alfworld", "bird", "mind2web", "webshop"}


def test_a_folder_without_any_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b")
    with pytest.raises(InputError, match=r"holds no file of JSON values or Parquet; rows\.csv is there"):
        make().find([tmp_path])


def test_a_declaration_that_makes_no_sense_is_told_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="`derive` belongs to the kind `questions`"):
        make(kind="questions")
    with pytest.raises(ValueError, match="one of `write`, `push` and `compare`"):
        Exporter(name="toy", summary="toys")
    with pytest.raises(TypeError, match="importer toy of kind tasks gave a int"):
        list(make(read=lambda paths, given: iter([1])).rows([], {}))
