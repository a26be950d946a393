"""Requests for made-up changes are worded by key, and replies are read as tasks or turned away with a reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from environments.db.generation import (
    OPERATIONS,
    DatabaseCard,
    DraftTask,
    Problem,
    Sample,
    build_request,
    example_of,
    load_seeds,
    make_spec,
    read_task,
)
from schemas.errors import ConfigError
from schemas.task_spec import Provenance

CARD = DatabaseCard(
    "shelter", "a" * 64, "CREATE TABLE pets (name TEXT);", (Sample("pets", ("name",), (("Rex",), ("NULL",))),)
)
DRAFT = DraftTask("Add Max.", "One row.", "INSERT INTO pets VALUES ('Max')")


def reply(problem: str = "Add Max.", reference: str = "INSERT INTO pets VALUES ('Max')") -> str:
    return f"### Problem\n{problem}\n### Explanation\nOne row.\n### Reference\n```sql\n{reference}\n```\n"


def test_there_are_seeds_of_every_operation() -> None:
    seeds = load_seeds()
    assert set(Counter(seed.operation for seed in seeds).values()) == {6}
    assert len({seed.name for seed in seeds}) == len(seeds) >= 9


def test_equal_keys_word_equal_requests_and_other_keys_draw_others() -> None:
    seeds = load_seeds()
    first, again, other = (build_request(seeds, [], CARD, operation="INSERT", key=key) for key in ("1", "1", "2"))
    assert first == again
    assert first.parents != other.parents
    text = first.messages[0].content
    assert "CREATE TABLE pets" in text and "Rex" in text and text.count("## Example") == 8


def test_examples_of_the_same_operation_and_machine_made_ones_stand_in_the_prompt() -> None:
    spec = make_spec(DRAFT, database=CARD, operation="INSERT", parents=(), provenance=Provenance(source="test"))
    request = build_request(load_seeds(), [example_of(spec)], CARD, operation="INSERT", key="k")
    assert spec.task_id in request.parents
    assert sum(name.startswith("insert-") for name in request.parents) == 6


def test_a_draft_becomes_a_task_judged_by_state() -> None:
    spec = make_spec(DRAFT, database=CARD, operation="INSERT", parents=("s",), provenance=Provenance(source="test"))
    assert (spec.origin, spec.check.kind, spec.family) == ("self_instruct", "state", "insert")
    assert (spec.setup.database, spec.reference[0].code) == (CARD.sha256, DRAFT.reference)


def test_a_reply_is_read_whole() -> None:
    assert read_task(reply(), "INSERT") == DRAFT
    assert read_task("Sure!\n\n" + reply().replace("###", "##"), "INSERT") == DRAFT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot.", "missing_section"),
        (reply() + reply(), "repeated_section"),
        (reply(problem=" "), "empty_section"),
        (reply().replace("```sql", "").replace("```", ""), "no_code_block"),
        (reply() + "\n```sql\nSELECT 1\n```", "several_blocks"),
        (reply(problem="x" * 5000), "too_long"),
        (reply(reference="INSERT INTO"), "sql_unreadable"),
        (reply(reference="DELETE FROM pets; DELETE FROM pets"), "not_one_statement"),
        (reply(reference="DELETE FROM pets"), "wrong_operation"),
        (reply(reference="DROP TABLE pets"), "wrong_operation"),
    ],
)
def test_a_reply_that_is_no_task_has_a_reason(text: str, reason: str) -> None:
    found = read_task(text, "INSERT")
    assert isinstance(found, Problem) and found.reason == reason


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "holds no seed"),
        ("{", "no JSON"),
        ('{"name": "a"}', "needs the texts"),
        ('{"name": "a", "operation": "DROP", "problem": "", "explanation": "", "reference": ""}', "has the operation"),
        ('{"name": "a", "operation": "INSERT", "problem": "", "explanation": "", "reference": "x y"}', "is no task"),
    ],
)
def test_bad_seeds_say_which_line_and_why(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "seeds.jsonl").write_text(line)
    with pytest.raises(ConfigError, match=why):
        load_seeds(str(tmp_path / "seeds.jsonl"))
    with pytest.raises(ConfigError, match="no seeds"):
        load_seeds(str(tmp_path / "missing.jsonl"))
    assert OPERATIONS == ("INSERT", "UPDATE", "DELETE")
