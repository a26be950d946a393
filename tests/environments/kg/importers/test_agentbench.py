"""AgentBench's questions over Freebase become tasks: gold calls are the reference, `answer_argument` is right."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from environments.kg.importers.agentbench import IMPORTER, read_tasks
from environments.kg.task import problem_in, read_reference, state_of
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec

DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "agentbench"
ROW = {
    "question": "who taught the teacher?",
    "qid": "17_grailqa",
    "source": "grailqa",
    "entities": {"Teacher, The": "m.01", "Old School": "m.02"},
    "s_expression": "(AND a (JOIN b m.01))",
    "actions": [
        "get_relations(m.01)",
        "get_neighbors(m.01,a.b.c)",
        "get_relations(m.02)",
        "get_neighbors(m.02,a.b.d)",
        "intersection(#0,#1)",
    ],
    "answer": [
        {"answer_type": "Entity", "answer_argument": "m.03", "entity_name": "X"},
        {"answer_argument": "m.04"},
        {"answer_type": "Value", "answer_argument": 3},
    ],
}


def read(tmp_path: Path, *rows: Any) -> list[TaskSpec | Rejection]:
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return list(read_tasks(tmp_path / "rows.json"))


def test_a_question_has_its_things_calls_and_answers(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, ROW)
    assert isinstance(spec, TaskSpec)
    assert state_of(spec) == ("freebase", {"Teacher, The": "m.01", "Old School": "m.02"})
    assert [call.name for call in read_reference(spec.reference)][-1] == "intersection"
    assert (spec.check.kind, spec.check.expected) == ("label", ("m.03", "m.04", "3"))
    assert (spec.origin, spec.family, spec.license) == ("benchmark", "intersection", "Apache-2.0")
    assert spec.labels == ("qid:17_grailqa", "source:grailqa") and spec.explanation == ROW["s_expression"]
    assert problem_in(spec) is None


def test_a_question_without_calls_is_judged_by_its_answer(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, {key: value for key, value in ROW.items() if key not in ("actions", "s_expression")})
    assert isinstance(spec, TaskSpec)
    assert (spec.reference, spec.check.kind, spec.family) == ((), "label", "path")


def test_the_graph_may_have_another_name(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps([ROW]))
    (spec,) = IMPORTER.rows([tmp_path / "rows.json"], IMPORTER.settle({"graph": "mine"}))
    assert state_of(spec).graph == "mine"


BROKEN = {
    "a number": (7, "not_an_object"),
    "no question": ({**ROW, "question": " "}, "no_description"),
    "a question that is a list": ({**ROW, "question": ["x"]}, "no_description"),
    "no things": ({**ROW, "entities": {}}, "no_entities"),
    "things in a list": ({**ROW, "entities": ["m.01"]}, "no_entities"),
    "an id that is none": ({**ROW, "entities": {"x": "Q42"}}, "bad_entity"),
    "an id with SPARQL in it": ({**ROW, "entities": {"x": "m.1> ?p ?o } #"}}, "bad_entity"),
    "an id that is a number": ({**ROW, "entities": {"x": 5}}, "bad_entity"),
    "a name that is blank": ({**ROW, "entities": {" ": "m.01"}}, "bad_entity"),
    "calls in one text": ({**ROW, "actions": "get_relations(m.01)"}, "bad_actions"),
    "a call of no tool": ({**ROW, "actions": ["__import__(os)"]}, "bad_actions"),
    "a call that does not end": ({**ROW, "actions": ["get_relations(m.01"]}, "bad_actions"),
    "a call without its second argument": ({**ROW, "actions": ["get_neighbors(m.01)"]}, "bad_actions"),
    "many calls": ({**ROW, "actions": ["count(#0)"] * 50}, "bad_actions"),
    "no answer": ({**ROW, "answer": []}, "no_answer"),
    "an answer without a value": ({**ROW, "answer": [{"answer_type": "Entity"}]}, "no_answer"),
    "an answer that is a text": ({**ROW, "answer": "m.03"}, "no_answer"),
    "an answer that is yes": ({**ROW, "answer": [{"answer_argument": True}]}, "no_answer"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_row_is_turned_away_with_its_place(what: str, tmp_path: Path) -> None:
    row, reason = BROKEN[what]
    good, bad = read(tmp_path, ROW, row)
    assert isinstance(good, TaskSpec) and isinstance(bad, Rejection)
    assert (bad.reason, bad.source, bad.environment) == (reason, "rows.json:2", "kg")
    assert reason in IMPORTER.reasons and bad.detail


def test_the_same_question_twice_is_told(tmp_path: Path) -> None:
    first, second = read(tmp_path, ROW, ROW)
    assert isinstance(first, TaskSpec) and isinstance(second, Rejection)
    assert (second.reason, second.detail) == ("duplicate", "the same task as rows.json:1")


def test_a_file_that_stops_in_the_middle_keeps_what_is_whole(tmp_path: Path) -> None:
    text = json.dumps([ROW, {**ROW, "question": "another?"}])
    (tmp_path / "cut.json").write_text(text[: len(text) - 40])
    whole, cut = read_tasks(tmp_path / "cut.json")
    assert isinstance(whole, TaskSpec) and isinstance(cut, Rejection) and cut.reason == "cut_off"


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bpacked", b"no json at all"])
def test_a_file_that_is_no_json_gives_no_task(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_bytes(content)
    try:
        found = list(read_tasks(tmp_path / "rows.json"))
    except InputError as error:
        assert "rows.json" in str(error)
    else:
        assert not [one for one in found if isinstance(one, TaskSpec)]


@pytest.mark.parametrize(("name", "count"), [("kg_dev.json", 20), ("kg_std_first75.json", 75)])
def test_every_row_of_agentbench_s_files_is_a_task(name: str, count: int) -> None:
    if not (DATA / name).is_file():
        pytest.skip(f"../shared/data/agentbench/{name} is absent")
    specs = list(read_tasks(DATA / name))
    assert len(specs) == count and all(isinstance(spec, TaskSpec) for spec in specs)
    tasks = [spec for spec in specs if isinstance(spec, TaskSpec)]
    assert [problem_in(spec) for spec in tasks] == [None] * count
    lengths = Counter(len(read_reference(spec.reference)) for spec in tasks)
    assert set(lengths) <= {6, 7, 8, 9}
