"""Mind2Web's files come in step by step: each is kept, or turned away with a reason and its place."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from environments.base import judge_episode
from environments.mind2web.importers.mind2web import IMPORTER
from environments.mind2web.state import read_known
from environments.mind2web.world import Mind2WebWorld
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

PAGE = (
    '<html backend_node_id="1"> <body backend_node_id="2"> '
    + "".join(f'<a backend_node_id="{n}"><text backend_node_id="{n + 500}">Link {n}</text></a> ' for n in range(10, 40))
    + '<select backend_node_id="60" name="guests"><option backend_node_id="61"><text>Two</text></option></select> '
    "</body> </html>"
)


def step(uid: str = "s0", **fields: Any) -> dict[str, Any]:
    def candidate(name: int) -> dict[str, Any]:
        return {"tag": "a", "backend_node_id": str(name), "attributes": '{"class": "x"}', "is_original_target": True}

    return {
        "action_uid": uid,
        "raw_html": "<html>left out</html>",
        "cleaned_html": PAGE,
        "operation": {"op": "CLICK", "original_op": "HOVER", "value": ""},
        "pos_candidates": [candidate(12)],
        "neg_candidates": [candidate(n) for n in range(13, 40)],
    } | fields


SELECT = {
    "operation": {"op": "SELECT", "original_op": "SELECT", "value": "Two"},
    "pos_candidates": [{"backend_node_id": 60}],
}


def row(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "annotation_id": "task-1",
        "website": "linkhouse",
        "domain": "Info",
        "subdomain": "Links",
        "confirmed_task": "Open link 12,\n then choose two guests.",
        "action_reprs": ["[link]  Link 12 -> CLICK", "[combobox]  guests -> SELECT: Two"],
        "actions": list(steps) or [step(), step("s1", **SELECT)],
    } | fields


def write(folder: Path, *rows: Any, name: str = "train_0.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


def read(*paths: Path, **given: str) -> list[Any]:
    said = {name.replace("_", "-"): value for name, value in given.items()}
    return list(IMPORTER.rows(paths, IMPORTER.settle(said)))


async def plays(spec: TaskSpec) -> float:
    async with Mind2WebWorld().open(spec) as environment:
        await environment.reset()
        await environment.follow()
        return (await judge_episode(environment)).reward


async def test_each_step_is_a_task_that_its_recording_solves(tmp_path: Path) -> None:
    first, second = read(write(tmp_path / "train", row()))
    assert first.instruction == "Open link 12, then choose two guests."
    assert (first.origin, first.license, first.family) == ("derived", "CC-BY-4.0", "click")
    assert first.provenance.source == "train/train_0.json:1 step 0" and first.parents == ("task-1",)
    assert read_known(second).state.steps[0].previous == ("[link]  Link 12 -> CLICK",)
    assert read_known(second).wanted.steps[0].action == "SELECT Two"
    assert [await plays(spec) for spec in (first, second)] == [1.0, 1.0]


async def test_a_whole_task_is_one_episode_of_all_its_steps(tmp_path: Path) -> None:
    (spec,) = read(write(tmp_path, row()), unit="task")
    assert len(read_known(spec).state.steps) == 2 and spec.family == "steps"
    assert await plays(spec) == 1.0


def test_ranks_say_who_is_asked_about(tmp_path: Path) -> None:
    ranks = {"task-1_s0": {str(n): (n * 7) % 40 for n in range(10, 40)}}
    scores = tmp_path / "scores_all_data.pkl"
    scores.write_bytes(pickle.dumps({"scores": {}, "ranks": ranks}))
    (only,) = read(write(tmp_path, row(step())), scores=str(scores), top="5")
    best = {name for name, rank in ranks["task-1_s0"].items() if rank < 5 and name not in ("10", "11")}
    assert set(read_known(only).state.steps[0].order) == best and "12" in best
    assert "ranked:scores" in only.labels
    refused = read(write(tmp_path, row(step("other"))), scores=str(scores))
    assert [one.reason for one in refused] == ["no_scores"]


def test_a_right_element_that_is_not_among_the_best_is_told(tmp_path: Path) -> None:
    scores = tmp_path / "scores.pkl"
    scores.write_bytes(pickle.dumps({"ranks": {"task-1_s0": {str(n): n - 13 for n in range(13, 40)} | {"12": 40}}}))
    assert [one.reason for one in read(write(tmp_path, row(step())), scores=str(scores))] == ["not_among_the_best"]


def test_without_ranks_words_decide_and_what_is_right_is_there(tmp_path: Path) -> None:
    first, _ = read(write(tmp_path, row()))
    order = read_known(first).state.steps[0].order
    assert len(order) == 10 and "12" in order and "ranked:words" in first.labels


SPOILED: dict[str, tuple[Any, str]] = {
    "no object": (["x"], "not_a_task"),
    "no steps": (row(actions=[]), "missing_field"),
    "steps that are no list": (row(actions={"a": 1}), "missing_field"),
    "a step that is no object": (row(actions=["x"]), "missing_field"),
    "no task": (row(step(), confirmed_task=" "), "missing_field"),
    "no site": (row(step(), website=None), "missing_field"),
    "no account of steps": (row(step(), action_reprs="x"), "missing_field"),
    "another operation": (row(step(operation={"op": "HOVER"})), "unknown_operation"),
    "an operation that is no object": (row(step(operation=["CLICK"])), "unknown_operation"),
    "nothing typed": (row(step(operation={"op": "TYPE", "value": " "})), "no_value"),
    "no page": (row(step(cleaned_html="")), "bad_page"),
    "a page that is cut off": (row(step(cleaned_html=PAGE[:200])), "bad_page"),
    "a page of no type": (row(step(cleaned_html=7)), "bad_page"),
    "a page that is too deep": (row(step(cleaned_html="<a>" * 400 + "</a>" * 400)), "bad_page"),
    "a page with entities": (row(step(cleaned_html='<!DOCTYPE x [<!ENTITY a "b">]>' + PAGE)), "bad_page"),
    "a page that shows too much": (
        row(step(cleaned_html=PAGE.replace("Link 12", "long " * 90_000))), "page_too_large"
    ),
    "no right element": (row(step(pos_candidates=[])), "no_right_element"),
    "a right element that is gone": (row(step(pos_candidates=[{"backend_node_id": "9"}])), "no_right_element"),
    "candidates of no type": (row(step(pos_candidates=[None, 3, {"x": 1}], neg_candidates="x")), "no_right_element"),
    "one candidate": (row(step(neg_candidates=[])), "one_candidate"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_step_is_told_and_the_others_come_in(name: str, tmp_path: Path) -> None:
    spoiled, reason = SPOILED[name]
    made = read(write(tmp_path, spoiled, row()))
    assert [one.reason for one in made if isinstance(one, Rejection)] == [reason]
    assert sum(isinstance(one, TaskSpec) for one in made) == 2
    assert reason in IMPORTER.reasons


def test_counts_add_up_and_places_are_told(tmp_path: Path) -> None:
    bad = [value for value, _ in SPOILED.values()]
    made = read(write(tmp_path, *bad, row(), *bad))
    assert len(made) == 2 * len(bad) + 2 and Counter(type(one) for one in made)[TaskSpec] == 2
    sources = [one.source if isinstance(one, Rejection) else one.provenance.source for one in made]
    assert sources[len(bad)].endswith(f":{len(bad) + 1} step 0")


def test_a_file_that_is_cut_off_keeps_what_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, row(), row())
    path.write_bytes(path.read_bytes()[:-400])
    made = read(path)
    assert [type(one) for one in made] == [TaskSpec, TaskSpec, Rejection]
    assert made[-1].reason == "cut_off"


@pytest.mark.parametrize(
    ("place", "origin"),
    [
        ("train/train_1.json", "derived"),
        ("test_domain/test_domain_0.json", "benchmark"),
        ("x/test_task_3.json", "benchmark"),
    ],
)
def test_test_files_are_benchmarks(place: str, origin: str, tmp_path: Path) -> None:
    path = write(tmp_path, row(), name=place)
    assert {one.origin for one in read(path)} == {origin}
    assert {one.origin for one in read(path, origin="own")} == {"own"}


def test_the_archive_is_read_and_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    archive = tmp_path / "test.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("test_domain/test_domain_0.json", json.dumps([row()]))
        file.writestr("test_task/test_task_0.json", json.dumps([row(step())]))
        file.writestr("readme.txt", "x")
    made = read(archive)
    assert [one.provenance.source for one in made][::2] == [
        "test.zip/test_domain/test_domain_0.json:1 step 0",
        "test.zip/test_task/test_task_0.json:1 step 0",
    ]
    assert {one.origin for one in made} == {"benchmark"} and not list((tmp_path / "tmp").iterdir())


def test_a_locked_archive_asks_for_its_password(tmp_path: Path) -> None:
    archive = tmp_path / "test.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("test_task/test_task_0.json", json.dumps([row()]))
    raw = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1  # encrypted, as its header says
    archive.write_bytes(raw)
    with pytest.raises(InputError, match=r"is locked: .*give it with --password"):
        read(archive)
    with pytest.raises(InputError, match=r"is locked: .*[Bb]ad password"):
        read(archive, password="moon")


def test_an_archive_that_is_none_or_holds_nothing_is_told(tmp_path: Path) -> None:
    broken, empty = tmp_path / "a.zip", tmp_path / "b.zip"
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    with zipfile.ZipFile(empty, "w") as file:
        file.writestr("readme.txt", "x")
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(broken)
    with pytest.raises(InputError, match="holds 0 JSON files"):
        read(empty)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"top": "1"}, "--top is a number from 2 to 50"),
        ({"top": "many"}, "--top is a number"),
        ({"unit": "page"}, "--unit is `step` or `task`"),
        ({"origin": "moon"}, "--origin is `auto` or one of"),
    ],
)
def test_a_wrong_option_is_told(given: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        read(write(tmp_path, row()), **given)
